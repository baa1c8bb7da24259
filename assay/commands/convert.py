"""`assay convert`: what is said before, and what is printed after."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Literal

from assay.errors import BadInput

__all__ = ["run_convert"]

_WARNING = (
    "assay convert opens pickles and runs your own code: whatever is in the file runs here, with your "
    "rights. "
    "Only run it on files that you made or whose maker you trust, in the environment that made them; say so "
    "with --trusted."
)


def run_convert(
    source: str,
    out: Path,
    *,
    trusted: bool,
    checkpoint: Path | None,
    signature: Path | None,
    data: Path | None,
    label: str | None,
    favourable: str | None,
    shape: str | None,
    to: Literal["onnx", "pt2"],
) -> None:
    """Convert and tell what to do next. Raises BadInput without --trusted."""
    from assay.conversion.convert import convert
    from assay.conversion.request import ConvertRequest
    from assay.intake.model_files import read_signature
    from assay.terminal import Terminal

    if not trusted:
        raise BadInput(f"{_WARNING} Nothing was opened.")
    terminal = Terminal()
    found = convert(
        ConvertRequest(
            source=source,
            out=out,
            checkpoint=checkpoint,
            signature=None if signature is None else read_signature(signature),
            data=data,
            label=label,
            favourable=favourable,
            shape=None if shape is None else _sizes(shape),
            to=to,
        )
    )
    told = found.signature
    assert told is not None
    reads = (
        f"{len(told.columns)} columns: {', '.join(column.name for column in told.columns[:6])}"
        if told.columns
        else f"images of {told.image.channels} x {told.image.height} x {told.image.width}"
        if told.image is not None
        else "texts"
    )
    answers = f"{told.task}, {told.output}" + (f": {', '.join(told.classes[:8])}" if told.classes else "")
    terminal.rows(
        [
            ("from", f"{source} ({found.came_as})"),
            ("wrote", f"{out}: {found.facts['format']}, class {found.facts['trust']}"),
            ("model", str(found.facts["architecture"])),
            ("reads", reads),
            ("answers", answers),
        ]
    )
    for note in found.notes:
        terminal.line(note)
    terminal.line()
    terminal.line(f"Look at {out / 'signature.json'}: the audit believes it. Then:")
    # --data is most often what the model was trained on, which tests nothing.
    terminal.line(
        f"  assay audit --model {shlex.quote(str(out))} --data TEST.csv --label "
        f"{shlex.quote(label or 'COLUMN')} --out report"
    )


def _sizes(text: str) -> tuple[int, ...]:
    if not re.fullmatch(r"\d{1,6}(x\d{1,6}){0,2}", text):
        raise BadInput(f'--shape "{text}" is none: write 12 (features) or 3x32x32 (channels, height, width).')
    return tuple(int(part) for part in text.split("x"))
