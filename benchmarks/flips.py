"""The proof behind "any flipped byte never verifies": change every byte of a sealed report, one at a time.

    python -m benchmarks.flips [--step N] [--report report.pdf]

Every byte is changed twice (one random bit; plus one, modulo 256) and every bit of the seal's own
hexadecimal string is flipped besides. Without --report, a report of about 300 kB is made and sealed on the
spot. Each damaged file goes through `verify`, the same function as `assay verify`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["run"]

_SEED = 20261122
_EVIDENCE_BYTES = 230_000
_SOURCE = """
#set document(title: "Audit report")
#set text(lang: "en")
#pdf.attach("evidence.json", relationship: "data", mime-type: "application/json", description: "Evidence")
= Summary
#lorem(2000)
"""


def run(step: int = 1, report: bytes | None = None, processes: int = 2) -> dict[str, Any]:
    """Flip bytes 0, step, 2 step, ... of a sealed report and count the outcomes.

    Args:
        step: 1 changes every byte.
        report: a sealed report, taken as trusted; one is made when None.
        processes: how many work at once.

    Returns:
        bytes, sha256 and seal_digits of the report; `outcomes` of the changed files by name; `verified`, how
        many passed as intact or as intact but untrusted (the claim is 0); seconds, and microseconds a file.

    Raises:
        AssertionError: the unchanged report does not verify, so that the count would prove nothing.
    """
    from assay.report.seal_bytes import read_seal
    from assay.report.verify import verify

    data = _sealed_report() if report is None else report
    found = read_seal(data)
    assert verify(data, trust=[found.root]).outcome == "intact"
    start, stop = found.gap
    places = np.arange(0, len(data), step)
    pieces = np.array_split(places, max(1, min(len(places) // 500, 400)))
    began = time.perf_counter()
    outcomes: Counter[str] = Counter()
    pool = ProcessPoolExecutor(
        processes, mp_context=get_context("spawn"), initializer=_prepare, initargs=(data, found.root)
    )
    with pool:
        for counted in pool.map(_bytes_changed, pieces):
            outcomes += counted
        digits = np.array_split(np.arange(start, stop, step), 20)
        for counted in pool.map(_bits_changed, digits):
            outcomes += counted
    seconds = time.perf_counter() - began
    files = sum(outcomes.values())
    return {
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "step": step,
        "seal_digits": stop - start - 2,
        "files": files,
        "outcomes": dict(sorted(outcomes.items())),
        "verified": outcomes["intact"] + outcomes["untrusted"],
        "processes": processes,
        "seconds": round(seconds, 1),
        "microseconds_a_file": round(1e6 * seconds * processes / files),
    }


_data = b""
_root = b""


def _prepare(data: bytes, root: bytes) -> None:
    global _data, _root
    _data, _root = data, root


def _bytes_changed(places: np.ndarray) -> Counter[str]:
    bits = np.random.default_rng([_SEED, int(places[0])]).integers(0, 8, len(places))
    return _counted(
        (int(place), value)
        for place, bit in zip(places, bits, strict=True)
        for value in (_data[place] ^ (1 << int(bit)), (_data[place] + 1) % 256)
    )


def _bits_changed(places: np.ndarray) -> Counter[str]:
    return _counted((int(place), _data[place] ^ (1 << bit)) for place in places for bit in range(8))


def _counted(changes: Iterator[tuple[int, int]]) -> Counter[str]:
    from assay.report.verify import verify

    damaged = bytearray(_data)
    counted: Counter[str] = Counter()
    for place, value in changes:
        damaged[place] = value
        counted[verify(bytes(damaged), trust=[_root]).outcome] += 1
        damaged[place] = _data[place]
    return counted


def _sealed_report() -> bytes:
    import typst

    from assay.evidence import canonical, snapshot_digest
    from assay.report.authority import open_authority
    from assay.report.seal import seal

    # Random digits, so that compression leaves the report large.
    noise = np.random.default_rng(_SEED).bytes(_EVIDENCE_BYTES).hex()
    body = {"schema": "assay.evidence/1", "title": "Flips", "notes": {"noise": [noise]}}
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as folder:
        text = canonical({**body, "snapshot_digest": snapshot_digest(body)})
        Path(folder, "evidence.json").write_bytes(text + b"\n")
        Path(folder, "report.typ").write_text(_SOURCE)
        pdf: bytes = typst.compile(
            str(Path(folder, "report.typ")),
            root=folder,
            ignore_system_fonts=True,
            pdf_standards=["ua-1", "a-3a"],
            timestamp=int(now.timestamp()),
        )
        return seal(pdf, open_authority(Path(folder), now=now), when=now)


def main() -> None:
    parser = argparse.ArgumentParser(description="Flip every byte of a sealed report.")
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    asked = parser.parse_args()
    report = asked.report.read_bytes() if asked.report else None
    print(json.dumps(run(asked.step, report, asked.processes), indent=2))


if __name__ == "__main__":
    main()
