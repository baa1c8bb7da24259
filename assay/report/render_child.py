"""The process that typesets one report: reads a folder, writes report.pdf into it, ends.

A process of its own, because typst keeps what it has typeset (60 reports in one process grew from 111
to 666 MB) and because a report that cannot be typeset must not take its maker with it.

Run as `python -I -m assay.report.render_child FOLDER TIMESTAMP [FONTS]`.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    import typst

    folder, timestamp = Path(arguments[0]), int(arguments[1])
    pdf, warnings = typst.compile_with_warnings(
        str(folder / "report.typ"),
        root=str(folder),
        font_paths=arguments[2:],
        ignore_system_fonts=True,
        pdf_standards=["ua-1", "a-3a"],
        timestamp=timestamp,
    )
    if warnings:
        # A warning means an unknown font or a lost glyph: the page would not say what the evidence says.
        print("; ".join(str(warning.message) for warning in warnings), file=sys.stderr)
        return 1
    (folder / "report.pdf").write_bytes(pdf)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
