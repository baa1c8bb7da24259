"""`./run proof`: the long claims. Figures, command and commit go to docs/proof/ and are committed.

- simulations: how often the verdict rules err on populations whose truth is known;
- flips: every byte of a sealed report changed, one at a time, and verified;
- jobs: 500 random kills of workers on SQLite and on PostgreSQL, every shard counted once;
- remedies: from broken models of the zoo to repaired ones, measured on sealed rows, and the gate between.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from assay.manifest import hardware
from assay.planning import timestamp
from benchmarks import durability, flips, remedy_loop, remedy_page, simulations, zoo

__all__ = ["main"]

FOLDER = Path(__file__).parents[1] / "docs" / "proof"
REPLICATES = 10_000
SEED = 20_261_122

_QUESTIONS = {
    "at_limit": "Populations exactly at the limit fail at most 5 % of the time",
    "tiny_groups": "Still so with groups of 1 to 5 rows beside large ones",
    "naive": "The naive rules break the same test, so the test can fail",
    "planted": "A planted gap is found at least 95 % of the time",
    "coverage": "All pairwise intervals together hold the truth at least 95 % of the time",
}


def _simulations() -> tuple[dict[str, Any], list[str]]:
    found = simulations.run(REPLICATES, SEED)
    lines = []
    for name, title in _QUESTIONS.items():
        lines += [
            f"### {title}",
            "",
            "| population | claim | share | 95 % interval | holds |",
            "|---|---|---|---|---|",
        ]
        lines += [
            f"| {share['title']} | {share['claim']} | {share['share']:.4f} | "
            f"{share['low']:.4f} to {share['high']:.4f} | {'yes' if share['holds'] else '**no**'} |"
            for share in found[name]
        ]
        lines.append("")
    failed = [share["title"] for name in _QUESTIONS for share in found[name] if not share["holds"]]
    lines.insert(
        0, f"{REPLICATES:,} replicates a population, seed {SEED}. Claims that do not hold: {len(failed)}.\n"
    )
    return {"replicates": REPLICATES, "seed": SEED, **found}, lines


def _flips() -> tuple[dict[str, Any], list[str]]:
    found = flips.run(report=_sealed_report())
    lines = [f"- {name.replace('_', ' ')}: {_figure(value)}" for name, value in found.items()]
    return found, ["A real report: the diabetes table of ./run zoo, audited and sealed.", "", *lines, ""]


def _figure(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _sealed_report() -> bytes:
    """report.pdf of the diabetes table, sealed by an authority made for this proof."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [
                sys.executable,
                "-m",
                "assay",
                "audit",
                "--data",
                str(zoo.build("diabetes")),
                "--label",
                "progression",
                "--scores",
                "probability",
                "--favourable",
                "high",
                "--sensitive",
                "sex",
                "--policy",
                "health-triage",
                "--out",
                folder,
            ],
            env={**os.environ, "ASSAY_HOME": f"{folder}/home"},
            stdout=subprocess.DEVNULL,
            check=False,
        )
        return (Path(folder) / "report.pdf").read_bytes()


def _remedies() -> tuple[dict[str, Any], list[str]]:
    found = remedy_loop.run()
    return found, remedy_page.page(found)


def _jobs() -> tuple[dict[str, Any], list[str]]:
    found = durability.run()
    return found, durability.page(found)


PROOFS: dict[str, tuple[str, Callable[[], tuple[dict[str, Any], list[str]]]]] = {
    "simulations": ("The verdict rules on simulated populations", _simulations),
    "flips": ("Every byte of a sealed report, flipped", _flips),
    "jobs": ("Workers killed at random, every shard counted once", _jobs),
    "remedies": ("From broken models to repaired ones", _remedies),
}


def main() -> None:
    """Run the proofs (or those named) and write their figures."""
    parser = argparse.ArgumentParser(prog="./run proof")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(PROOFS)}")
    names = parser.parse_args().names or list(PROOFS)
    unknown = set(names) - set(PROOFS)
    if unknown:
        parser.error(f"no proof {', '.join(sorted(unknown))}; there are {', '.join(PROOFS)}")
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"], capture_output=True, text=True, check=False
    ).stdout.strip()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in names:
        title, prove = PROOFS[name]
        print(f"{name}: {title} ...", file=sys.stderr)
        start = time.perf_counter()
        try:
            figures, lines = prove()
        except zoo.NotHere as missing:
            print(f"{name} skipped: {missing}", file=sys.stderr)
            continue
        seconds = time.perf_counter() - start
        made = {
            "command": f"./run proof {name}",
            "commit": commit or "unknown",
            "when": timestamp(),
            "seconds": round(seconds, 1),
            "hardware": hardware(),
        }
        (FOLDER / f"{name}.json").write_text(json.dumps({**made, "figures": figures}, indent=1) + "\n")
        where = f"`./run proof {name}` at commit {made['commit']}, {made['when']}, {seconds:,.0f} s."
        page = "\n".join([f"# {title}", "", where, "", *lines])
        (FOLDER / f"{name}.md").write_text(page.rstrip() + "\n")
        print(page)


if __name__ == "__main__":
    main()
