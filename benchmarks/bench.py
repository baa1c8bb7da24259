"""`./run bench`: every benchmark in one run, a table of ratios, and benchmarks/results.json.

Limits are printed beside what was measured, never asserted: a slow machine is no failure.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from assay import __version__
from assay.manifest import hardware, package_versions
from assay.planning import timestamp
from benchmarks import (
    bootstrap,
    large_audit,
    latency,
    pages,
    pgd,
    report,
    sandbox,
    shapley,
    shards,
    startup,
    storing,
    versions,
    whole_audit,
    zoo_audit,
)
from benchmarks.database import in_process

__all__ = ["Line", "main"]

RESULTS = Path(__file__).parent / "results.json"


@dataclass(frozen=True)
class Line:
    """One row of the printed table."""

    what: str
    measured: str
    limit: str
    met: bool
    against: str = ""
    """The peer and the ratio, where there is one."""


def _bootstrap() -> tuple[dict[str, Any], list[Line]]:
    found = bootstrap.run()
    return found, [
        Line(
            f"{found['replicates']:,} bootstrap replicates of all group rates, {found['rows']:,} rows",
            f"{found['seconds']:.2f} s",
            "< 1 s",
            found["seconds"] < 1,
            f"{found['peer']}: {found['ratio_per_replicate']:,.0f} times slower a replicate",
        )
    ]


def _whole_audit() -> tuple[dict[str, Any], list[Line]]:
    found = whole_audit.run()
    what = f"whole audit with PDF of {found['table']}, {found['rows']:,} rows"
    return found, [Line(what, f"{found['seconds']:.1f} s", "< 10 s", found["seconds"] < 10)]


def _zoo_audit() -> tuple[dict[str, Any], list[Line]]:
    found = zoo_audit.run()
    what = f"quick tier of {found['methods']} methods on {found['model']}, {found['rows']:,} test rows"
    return found, [Line(what, f"{found['seconds']:.1f} s", "< 60 s", found["seconds"] < 60)]


def _large_audit() -> tuple[dict[str, Any], list[Line]]:
    found = large_audit.run()
    last = found["measured"][-1]
    return found, [
        Line(
            f"audit of {last['rows']:,} rows, no report",
            f"{last['seconds']:.0f} s, {last['peak_mb']:,.0f} MB at most",
            "< 2,000 MB",
            last["peak_mb"] < 2_000,
        ),
        Line(
            f"cost a row, {last['rows']:,} against {found['measured'][0]['rows']:,} rows",
            f"{found['growth']:.2f}",
            "about 1 (linear)",
            found["growth"] < 1.3,
        ),
    ]


def _report() -> tuple[dict[str, Any], list[Line]]:
    found = report.run()
    what = f"report of {found['pages']} pages with {found['charts']} charts"
    return found, [
        Line(what, f"{found['pdf_seconds']:.2f} s", "< 2 s for 40 pages", found["pdf_seconds"] < 2)
    ]


def _startup() -> tuple[dict[str, Any], list[Line]]:
    found = startup.run()
    return found, [
        Line(
            "assay --help",
            f"{found['help']:.2f} s",
            "< 0.3 s",
            found["help"] < 0.3,
            f"import typer: {found['ratio_to_typer']:.1f} times",
        )
    ]


def _sandbox() -> tuple[dict[str, Any], list[Line]]:
    found = sandbox.run()
    return found, [
        Line(
            f"what the sandbox adds to a child's start ({found['layers_on']} layers on)",
            f"{found['added'] * 1000:+.0f} ms, {found['lock_down'] * 1000:.1f} ms of them locking down",
            "< 50 ms",
            max(found["added"], found["lock_down"]) < 0.05,
            f"{found['with'] / found['without']:.2f} times the start of the same child without them",
        )
    ]


def _training() -> tuple[dict[str, Any], list[Line]]:
    found = in_process("benchmarks.training", "", {})  # with memory that no other benchmark has used
    return found, [
        Line(
            f"training step, {case['case']}",
            f"{case['ours_ms']:.2f} ms; a checkpoint {case['checkpoint_ms_an_epoch']:.0f} ms an epoch",
            "at most 1.10 of a bare loop",
            case["ratio"] <= 1.10,
            f"bare torch loop: {case['ratio']:.2f} ({case['ratio_low']:.2f} to {case['ratio_high']:.2f})",
        )
        for case in found["cases"]
    ]


def _latency() -> tuple[dict[str, Any], list[Line]]:
    found = latency.run()
    ratio, spread = found["p50_ratio"], found["p99_spread"]
    beside = max(found["p99_ms"], found["p99_again_ms"]) / found["bare_p99_ms"]
    return found, [
        Line(
            f"p50 of the {found['name']}",
            f"{found['p50_ms']:.4f} ms",
            "<= 1.02 of a bare loop",
            ratio <= 1.02,
            f"bare loop: {found['bare_p50_ms']:.4f} ms, ratio {ratio:.3f}",
        ),
        Line(
            "p99 of the same, two runs on one call",
            f"{found['p99_ms']:.4f} and {found['p99_again_ms']:.4f} ms",
            "shown against the A/A spread",
            True,
            f"A/A spread {spread:.3f}; bare loop {found['bare_p99_ms']:.4f} ms, ratio {beside:.3f}",
        ),
    ]


def _pgd() -> tuple[dict[str, Any], list[Line]]:
    found = pgd.run()
    still, falling = found["still"], found["falling"]
    what = f"PGD-{found['steps']} on {found['rows']} images, CNN, {found['device']}"
    return found, [
        Line(
            f"{what}, no row falls",
            f"{still['ratio_to_bare']['assay']:.2f} of a bare loop",
            "<= 1.10",
            still["ratio_to_bare"]["assay"] <= 1.10,
            f"ART's ProjectedGradientDescent: {still['ratio_to_bare']['art']:.2f}",
        ),
        Line(
            f"{what}, {falling['fallen']['assay']} rows fall",
            f"{falling['ratio_to_bare']['assay']:.2f} of a bare loop",
            "<= 1.10",
            falling["ratio_to_bare"]["assay"] <= 1.10,
            f"ART: {falling['ratio_to_bare']['art']:.2f}, {falling['fallen']['art']} rows fall",
        ),
    ]


def _shapley() -> tuple[dict[str, Any], list[Line]]:
    found = shapley.run()
    return found, [
        Line(
            f"Shapley values, {case['name']}, error {peer['ours']['error']:.1%}",
            f"{peer['ours']['milliseconds_a_row']:.1f} ms a row, "
            f"{peer['ours']['evaluations_a_row']:,.0f} evaluations",
            "at least 5 times faster at equal error",
            peer["ratio"] >= 5,
            f"{peer['name']}: {peer['ratio']:.1f} times slower, error {peer['error']:.1%}, "
            f"{peer['evaluations_a_row']:,.0f} evaluations",
        )
        for case in found["cases"]
        for peer in case["peers"]
        if peer["defaults"]
    ]


def _shards() -> tuple[dict[str, Any], list[Line]]:
    found = shards.run()
    lines = [
        Line(
            f"claim + commit of a shard on {name}, median of {found['shards']:,}",
            f"{cost['median_ms']:.2f} ms (p95 {cost['p95_ms']:.2f})",
            "< 3 ms",
            cost["median_ms"] < 3,
            f"flush to this disk: {cost['fsync_ms']:.2f} ms, two a shard",
        )
        for name, cost in found["databases"].items()
    ]
    two = found["workers"]
    lines.append(
        Line(
            f"two worker processes against one, {two['shards']} CPU-bound shards",
            f"{two['speedup']:.2f} times",
            "at least 1.8 times",
            two["speedup"] >= 1.8,
            f"without the engine on {two['cores']} cores: {two['bare_speedup']:.2f} times",
        )
    )
    return found, lines


def _pages() -> tuple[dict[str, Any], list[Line]]:
    found = pages.run()
    rows = found["rows"]
    size = f"{rows['audits_run']:,} runs, {rows['audits_runmeasure']:,} measures"
    page, answer = found["pages"][0], found["lists"][0]
    over = [line["route"] for line in found["pages"] if line["p95_ms"] > pages.PAGE_MS]
    web = found["web"]
    return found, [
        Line(
            f"slowest of {len(found['pages'])} pages, {size}: {page['page']}",
            f"p95 {page['p95_ms']:.0f} ms, CPU {page['cpu_ms']:.0f} ms, {page['queries']} queries",
            f"< {pages.PAGE_MS:.0f} ms",
            page["p95_ms"] < pages.PAGE_MS,
        ),
        Line(f"pages over {pages.PAGE_MS:.0f} ms", str(len(over)), "none", not over, ", ".join(over[:3])),
        Line(
            f"slowest of {len(found['lists'])} API lists: {answer['list']}",
            f"p95 {answer['p95_ms']:.0f} ms, CPU {answer['cpu_ms']:.0f} ms, {answer['queries']} queries",
            f"< {pages.LIST_MS:.0f} ms",
            answer["p95_ms"] < pages.LIST_MS,
        ),
        Line(
            "web process after all of these" + (", torch loaded" if web["torch"] else ", without torch"),
            f"{web['mb']:.0f} MB (at most {web['peak_mb']:.0f})",
            f"< {pages.WEB_MB:.0f} MB",
            web["mb"] < pages.WEB_MB and not web["torch"],
        ),
    ]


def _storing() -> tuple[dict[str, Any], list[Line]]:
    found = storing.run()

    def told(way: str) -> str:
        return f"{found[f'{way}_mb_s']:,.0f} MB/s, {found[f'{way}_share']:.0%} of SHA-256"

    grown = max(found[f"{way}_grown_mb"] for way in storing.WAYS)
    return found, [
        Line(
            f"receiving over HTTP, hashing and storing {found['megabytes']:,} MB in one request",
            told("stored"),
            ">= 70 % of SHA-256",
            found["stored_share"] >= 0.7,
            f"SHA-256 alone: {found['sha256_mb_s']:,.0f} MB/s; writing through the system's cache and "
            f"flushing alone: {found['write_and_flush_mb_s']:,.0f} MB/s",
        ),
        Line("the same in requests of 64 MiB", told("in_chunks"), "none", True),
        Line("the same in one request, encrypted", told("sealed"), "none", True),
        Line(
            "memory that this took, whichever way",
            f"{grown:,.0f} MB ({max(found[f'{way}_peak_mb'] for way in storing.WAYS):,.0f} in all)",
            "< 100 MB",
            grown < 100,
        ),
    ]


def _versions() -> tuple[dict[str, Any], list[Line]]:
    found = versions.run()
    lines = []
    for database in ("SQLite", "PostgreSQL"):
        line = found[database]["version list"]
        lines.append(
            Line(
                f"version list of a model with {found['versions']:,} versions, {database}",
                f"p95 {line['p95_ms']:.0f} ms, CPU {line['cpu_ms']:.0f} ms, {line['queries']} queries",
                f"< {versions.LIMIT_MS:.0f} ms",
                line["p95_ms"] < versions.LIMIT_MS,
            )
        )
    return found, lines


BENCHMARKS: dict[str, Callable[[], tuple[dict[str, Any], list[Line]]]] = {
    "bootstrap": _bootstrap,
    "whole_audit": _whole_audit,
    "zoo_audit": _zoo_audit,
    "large_audit": _large_audit,
    "latency": _latency,
    "report": _report,
    "startup": _startup,
    "sandbox": _sandbox,
    "training": _training,
    "pgd": _pgd,
    "shapley": _shapley,
    "shards": _shards,
    "storing": _storing,
    "pages": _pages,
    "versions": _versions,
}


def main() -> None:
    """Run them all, or those named, and print the table."""
    parser = argparse.ArgumentParser(prog="./run bench")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(BENCHMARKS)}")
    names = parser.parse_args().names or list(BENCHMARKS)
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    figures: dict[str, Any] = {
        "when": timestamp(),
        "assay": __version__,
        "python": platform.python_version(),
        "hardware": hardware(),
        "packages": package_versions(),
    }
    table = Table("", "measured", "limit", "met", "against")
    for name in names:
        print(f"{name} ...", file=sys.stderr)
        figures[name], lines = BENCHMARKS[name]()
        figures[name]["lines"] = [asdict(line) for line in lines]
        for line in lines:
            table.add_row(line.what, line.measured, line.limit, "yes" if line.met else "NO", line.against)
    Console(width=None if sys.stdout.isatty() else 150).print(table)
    if len(names) == len(BENCHMARKS):
        RESULTS.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
