"""Checking a report offline: is it to the last byte what was sealed, and who sealed it.

Three questions, in this order, so that nothing is interpreted before it is known to be intact:

1. the bytes (`seal_bytes`): the seal covers the whole file and is spelt as the sealer spells it;
2. the document (`inspection_child`, in a limited process): the seal that a viewer shows is that seal, and the
   attached evidence recomputes to the digest that it states;
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
    from assay.report.seal_bytes import Seal

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
    from assay.report.seal_bytes import AlteredSeal, NoSeal, read_seal

    given = {certificate for item in trust for certificate in _certificates(item)}
    if len(data) > MAX_BYTES:
        return Verification(
            "not_a_report", (f"The file is larger than {MAX_BYTES // 2**20} MB; no report of Assay is.",)
        )
    try:
        seal = read_seal(data)
    except NoSeal as error:
        what = str(error) if data.startswith(b"%PDF-") else "The file is not a PDF."
        return Verification("not_a_report", (what,))
    except AlteredSeal as error:
        return Verification(
            "altered", ("The report was changed after it was sealed; believe nothing in it.", str(error))
        )
    return _judge(data, seal, given, authority, now or datetime.now(UTC))


def _judge(
    data: bytes, seal: Seal, given: set[bytes], authority: Authority | None, now: datetime
) -> Verification:
    head, evidence = _inspect(data, seal)
    if "sentence" in head:
        outcome: VerifyOutcome = "altered" if head.get("outcome") == "altered" else "not_a_report"
        return Verification(outcome, (head["sentence"],))
    stated = _PDF_DATE.fullmatch(head["sealed_at"])
    try:
        sealed_at = datetime.strptime(stated[1], "%Y%m%d%H%M%S").replace(tzinfo=UTC) if stated else None
    except ValueError:
        sealed_at = None
    if sealed_at is None:
        return Verification("not_a_report", ("The seal states its time in a way that Assay does not.",))

    fingerprint = hashlib.sha256(seal.root).hexdigest()
    signer = f"{_common_name(seal.pair.seal)} of {_common_name(seal.pair.root)}"
    details = ["The seal covers every byte of the file: nothing was changed, added or removed since."]
    dated = all(
        certificate.not_valid_before_utc <= sealed_at <= certificate.not_valid_after_utc
        for certificate in seal.pair
    )
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
    details.append("The seal attests the service, not a person: no reviewer has signed.")
    details.extend(_dates(seal, sealed_at, now))
    return Verification(
        "intact" if known and dated else "untrusted",
        tuple(details),
        signer,
        fingerprint,
        sealed_at,
        head["snapshot_digest"],
        evidence,
    )


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


def _inspect(data: bytes, seal: Seal) -> tuple[dict[str, str], bytes]:
    """Ask the child; any end but an orderly answer means that the file cannot be read as a report."""
    from assay.runner.sandbox import child_environment

    request = {
        "gap": seal.gap,
        "message": hashlib.sha256(seal.message).hexdigest(),
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
