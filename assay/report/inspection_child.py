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

__all__ = ["Inspected", "Refused", "inspect_sealed", "main"]

MAX_EVIDENCE = 64 * 1024 * 1024
_MAX_METADATA = 1024 * 1024
_MAX_ATTACHMENTS = 1_000
_MAX_FIELDS = 100
_MEMORY = 2 * 1024**3
_CPU_SECONDS = 40
_OUTPUT = MAX_EVIDENCE + 1024 * 1024
_KEYWORDS = re.compile(r"<pdf:Keywords>([^<]*)</pdf:Keywords>")
_DIGEST = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


class Refused(Exception):
    """The file is intact as bytes, but not a sealed report; `outcome` says which way."""

    def __init__(self, outcome: str, sentence: str) -> None:
        super().__init__(sentence)
        self.outcome = outcome
        self.sentence = sentence


class Inspected(NamedTuple):
    """What a sealed report says of itself."""

    sealed_at: str
    """The PDF date of the signature dictionary, e.g. D:20261122105741Z."""
    snapshot_digest: str
    evidence: bytes


def inspect_sealed(data: bytes, gap: tuple[int, int], message_digest: str) -> Inspected:
    """Check that the document which a viewer shows is the one that the seal stands for.

    Args:
        data: the file.
        gap: where the seal's hex string stands, as `read_seal` found it.
        message_digest: SHA-256 (hex) of the seal's message.

    Raises:
        Refused: signature wrapping, several signatures, no or several evidence attachments, a snapshot
            digest that does not recompute, metadata that names another snapshot.
        pikepdf.PdfError and others: the file cannot be read at all.
    """
    import pikepdf

    with pikepdf.open(io.BytesIO(data), attempt_recovery=False, suppress_warnings=True) as document:
        if document.is_encrypted:
            raise Refused("not_a_report", "The document is encrypted; reports of Assay never are.")
        sealed_at = _check_signature(document, gap, len(data), message_digest)
        evidence = _evidence(document)
        mentioned = _mentioned(document)
    stated = _check_evidence(evidence)
    if mentioned - {stated}:
        raise Refused("altered", "The document's metadata name another snapshot than the attached evidence.")
    return Inspected(sealed_at, stated, evidence)


def _check_signature(document: pikepdf.Pdf, gap: tuple[int, int], size: int, message_digest: str) -> str:
    from pikepdf import Name

    from assay.report.signature_fields import SEAL_FIELD

    form = document.Root.get(Name.AcroForm)
    fields = list(form.Fields) if form is not None and Name.Fields in form else []
    if len(fields) > _MAX_FIELDS:
        raise Refused("not_a_report", f"The document has more than {_MAX_FIELDS} form fields.")
    named = [index for index, field in enumerate(fields) if str(field.get(Name.T, "")) == SEAL_FIELD]
    if len(named) != 1:
        raise Refused("not_a_report", "The document has no field for the seal of a report.")
    filled = [index for index, field in enumerate(fields) if Name.V in field or Name.Kids in field]
    if filled != named:
        raise Refused("altered", "The document carries something else than one seal in its form.")
    signature = fields[named[0]].V
    start, stop = gap
    if (
        [int(number) for number in signature.ByteRange] != [0, start, stop, size - stop]
        or hashlib.sha256(bytes(signature.Contents)).hexdigest() != message_digest
        or signature.Filter != Name("/Adobe.PPKLite")
        or signature.SubFilter != Name("/ETSI.CAdES.detached")
        or document.Root.Perms.DocMDP.objgen != signature.objgen
    ):
        raise Refused("altered", "The seal that a viewer shows is not the one that covers the file.")
    return str(signature.M)


def _evidence(document: pikepdf.Pdf) -> bytes:
    from pikepdf import Name

    found = [
        spec
        for name, spec in _attachments(document)
        if "evidence.json" in (name, str(spec.get(Name.F, "")), str(spec.get(Name.UF, "")))
    ]
    if len(found) != 1:
        count = "no" if not found else "more than one"
        raise Refused("not_a_report", f"The document has {count} attachment evidence.json.")
    files = found[0].EF
    stream = files.F
    # Viewers may open either entry, so both must be the same stream.
    if Name.UF in files and files.UF.objgen != stream.objgen:
        raise Refused("not_a_report", "The attachment evidence.json has two contents.")
    return _decoded(stream, MAX_EVIDENCE)


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
    """Read a JSON line {gap, message, parent} and the file; answer a JSON line and the evidence."""
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
    start, stop = request["gap"]
    try:
        found = inspect_sealed(data, (start, stop), request["message"])
        answer = {"sealed_at": found.sealed_at, "snapshot_digest": found.snapshot_digest}
        evidence = found.evidence
    except Refused as refused:
        answer, evidence = {"outcome": refused.outcome, "sentence": refused.sentence}, b""
    sys.stdout.buffer.write(json.dumps(answer).encode("ascii") + b"\n" + evidence)
    sys.stdout.buffer.flush()
    # qpdf's clean-up of a large document takes longer than the answer did.
    os._exit(0)


if __name__ == "__main__":
    main()
