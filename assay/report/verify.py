"""Checking a report offline: is it to the last byte what was sealed, and who sealed it.

Three questions, in this order, so that nothing is interpreted before it is known to be intact:

1. the bytes (`seal_bytes`): seal and countersignature cover the whole file, spelt as they were written;
2. the document (`inspection_child`, in a limited process): the signatures that a viewer shows are those, the
   attached evidence recomputes to the digest that it states, and a decision is countersigned;
3. the signer: is its certificate this installation's own, or one that the reader chose to trust?
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from assay.errors import BadInput

if TYPE_CHECKING:
    from cryptography import x509

    from assay.report.authority import Authority
    from assay.report.decision import Decision
    from assay.report.seal_bytes import Seal, Signatures

__all__ = ["MAX_BYTES", "Verification", "VerifyOutcome", "verify"]

VerifyOutcome = Literal["intact", "altered", "not_a_report", "untrusted"]
MAX_BYTES = 256 * 1024 * 1024
"""A larger file is refused unread."""

_EXIT_CODES: dict[VerifyOutcome, int] = {"intact": 0, "altered": 1, "not_a_report": 2, "untrusted": 3}
_SECONDS = 60.0
_PDF_DATE = re.compile(r"D:(\d{14})Z")


@dataclass(frozen=True)
class Verification:
    """The answer of `verify`. Fields below `details` are None unless the seal is intact."""

    outcome: VerifyOutcome
    details: tuple[str, ...]
    """Sentences for the reader, the most important first."""
    signer: str | None = None
    fingerprint: str | None = None
    """SHA-256 of the root certificate (DER), hex."""
    sealed_at: datetime | None = None
    """As the sealing machine stated it, UTC."""
    snapshot_digest: str | None = None
    evidence: bytes | None = None
    """The attached evidence.json. For `untrusted`, the word of a stranger."""
    decision: Decision | None = None
    """The attached decision.json of a report of the service, likewise."""
    countersigned_at: datetime | None = None
    """When the service recorded a reviewer's decision, by its own clock, UTC."""

    @property
    def exit_code(self) -> int:
        """0 intact and trusted, 1 altered, 2 not a report, 3 intact but signer not trusted."""
        return _EXIT_CODES[self.outcome]


def verify(
    data: bytes,
    *,
    trust: Sequence[bytes] = (),
    authority: Authority | None = None,
    now: datetime | None = None,
) -> Verification:
    """Check a sealed report. Never raises on what is in the file, reaches no network, creates nothing.

    Args:
        data: the PDF file.
        trust: certificates (PEM or DER; root or sealing certificate) that the reader trusts.
        authority: this installation's own, from `find_authority`; None when it has none.
        now: the present, for sentences on expired certificates; the clock's when None.

    Raises:
        BadInput: an item of `trust` is not a certificate.
    """
    from assay.report.seal_bytes import AlteredSeal, NoSeal, read_signatures

    given = {certificate for item in trust for certificate in _certificates(item)}
    if len(data) > MAX_BYTES:
        return Verification(
            "not_a_report", (f"The file is larger than {MAX_BYTES // 2**20} MB; no report of Assay is.",)
        )
    try:
        signatures = read_signatures(data)
    except NoSeal as error:
        what = str(error) if data.startswith(b"%PDF-") else "The file is not a PDF."
        return Verification("not_a_report", (what,))
    except AlteredSeal as error:
        return Verification(
            "altered", ("The report was changed after it was sealed; believe nothing in it.", str(error))
        )
    return _judge(data, signatures, given, authority, now or datetime.now(UTC))


def _judge(
    data: bytes, signatures: Signatures, given: set[bytes], authority: Authority | None, now: datetime
) -> Verification:
    seal, countersignature = signatures.seal, signatures.countersignature
    head, evidence = _inspect(data, signatures)
    if "sentence" in head:
        outcome: VerifyOutcome = "altered" if head.get("outcome") == "altered" else "not_a_report"
        return Verification(outcome, (head["sentence"],))
    sealed_at = _pdf_time(head["sealed_at"])
    countersigned_at = _pdf_time(head["countersigned_at"]) if countersignature is not None else None
    if sealed_at is None or (countersignature is not None and countersigned_at is None):
        return Verification("not_a_report", ("The seal states its time in a way that Assay does not.",))

    fingerprint = hashlib.sha256(seal.root).hexdigest()
    signer = f"{_common_name(seal.pair.seal)} of {_common_name(seal.pair.root)}"
    cover = "The seal covers" if countersignature is None else "Seal and countersignature cover"
    details = [f"{cover} every byte of the file: nothing was changed, added or removed since."]
    dated = _alive(seal, sealed_at)
    if countersignature is not None and countersigned_at is not None:
        dated = dated and _alive(countersignature, countersigned_at) and countersigned_at >= sealed_at
    if authority is not None and seal.root in authority.roots:
        known = f"Sealed by {signer}, this installation's own authority (SHA-256 {fingerprint})."
    elif given & {seal.root, seal.seal}:
        known = f"Sealed by {signer}, whose certificate you chose to trust (SHA-256 {fingerprint})."
    else:
        known = ""
        details.append(
            f"Sealed by {signer}, which this installation does not know (SHA-256 {fingerprint}). The names "
            f"prove nothing: ask the sender for the certificate by another way than this file, compare the "
            f"fingerprint, and give it with --trust."
        )
    if known:
        details.append(known)
    details.append(
        f"Stated time: {sealed_at:%Y-%m-%d %H:%M:%S} UTC, by the sealing machine's own clock; no time-stamp "
        f"authority vouches for it."
    )
    if not dated:
        details.append(
            "The stated time is outside the life of the sealing certificate, so the seal is not accepted."
        )
    details.append(f"The attached evidence.json has the snapshot digest {head['snapshot_digest']}.")
    decision = _decision(head["decision"])
    details.extend(_decided(decision, countersigned_at))
    details.extend(_dates(seal, sealed_at, now))
    return Verification(
        "intact" if known and dated else "untrusted",
        tuple(details),
        signer,
        fingerprint,
        sealed_at,
        head["snapshot_digest"],
        evidence,
        decision,
        countersigned_at,
    )


def _decision(text: str) -> Decision | None:
    if not text:
        return None
    from assay.report.decision import load_decision

    return load_decision(text.encode("utf-8"))


def _decided(decision: Decision | None, countersigned_at: datetime | None) -> list[str]:
    """Who decided what, and what the countersignature is worth."""
    if decision is None:
        return ["The seal attests the service, not a person: no reviewer has signed."]
    sentences = []
    if countersigned_at is None:
        word = "Draft" if decision.outcome == "draft" else "Certified at submission"
        sentences.append(
            f"{word}; the seal attests the service, not a person: no reviewer has decided in this edition."
        )
    else:
        words = {"approved": "Approved", "rejected": "Rejected", "changes": "Changes requested"}
        who = decision.reviewer
        name = f"{_plain(who.name)} ({_plain(who.role, 40)})" if who is not None else "nobody"
        until = f", valid until {decision.valid_until}" if decision.valid_until else ""
        sentences.append(
            f"{words[decision.outcome]} by {name} at {decision.decided_at}{until} "
            f"(review {decision.review} of {_plain(decision.organisation)})."
        )
        if decision.reason.strip():
            sentences.append(f"Reason: {_plain(decision.reason, 400)}")
        if decision.conditions.strip():
            sentences.append(f"Conditions: {_plain(decision.conditions, 400)}")
        sentences.append(
            f"Countersigned at {countersigned_at:%Y-%m-%d %H:%M:%S} UTC by the service on the reviewer's "
            f"behalf, with a key that the service holds: it attests that the service recorded this decision, "
            f"and is no signature by the person's own hand."
        )
    sentences.append(
        f"Whether it was superseded or revoked since stands at {_plain(decision.check.url, 200)} "
        "(needs a network)."
    )
    return sentences


def _plain(text: str, limit: int = 120) -> str:
    flat = "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def _pdf_time(stated: str) -> datetime | None:
    found = _PDF_DATE.fullmatch(stated)
    try:
        return datetime.strptime(found[1], "%Y%m%d%H%M%S").replace(tzinfo=UTC) if found else None
    except ValueError:
        return None


def _alive(seal: Seal, at: datetime) -> bool:
    return all(c.not_valid_before_utc <= at <= c.not_valid_after_utc for c in seal.pair)


def _dates(seal: Seal, sealed_at: datetime, now: datetime) -> list[str]:
    sentences = []
    for name, certificate in zip(("authority's", "sealing"), seal.pair, strict=True):
        if now > certificate.not_valid_after_utc:
            sentences.append(
                f"The {name} certificate expired on {certificate.not_valid_after_utc:%Y-%m-%d}; a seal made "
                f"before that day stays valid."
            )
    if sealed_at > now + timedelta(days=1):
        sentences.append(
            "The stated time lies ahead of this machine's clock; one of the two clocks is wrong."
        )
    return sentences


def _inspect(data: bytes, signatures: Signatures) -> tuple[dict[str, str], bytes]:
    """Ask the child; any end but an orderly answer means that the file cannot be read as a report."""
    from assay.runner.sandbox import child_environment

    places = [(signatures.seal, signatures.sealed_bytes)]
    if signatures.countersignature is not None:
        places.append((signatures.countersignature, len(data)))
    request = {
        "signatures": [
            {"gap": found.gap, "covers": covers, "message": hashlib.sha256(found.message).hexdigest()}
            for found, covers in places
        ],
        "parent": os.getpid(),
    }
    line = json.dumps(request).encode("ascii") + b"\n"
    with tempfile.TemporaryFile() as answer:
        try:
            child = subprocess.run(
                [sys.executable, "-I", "-m", "assay.report.inspection_child"],
                input=line + data,
                stdout=answer,
                stderr=subprocess.DEVNULL,
                env=child_environment(os.environ, os.devnull),
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {"sentence": f"The document could not be read within {_SECONDS:.0f} seconds."}, b""
        answer.seek(0)
        head, evidence = answer.readline(), answer.read()
    if child.returncode != 0:
        return {"sentence": "The document cannot be read as a PDF report within the limits."}, b""
    return json.loads(head), evidence


def _certificates(item: bytes) -> list[bytes]:
    """DER of every certificate in a PEM or DER file."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        if b"-----BEGIN" in item:
            found = x509.load_pem_x509_certificates(item)
        else:
            found = [x509.load_der_x509_certificate(item)]
        return [certificate.public_bytes(Encoding.DER) for certificate in found]
    except ValueError as error:
        raise BadInput("What was given with --trust is not a certificate in PEM or DER form.") from error


def _common_name(certificate: x509.Certificate) -> str:
    """The common name, printable and short: a stranger wrote it, and a terminal will show it."""
    from cryptography import x509

    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    text = "".join(c if c.isprintable() else "?" for c in str(names[0].value)) if names else "(no name)"
    return text if len(text) <= 80 else text[:79] + "…"
