"""`./run zoo`: build every model and table that can be built here, and print what they are."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from rich.console import Console
from rich.table import Table

from benchmarks import zoo
from benchmarks.zoo.cache import CACHE
from benchmarks.zoo.sealed import sealed_accuracy

ROOT = CACHE.parents[1]


def main() -> None:
    """Models with their accuracy on sealed rows, then the prediction tables."""
    parser = argparse.ArgumentParser(prog="./run zoo")
    parser.add_argument("names", nargs="*", metavar="NAME", help="models or tables; default: all")
    names = parser.parse_args().names or [*zoo.MODELS, *zoo.TABLES]
    unknown = set(names) - set(zoo.MODELS) - set(zoo.TABLES)
    if unknown:
        parser.error(f"no {', '.join(sorted(unknown))}; there are {', '.join([*zoo.MODELS, *zoo.TABLES])}")
    models = Table("model", "format", "parameters", "accuracy on sealed rows", "n", "seconds", "path")
    remarks: list[str] = []
    tables: list[str] = []
    for name in names:
        print(f"{name} ...", file=sys.stderr)
        try:
            if name in zoo.TABLES:
                path = zoo.build(name)
                tables.append(f"{name:<20} {path.relative_to(ROOT)}  {path.stat().st_size / 1e6:.1f} MB")
            if name in zoo.MODELS:
                made = zoo.model(name)
                models.add_row(name, *_row(made))
                remarks.append(f"{name}: {made.says}. {made.source}.{_broken(made)}")
        except zoo.NotHere as error:
            print(f"{name} skipped: {error}", file=sys.stderr)
    console = Console(width=None if sys.stdout.isatty() else 170, soft_wrap=True)
    if models.row_count:
        console.print(models)
        console.print(*remarks, sep="\n", highlight=False)
    if tables:
        console.print("\nprediction tables", *tables, sep="\n", highlight=False)


def _row(made: zoo.ZooModel) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="assay-zoo-") as scratch:
        found = sealed_accuracy(made, Path(scratch))
    return [
        made.format,
        f"{found.parameters:,}",
        f"{found.accuracy:.4f} [{found.low:.4f}, {found.high:.4f}]",
        f"{found.rows:,}",
        (made.path.parent / "seconds").read_text().strip(),
        str(made.path.relative_to(ROOT)),
    ]


def _broken(made: zoo.ZooModel) -> str:
    if made.broken is None:
        return ""
    return f" BROKEN: {made.broken.what} Found by {made.broken.found_by}: {made.broken.sign}."


if __name__ == "__main__":
    main()
