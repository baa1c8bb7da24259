"""Which class the affected person would want."""

from __future__ import annotations

from collections.abc import Sequence

from assay.datasets.values import as_number, canonical_number
from assay.errors import BadInput, nearest

__all__ = ["choose_favourable"]

_FAVOURABLE_WORDS = frozenset(
    [
        "true",
        "yes",
        "y",
        "t",
        "approved",
        "approve",
        "accepted",
        "accept",
        "admitted",
        "admit",
        "hired",
        "hire",
        "granted",
        "grant",
        "good",
        "positive",
        "pos",
        "pass",
        "passed",
        ">50k",
        "eligible",
        "selected",
        "offer",
        "offered",
        "invited",
        "interview",
        "shortlisted",
        "success",
        "successful",
    ]
)
_FAVOURABLE_PAIRS = ({"0", "1"}, {"-1", "1"})


def choose_favourable(
    asked: str | None, classes: Sequence[str], task: str, file: str
) -> tuple[str | None, bool]:
    """The favourable class and whether it was inferred; (None, False) where a task needs none.

    Raises BadInput for a name that is no class, and in a binary task where neither or both classes read as
    favourable.
    """
    if asked is not None:
        return _named(asked, classes, file), False
    if task != "binary":
        return None, False
    if set(classes) in _FAVOURABLE_PAIRS:
        return "1", True
    found = [name for name in classes if name.lower().strip() in _FAVOURABLE_WORDS]
    if len(found) == 1:
        return found[0], True
    first, second = classes
    raise BadInput(
        f'{file}: which outcome is favourable to the person, "{first}" or "{second}"? '
        "Name it with --favourable."
    )


def _named(asked: str, classes: Sequence[str], file: str) -> str:
    number = as_number(asked.strip())
    for spelling in (
        asked,
        asked.strip(),
        asked.strip().lower(),
        *([] if number is None else [canonical_number(number)]),
    ):
        if spelling in classes:
            return spelling
    close = nearest(asked, classes)
    listed = ", ".join(f'"{name[:40]}"' for name in classes[:12])
    hint = f"Values close to it: {close}." if close else f"Its values: {listed}."
    raise BadInput(f'{file}: the label never has the value "{asked[:40]}" (favourable). {hint}')
