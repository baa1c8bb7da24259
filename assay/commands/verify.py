"""`assay verify` and `assay authority`: who sealed a report, and whether it is whole."""

from __future__ import annotations

from pathlib import Path

from assay.errors import BadInput

__all__ = ["run_authority", "run_verify"]

_SIGNS = {
    "intact": "✓ intact and trusted",
    "altered": "✗ altered",
    "not_a_report": "✗ not a report",
    "untrusted": "? intact, signer not trusted",
}


def run_verify(report: Path, trust: tuple[Path, ...]) -> int:
    """Check a report offline and say why; returns 0, 1, 2 or 3 (design of `assay.report.verify`)."""
    from assay.report.authority import find_authority
    from assay.report.verify import MAX_BYTES, verify
    from assay.terminal import Terminal, plain

    content = _read(report, MAX_BYTES)
    result = verify(content, trust=[_read(path, 1 << 20) for path in trust], authority=find_authority())
    terminal = Terminal()
    terminal.line(f"{_SIGNS[result.outcome]}: {report.name}")
    for sentence in result.details:
        terminal.line(f"  {plain(sentence, 1_000)}")
    terminal.line(f"exit {result.exit_code}")
    return result.exit_code


def run_authority(export: Path | None) -> int:
    """Show, and with `export` write, the certificate that others need for `--trust`."""
    import hashlib
    from datetime import UTC, datetime

    from assay.output import check_writable, write_all
    from assay.report.authority import open_authority
    from assay.terminal import Terminal

    own = open_authority(now=datetime.now(UTC))
    terminal = Terminal()
    terminal.rows(
        [
            ("Authority", str(own.folder)),
            ("SHA-256", hashlib.sha256(own.root).hexdigest()),
        ],
        indent=0,
    )
    if export is None:
        terminal.line(
            "`assay authority --export FILE` writes its certificate for those who check your reports."
        )
        return 0
    check_writable(export.parent)
    write_all(export.parent, {export.name: own.certificate_pem().encode()})
    terminal.line(f"Wrote {export}. It holds no secret; hand it over by another way than the report.")
    return 0


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror or error}.") from error
