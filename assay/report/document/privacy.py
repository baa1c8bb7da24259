"""The chapter on what a model gives away about its training rows: the answer, the curve, the groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assay.contracts import Measure, Series
from assay.report import formatting as fmt
from assay.report.document.book import Book, column, number_column
from assay.report.document.model import Block, Figure, heading, text

__all__ = ["privacy_blocks"]

_BARS = 9
"""Intervals drawn along the curve; each of its points has one in evidence.json."""
_ROWS = 24


def privacy_blocks(book: Book, measures: Sequence[Measure]) -> list[Block]:
    """What the attack amounts to in a sentence, its curve on log scales, and who is exposed most."""
    blocks: list[Block] = []
    area = next((m for m in measures if m.id == "privacy.membership_auc" and m.value is not None), None)
    if area is not None:
        blocks.append(text(_answer(area)))
    for series in book.evidence.series:
        if series.id == "privacy.membership_roc":
            figure = _curve(book, series)
            blocks += [figure] if figure is not None else []
    groups = [m for m in measures if m.id == "privacy.group_membership_auc"]
    for names in dict.fromkeys(book.names(m.slice) for m in groups):
        chosen = [m for m in groups if book.names(m.slice) == names]
        blocks += _groups(book, " × ".join(names), chosen)
    return blocks


def _answer(area: Measure) -> str:
    value = f"AUC {fmt.value(area.value, area.unit)}, {fmt.interval(area.low, area.high, area.unit)}"
    if area.low is not None and area.low > 0.5:
        return (
            f"Training rows can be told from other rows ({value}; 0.5 is a guess): whoever may ask the model "
            "learns something of who was in its training data."
        )
    if area.high is not None and area.high < 0.5:
        return (
            f"Training rows have larger losses than other rows ({value}; 0.5 is a guess). That is no leak "
            "but a sign that the two differ in where or when they come from."
        )
    return f"This attack cannot tell training rows from others ({value}; 0.5 is a guess). Stronger ones may."


def _curve(book: Book, series: Series) -> Figure | None:
    values: dict[str, list[Any]] = {c.name: list(c.values) for c in series.columns}
    names = ("false_positive_rate", "true_positive_rate", "low", "high")
    if not set(names) <= values.keys() or not values[names[0]]:
        return None
    x, y, low, high = (values[name] for name in names)
    floor = min(x)
    step = max(1, len(x) // _BARS)
    shown = [place % step == 0 for place in range(len(x))]
    line = {
        "name": "loss",
        "x": x,
        "y": [v if v and v >= floor else None for v in y],
        "low": [max(v, floor) if keep else None for v, keep in zip(low, shown, strict=True)],
        "high": [v if keep and v > floor else None for v, keep in zip(high, shown, strict=True)],
        "points": False,
    }
    every = max(1, -(-len(x) // _ROWS))
    return book.figure(
        "Members caught over other rows named wrongly, both on log scales. On the dashed line the attacker "
        "guesses; what counts is how far the curve lies above it at the left.",
        "True positive rate over false positive rate of the membership attack on log scales, beside the line "
        "of a guess.",
        {
            "kind": "curves",
            "lines": [line],
            "x_title": "other rows named wrongly (false positive rate)",
            "y_title": "members caught",
            "x": [floor, 1.0],
            "y": [floor, 1.0],
            "log": "xy",
            "diagonal": True,
            "rule": None,
        },
        [number_column("Named wrongly"), number_column("Caught"), number_column("Interval")],
        [
            [_share(x[i]), _share(y[i]), f"{_share(low[i])} to {_share(high[i])}"]
            for i in range(0, len(x), every)
        ],
        [series],
    )


def _share(value: float) -> str:
    return f"{value:.3%}" if value < 0.01 else f"{value:.1%}"


def _groups(book: Book, over: str, measures: Sequence[Measure], most: int = 20) -> list[Block]:
    found = sorted((m for m in measures if m.value is not None), key=lambda m: -(m.value or 0.0))
    small = [m for m in measures if m.value is None]
    blocks: list[Block] = []
    if found:
        some = f" The {most} most exposed of {len(found)} groups." if len(found) > most else ""
        rows = [
            {
                "label": book.group(m),
                "value": m.value,
                "low": m.low,
                "high": m.high,
                "outcome": "shown",
                "text": fmt.value(m.value, m.unit),
                "limit": None,
                "target": None,
            }
            for m in found[:most]
        ]
        figure = book.figure(
            f"Who is exposed most, by {over}: AUC of the attack among the rows of each group.{some}",
            f"AUC by {over}: " + "; ".join(f"{row['label']} {row['text']}" for row in rows[:8]) + ".",
            {
                "kind": "intervals",
                "rows": rows,
                "lines": [{"value": 0.5, "label": "guess"}],
                "bounds": [0.0, 1.0],
                "parity": 0.5,
                "title": "AUC",
                "words": False,
            },
            [column("Group"), number_column("AUC"), number_column("Interval"), number_column("n")],
            [
                [book.group(m), fmt.value(m.value, m.unit), fmt.measured_interval(m), fmt.count(m.n)]
                for m in found[:most]
            ],
            found[:most],
        )
        blocks += [heading(f"By {over}"), figure]
    if small:
        names = ", ".join(f"{book.group(m)} ({m.note})" for m in small[:6])
        rest = f" and {len(small) - 6} more" if len(small) > 6 else ""
        blocks.append(text(f"Too few rows for an AUC of their own: {names}{rest}.", "note"))
    return blocks
