"""Prints docs/acceptance.md from the rows."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.remedy_rows import REMEDY_ROWS
from tests.acceptance.rows import ROWS, Row

__all__ = ["PAGE", "page"]

PAGE = Path(__file__).parents[2] / "docs" / "acceptance.md"

_HEAD = """# Acceptance

One row a method and a remedy: the number from outside that it reproduces, the planted defect that it finds
(or cures), the sound case on which it stays silent (or which it leaves as it is), and a deliberate mistake in
its code that its tests catch. Made from `tests/acceptance/rows.py` and `remedy_rows.py` by
`python -m tests.acceptance.page`; a test fails when this page is stale, when a registered method or remedy
has no row, when a named test does not exist, or when a mutant survives.
"""


def page() -> str:
    """The whole page as Markdown."""
    rows = sorted((*ROWS, *REMEDY_ROWS), key=lambda row: (row.kind, row.method))
    return _HEAD + "".join(_section(row) for row in rows)


def _section(row: Row) -> str:
    of_method = row.kind == "method"
    found, silent = ("found", "stays silent") if of_method else ("cured", "stays as it is")
    lines = [
        f"\n## {row.method}{'' if of_method else ' (remedy)'}\n",
        "| proof | threshold | test |",
        "|---|---|---|",
        f"| golden: {row.golden_source} | {row.golden_threshold} | `{row.golden}` |",
        f"| planted defect is {found} | {row.planted_threshold} | `{row.planted}` |",
        f"| null case {silent} | {row.null_threshold} | `{row.null}` |",
        f"| mutant of `{row.mutant.file}` is caught | fails | `{row.mutant.caught_by}` |",
        f"\nMutant: `{row.mutant.old.strip()}` becomes `{row.mutant.new.strip()}`.",
        f"\nShow it: `{row.command}`\n",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page())
