"""Reads a sealed PDF's structure, in a process of its own: `python -I -m assay.report.inspection_child`.

The file may come from anybody: its seal is arithmetically right, but its signer may be a stranger who built
it to hang or crash a parser. So everything that interprets it runs here, under limits on time and memory,
and whatever goes wrong ends this process only.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import resource
import sys
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pikepdf

__all__ = ["Inspected", "Place", "Refused", "inspect_sealed", "main"]

MAX_EVIDENCE = 64 * 1024 * 1024
_MAX_DECISION = 4 * 1024 * 1024
_MAX_OBJECTS = 1_000_000
_MAX_METADATA = 1024 * 1024
_MAX_ATTACHMENTS = 1_000
_MAX_FIELDS = 100
_MEMORY = 2 * 1024**3
_CPU_SECONDS = 40
_OUTPUT = MAX_EVIDENCE + 7 * _MAX_DECISION
_KEYWORDS = re.compile(r"<pdf:Keywords>([^<]*)</pdf:Keywords>")
_DIGEST = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


class Refused(Exception):
    """The file is intact as bytes, but not a sealed report; `outcome` says which way."""

    def __init__(self, outcome: str, sentence: str) -> None:
        super().__init__(sentence)
        self.outcome = outcome
        self.sentence = sentence


class Place(NamedTuple):
    """A signature as the check of the bytes found it."""

    gap: tuple[int, int]
    """Where its hex string stands."""
    covers: int
    """It covers the file's first bytes up to here."""
    message: str
    """SHA-256 (hex) of its message."""


class Inspected(NamedTuple):
    """What a sealed report says of itself."""

    sealed_at: str
    """The PDF date of the signature dictionary, e.g. D:20261122105741Z."""
    snapshot_digest: str
    evidence: bytes
    decision: str = ""
    """decision.json of a report of the service; empty where there is none."""
    countersigned_at: str = ""


def inspect_sealed(data: bytes, seal: Place, countersignature: Place | None = None) -> Inspected:
    """Check that the document which a viewer shows is the one that the seal stands for.

    Args:
        data: the file.
        seal: as `read_signatures` found it.
        countersignature: likewise; None where there is none.

    Raises:
        Refused: signature wrapping, further signatures, no or several evidence attachments, a snapshot
            digest that does not recompute, metadata that names another snapshot; a decision without its
            countersignature or the reverse, or that they do not fit; an update that changes anything else.
        pikepdf.PdfError and others: the file cannot be read at all.
    """
    import pikepdf

    with pikepdf.open(io.BytesIO(data), attempt_recovery=False, suppress_warnings=True) as document:
        if document.is_encrypted:
            raise Refused("not_a_report", "The document is encrypted; reports of Assay never are.")
        stated_times = _check_signatures(document, seal, countersignature)
        evidence = _attached(document, "evidence.json", MAX_EVIDENCE)
        if evidence is None:
            raise Refused("not_a_report", "The document has no attachment evidence.json.")
        decision = _attached(document, "decision.json", _MAX_DECISION)
        signed = _signed_words(document) if countersignature is not None else None
        if countersignature is not None:
            _check_update(data[: seal.covers], document)
        mentioned = _mentioned(document)
    stated = _check_evidence(evidence)
    if mentioned - {stated}:
        raise Refused("altered", "The document's metadata name another snapshot than the attached evidence.")
    text = _check_decision(decision, stated, signed)
    return Inspected(stated_times[0], stated, evidence, text, (*stated_times, "")[1])


def _check_signatures(document: pikepdf.Pdf, seal: Place, countersignature: Place | None) -> list[str]:
    """That the form holds exactly these signatures; returns the times that they state."""
    from pikepdf import Name

    from assay.report.signature_fields import REVIEW_FIELD, SEAL_FIELD

    expected = {SEAL_FIELD: seal}
    if countersignature is not None:
        expected[REVIEW_FIELD] = countersignature
    form = document.Root.get(Name.AcroForm)
    fields = list(form.Fields) if form is not None and Name.Fields in form else []
    if len(fields) > _MAX_FIELDS:
        raise Refused("not_a_report", f"The document has more than {_MAX_FIELDS} form fields.")
    names = [str(field.get(Name.T, "")) for field in fields]
    if names.count(SEAL_FIELD) != 1:
        raise Refused("not_a_report", "The document has no field for the seal of a report.")
    filled = [index for index, field in enumerate(fields) if Name.V in field or Name.Kids in field]
    if sorted(names[index] for index in filled) != sorted(expected):
        what = "one seal" if countersignature is None else "one seal and one countersignature"
        raise Refused("altered", f"The document carries something else than {what} in its form.")
    times = []
    for name, place in expected.items():
        signature = fields[names.index(name)].V
        start, stop = place.gap
        if (
            [int(number) for number in signature.ByteRange] != [0, start, stop, place.covers - stop]
            or hashlib.sha256(bytes(signature.Contents)).hexdigest() != place.message
            or signature.Filter != Name("/Adobe.PPKLite")
            or signature.SubFilter != Name("/ETSI.CAdES.detached")
        ):
            raise Refused("altered", f"The {name} that a viewer shows is not the one that covers the file.")
        times.append(str(signature.M))
    if document.Root.Perms.DocMDP.objgen != fields[names.index(SEAL_FIELD)].V.objgen:
        raise Refused("altered", "The seal that a viewer shows is not the one that covers the file.")
    return times


def _signed_words(document: pikepdf.Pdf) -> tuple[str, str]:
    """Name and reason of the countersignature."""
    from pikepdf import Name

    from assay.report.signature_fields import REVIEW_FIELD

    field = next(f for f in document.Root.AcroForm.Fields if str(f.get(Name.T, "")) == REVIEW_FIELD)
    return str(field.V.get(Name.Name, "")), str(field.V.get(Name.Reason, ""))


def _check_update(sealed: bytes, after: pikepdf.Pdf) -> None:
    """That the countersignature's update filled the reviewer's field and changed nothing else."""
    import pikepdf
    from pikepdf import Name

    from assay.report.signature_fields import REVIEW_FIELD

    with pikepdf.open(io.BytesIO(sealed), attempt_recovery=False, suppress_warnings=True) as before:
        old, new = _contents(before), _contents(after)
        same_trailer = all(
            before.trailer[key].objgen == after.trailer[key].objgen for key in ("/Root", "/Info")
        ) and bytes(before.trailer.ID[0]) == bytes(after.trailer.ID[0])
        fields = [f for f in after.Root.AcroForm.Fields if str(f.get(Name.T, "")) == REVIEW_FIELD]
        (field,) = fields
        changed = {key for key, content in new.items() if key in old and old[key] != content}
        added = {key for key in new if key not in old} - {field.V.objgen}
        tables = {key for key in added if after.get_object(key).get(Name.Type) == Name.XRef}
        was = {
            k: v.unparse() if hasattr(v, "unparse") else v for k, v in before.get_object(field.objgen).items()
        }
        now = {k: v.unparse() if hasattr(v, "unparse") else v for k, v in field.items() if k != "/V"}
    if (
        changed != {field.objgen}
        or added != tables
        or old.keys() - new.keys()
        or not same_trailer
        or was != now
    ):
        raise Refused("altered", "More than the reviewer's field was changed after the report was sealed.")


def _contents(document: pikepdf.Pdf) -> dict[tuple[int, int], bytes]:
    """Digest of every object as it stands in the file."""
    import pikepdf

    found = {}
    for count, item in enumerate(document.objects):
        if count > _MAX_OBJECTS:
            raise Refused("not_a_report", "The document has more objects than any report of Assay.")
        hashed = hashlib.sha256()
        if isinstance(item, pikepdf.Stream):
            for key, value in sorted(item.stream_dict.items()):
                hashed.update(key.encode() + _written(value))
            hashed.update(item.read_raw_bytes())
        else:
            hashed.update(_written(item, resolved=True))
        found[item.objgen] = hashed.digest()
    return found


def _written(value: Any, *, resolved: bool = False) -> bytes:
    import pikepdf

    if isinstance(value, pikepdf.Object):
        return bytes(value.unparse(resolved=resolved))
    return repr(value).encode()


def _attached(document: pikepdf.Pdf, wanted: str, limit: int) -> bytes | None:
    """The one attachment of that name; None where there is none."""
    from pikepdf import Name

    found = [
        spec
        for name, spec in _attachments(document)
        if wanted in (name, str(spec.get(Name.F, "")), str(spec.get(Name.UF, "")))
    ]
    if not found:
        return None
    if len(found) != 1:
        raise Refused("not_a_report", f"The document has more than one attachment {wanted}.")
    files = found[0].EF
    stream = files.F
    # Viewers may open either entry, so both must be the same stream.
    if Name.UF in files and files.UF.objgen != stream.objgen:
        raise Refused("not_a_report", f"The attachment {wanted} has two contents.")
    return _decoded(stream, limit)


def _check_decision(data: bytes | None, snapshot: str, signed: tuple[str, str] | None) -> str:
    """That a decision is about this snapshot, and signed if and only if one was taken; returns its text."""
    from assay.report.decision import load_decision, signed_name, signed_reason

    if data is None:
        if signed is not None:
            raise Refused("altered", "The document is countersigned, but holds no decision.")
        return ""
    try:
        decision = load_decision(data)
    except ValueError as error:
        raise Refused("not_a_report", f"The attached {error}.") from error
    if decision.snapshot_digest != snapshot:
        raise Refused("altered", "The attached decision is about another snapshot than the evidence.")
    if decision.decided and signed is None:
        raise Refused("altered", "The report holds a decision, but its countersignature was removed.")
    if signed is not None and not decision.decided:
        raise Refused("altered", "The document is countersigned, but nothing was decided.")
    if signed is not None and signed != (signed_name(decision), signed_reason(decision)):
        raise Refused("altered", "The countersignature states another decision than the attached one.")
    return data.decode("utf-8")


def _attachments(document: pikepdf.Pdf) -> Iterator[tuple[str, Any]]:
    """All (name, file specification) of the name tree, however it is nested, cycles included."""
    from pikepdf import Name

    names = document.Root.get(Name.Names)
    pending = [names.EmbeddedFiles] if names is not None and Name.EmbeddedFiles in names else []
    seen: set[tuple[int, int]] = set()
    count = 0
    while pending:
        node = pending.pop()
        if node.is_indirect:
            if node.objgen in seen:
                continue
            seen.add(node.objgen)
        pairs = list(node.get(Name.Names, []))
        count += 1 + len(pairs) // 2
        if count > _MAX_ATTACHMENTS:
            raise Refused("not_a_report", f"The document has more than {_MAX_ATTACHMENTS:,} attachments.")
        yield from ((str(key), spec) for key, spec in zip(pairs[::2], pairs[1::2], strict=True))
        pending.extend(node.get(Name.Kids, []))


def _decoded(stream: pikepdf.Object, limit: int) -> bytes:
    """The stream's bytes; plain or deflated only, and never more than `limit`."""
    from pikepdf import Name

    raw = stream.read_raw_bytes()
    kind = stream.get(Name.Filter)
    if kind is None:
        content = raw
    elif kind == Name.FlateDecode and Name.DecodeParms not in stream:
        content = zlib.decompressobj().decompress(raw, limit + 1)
    else:
        raise Refused("not_a_report", "An attachment is packed in a way that Assay does not use.")
    if len(content) > limit:
        raise Refused("not_a_report", f"A part of the document unpacks to more than {limit // 2**20} MB.")
    return content


def _mentioned(document: pikepdf.Pdf) -> set[str]:
    """Digests among the document's keywords, in /Info and in the XMP packet."""
    from pikepdf import Name

    texts = [str(document.docinfo.get(Name.Keywords, ""))]
    if Name.Metadata in document.Root:
        packet = _decoded(document.Root.Metadata, _MAX_METADATA).decode("utf-8", "replace")
        texts.extend(_KEYWORDS.findall(packet))
    return {digest for text in texts for digest in _DIGEST.findall(text)}


def _check_evidence(evidence: bytes) -> str:
    from assay.errors import AssayError
    from assay.evidence import snapshot_digest

    try:
        body = json.loads(evidence, object_pairs_hook=_without_repeats, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Refused("not_a_report", "The attached evidence.json is not JSON.") from error
    schema = body.get("schema") if isinstance(body, dict) else None
    if not isinstance(schema, str) or not schema.startswith("assay.evidence/"):
        raise Refused("not_a_report", "The attached evidence.json is no evidence of Assay.")
    try:
        computed = snapshot_digest(body)
    except (AssayError, RecursionError) as error:
        raise Refused("not_a_report", "The attached evidence.json has no canonical form.") from error
    if body.get("snapshot_digest") != computed:
        raise Refused(
            "altered", "The attached evidence does not have the digest that it states: it was changed."
        )
    return computed


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    # Readers differ in which of two equal keys counts.
    if len(found) != len(pairs):
        raise ValueError("repeated key")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def main() -> None:
    """Read a JSON line {signatures, parent} and the file; answer a JSON line and the evidence."""
    from assay.runner.sandbox import lock_down

    request = json.loads(sys.stdin.buffer.readline())
    lock_down(int(request["parent"]))
    for limit, value in (
        (resource.RLIMIT_AS, _MEMORY),
        (resource.RLIMIT_CPU, _CPU_SECONDS),
        (resource.RLIMIT_FSIZE, _OUTPUT),
    ):
        resource.setrlimit(limit, (value, value))
    data = sys.stdin.buffer.read()
    seal, *rest = [
        Place((p["gap"][0], p["gap"][1]), p["covers"], p["message"]) for p in request["signatures"]
    ]
    try:
        found = inspect_sealed(data, seal, *rest)
        answer = {
            "sealed_at": found.sealed_at,
            "snapshot_digest": found.snapshot_digest,
            "decision": found.decision,
            "countersigned_at": found.countersigned_at,
        }
        evidence = found.evidence
    except Refused as refused:
        answer, evidence = {"outcome": refused.outcome, "sentence": refused.sentence}, b""
    sys.stdout.buffer.write(json.dumps(answer).encode("ascii") + b"\n" + evidence)
    sys.stdout.buffer.flush()
    # qpdf's clean-up of a large document takes longer than the answer did.
    os._exit(0)


if __name__ == "__main__":
    main()
