"""A small tagged report, real in every part, and authorities to seal it with; made once per test process."""

from __future__ import annotations

import atexit
import io
import json
import shutil
import tempfile
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import typst
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import signers

from assay.evidence import canonical, snapshot_digest
from assay.report.authority import Authority, open_authority
from assay.report.certificates import fingerprint
from assay.report.countersign import countersign
from assay.report.decision import Decision, Person, PublicCheck, dump_decision
from assay.report.seal import seal

__all__ = [
    "CODE",
    "NOW",
    "authority",
    "countersigned",
    "decided_report",
    "decision",
    "evidence",
    "plain_report",
    "pyhanko_signer",
    "report_with",
    "sealed_report",
    "sealed_with",
]

NOW = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)

_SOURCE = """
#set document(title: "Audit report", author: "Assay", keywords: ("audit", "{digest}"))
#set text(lang: "en")
#pdf.attach("evidence.json", relationship: "data", mime-type: "application/json", description: "Evidence")
{decision}
= Summary
Hello, reviewer.
#pagebreak()
= Measures
#table(columns: 2, table.header[group][rate], [A], [0.31], [B], [0.11])
"""


def authority(name: str = "ours") -> Authority:
    """An authority of its own for every name."""
    return _authority(name)


@cache
def _authority(name: str) -> Authority:
    home = Path(tempfile.mkdtemp(prefix=f"assay-{name}-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    return open_authority(home, now=NOW)


def evidence(**fields: object) -> bytes:
    """evidence.json with a right snapshot digest."""
    body = {"schema": "assay.evidence/1", "title": "Sample", "measures": [], **fields}
    return canonical({**body, "snapshot_digest": snapshot_digest(body)}) + b"\n"


def report_with(attached: bytes, digest: str = "", decided: bytes | None = None) -> bytes:
    """A PDF/UA-1 and PDF/A-3a file as typst writes it, with `attached` as evidence.json."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "evidence.json").write_bytes(attached)
        second = ""
        if decided is not None:
            Path(folder, "decision.json").write_bytes(decided)
            second = (
                '#pdf.attach("decision.json", relationship: "data", mime-type: "application/json", '
                'description: "Decision")'
            )
        source = _SOURCE.replace("{digest}", digest or "none").replace("{decision}", second)
        Path(folder, "report.typ").write_text(source)
        made: bytes = typst.compile(
            str(Path(folder, "report.typ")),
            root=folder,
            ignore_system_fonts=True,
            pdf_standards=["ua-1", "a-3a"],
            timestamp=int(NOW.timestamp()),
        )
    return made


@cache
def plain_report() -> bytes:
    return report_with(evidence())


def sealed_report(by: str = "ours") -> bytes:
    return _sealed_report(by)


@cache
def _sealed_report(by: str) -> bytes:
    return seal(plain_report(), authority(by), when=NOW)


def pyhanko_signer(holder: Authority) -> signers.SimpleSigner:
    """pyHanko's own signer with the sealing key of `holder`."""
    files = []
    for certificate in (holder.seal, holder.root):
        path = holder.folder.parent / f"{fingerprint(certificate)}.pem"
        path.write_bytes(x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM))
        files.append(str(path))
    key = holder.folder / "keys" / f"{fingerprint(holder.seal)}.pem"
    made = signers.SimpleSigner.load(str(key), files[0], ca_chain_files=(files[1],))
    assert made is not None
    return made


def countersigned(data: bytes, reviewer: Authority) -> bytes:
    """`data` with an ordinary signature in the field `review`, made by pyHanko as an incremental update."""
    signed: bytes = signers.sign_pdf(
        IncrementalPdfFileWriter(io.BytesIO(data)),
        signers.PdfSignatureMetadata(field_name="review", md_algorithm="sha256"),
        signer=pyhanko_signer(reviewer),
        existing_fields_only=True,
    ).getvalue()
    return signed


CODE = "0123456789ABCDEFGHJKMNPQ"


def decision(outcome: str = "approved", **fields: Any) -> Decision:
    """A decision on the sample's snapshot."""
    body: dict[str, Any] = {
        "snapshot_digest": json.loads(evidence())["snapshot_digest"],
        "outcome": outcome,
        "organisation": "Northern Bank",
        "system": "Loan pre-screen",
        "made_at": "2026-11-22T10:29:00Z",
        "trail_head": "ab" * 32,
        "check": PublicCheck(url=f"http://127.0.0.1:8000/verify/{CODE}/", code=CODE),
    }
    if outcome != "draft":
        body |= {"review": 12, "requester": Person(name="Edda", role="Engineer")}
    if outcome not in ("draft", "awaiting"):
        body |= {
            "reviewer": Person(name="Rita Reviewer", role="Reviewer"),
            "decided_at": "2026-11-22T10:20:00Z",
            "reason": "The gap is known and mended.",
        }
    return Decision(**{**body, **fields})


def sealed_with(what: Decision, by: str = "ours") -> bytes:
    """A sealed report with this decision attached, not countersigned."""
    return seal(report_with(evidence(), decided=dump_decision(what)), authority(by), when=NOW)


@cache
def decided_report(by: str = "ours") -> bytes:
    """A report with a decision, sealed and countersigned."""
    return countersign(sealed_with(decision(), by), decision(), authority(by), when=NOW)
