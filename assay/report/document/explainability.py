"""The figures of a chapter on explanations: what the output rests on, and whether the explanation holds.

Any method of the pillar may use them: series `<method>.attribution` (feature, mean_absolute, low, high),
`<method>.spread` (feature, q05 to q95) and `<method>.deletion` (removed, change, random_change, each with
_low and _high).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assay.contracts import Measure, Series
from assay.report import formatting as fmt
from assay.report.document.book import Book, column, number_column
from assay.report.document.model import Block, Figure, text

__all__ = ["explainability_blocks", "is_in_bars"]

_QUANTILES = ("q05", "q25", "q50", "q75", "q95")
Values = dict[str, list[Any]]


def explainability_blocks(book: Book, method: str, measures: Sequence[Measure]) -> list[Block]:
    """What was found in a sentence each, then a figure for each series of a known form."""
    blocks: list[Block] = [text(said) for said in _answers(method, measures)]
    mine = {s.id.removeprefix(f"{method}."): s for s in book.evidence.series if s.method == method}
    for name, draw in (("attribution", _bars), ("spread", _spread), ("deletion", _deletion)):
        figure = draw(book, mine[name], measures) if name in mine else None
        if figure is not None:
            blocks.append(figure)
    return blocks


def is_in_bars(book: Book, measure: Measure) -> bool:
    """Whether the measure is a feature's attribution and stands in the bars' table."""
    if "feature" not in measure.at:
        return False
    drawn = (s for s in book.evidence.series if s.id == f"{measure.id.rpartition('.')[0]}.attribution")
    return any(measure.at["feature"] in c.values for s in drawn for c in s.columns if c.name == "feature")


def _answers(method: str, measures: Sequence[Measure]) -> list[str]:
    found = {m.id: m for m in measures if m.value is not None}
    said = []
    strongest = found.get(f"{method}.largest_share")
    if strongest is not None:
        name = f" ({strongest.note})" if strongest.note else ""
        said.append(f"The strongest feature{name} carries {_share(strongest)} of all attribution.")
    sensitive = [m for m in measures if m.id == f"{method}.sensitive_share" and m.value is not None]
    if sensitive:
        parts = [f"{m.at.get('attribute', 'sensitive attributes')} {_share(m)}" for m in sensitive]
        said.append(f"Direct use of sensitive attributes: {'; '.join(parts)}.")
    gain = found.get(f"{method}.deletion_gain")
    if gain is not None and gain.low is not None and gain.high is not None:
        if gain.low > 0:
            said.append("Replacing what it names first changes the output sooner than a random order does.")
        elif gain.high < 0:
            said.append("Do not rely on this order: a random one changes the output sooner.")
        else:
            said.append("Whether its order of features is better than a random one cannot be told.")
    return said


def _share(m: Measure) -> str:
    return f"{fmt.value(m.value, m.unit)} ({fmt.measured_interval(m)})"


def _values(series: Series, *names: str) -> Values | None:
    columns = {c.name: list(c.values) for c in series.columns}
    whole = set(names) <= columns.keys() and columns[names[0]]
    return columns if whole and all(v is not None for name in names for v in columns[name]) else None


def _unit(series: Series, name: str) -> str:
    return next(c.unit for c in series.columns if c.name == name)


def _bars(book: Book, series: Series, measures: Sequence[Measure]) -> Figure | None:
    values = _values(series, "feature", "mean_absolute")
    if values is None:
        return None
    unit = _unit(series, "mean_absolute")
    rows: list[dict[str, Any]] = []
    table = []
    none = [None] * len(values["feature"])
    for label, value, low, high in zip(
        values["feature"],
        values["mean_absolute"],
        values.get("low", none),
        values.get("high", none),
        strict=True,
    ):
        shown = fmt.value(value, unit)
        rows.append({"label": str(label), "value": value, "low": low, "high": high, "text": shown})
        table.append([str(label), shown, fmt.interval(low, high, unit)])
    top = max(max(row["value"], row["high"] or 0.0) for row in rows)
    words = "; ".join(f"{label} {shown}" for label, shown, _ in table[:8])
    note = f" {series.note}" if series.note else ""
    return book.figure(
        f"{series.title}, in units of the output ({unit}), with intervals over rows.{note}",
        f"{series.title}: {words}.",
        {
            "kind": "bars",
            "rows": rows,
            "top": top * 1.05 or 1.0,
            "title": f"mean absolute attribution, {unit}",
        },
        [column("Feature"), number_column("Mean"), number_column("Interval")],
        table,
        [series, *(m for m in measures if m.at.get("feature") in values["feature"])],
    )


def _spread(book: Book, series: Series, _measures: Sequence[Measure]) -> Figure | None:
    values = _values(series, "feature", *_QUANTILES)
    if values is None:
        return None
    unit = _unit(series, "q50")
    rows: list[dict[str, Any]] = [
        {"label": str(label), "quantiles": [values[q][place] for q in _QUANTILES]}
        for place, label in enumerate(values["feature"])
    ]
    table = [[row["label"], *(fmt.value(value, unit) for value in row["quantiles"])] for row in rows]
    words = "; ".join(f"{row[0]} from {row[1]} to {row[5]}" for row in table[:6])
    return book.figure(
        "How attributions spread over the rows: thin line 5 to 95 %, bar the middle half, mark the median. "
        "Right of 0 the feature raises the output.",
        f"5 to 95 % of the attributions: {words}.",
        {"kind": "spreads", "rows": rows, "title": f"attribution, {unit}"},
        [column("Feature"), *(number_column(f"{int(q[1:])} %") for q in _QUANTILES)],
        table,
        [series],
    )


def _deletion(book: Book, series: Series, _measures: Sequence[Measure]) -> Figure | None:
    values = _values(series, "removed", "change", "random_change")
    if values is None:
        return None
    unit = _unit(series, "change")
    lines: list[dict[str, Any]] = [
        {
            "name": name,
            "x": values["removed"],
            "y": values[key],
            "low": _known(values.get(f"{key}_low")),
            "high": _known(values.get(f"{key}_high")),
            "points": True,
        }
        for key, name in (("change", "strongest first"), ("random_change", "random order"))
    ]
    top = max(v for line in lines for v in (*line["y"], *(line["high"] or ())))
    table = [
        [
            fmt.value(removed, "share"),
            *(
                cell
                for key in ("change", "random_change")
                for cell in (fmt.value(values[key][place], unit), _interval(values, key, place, unit))
            ),
        ]
        for place, removed in enumerate(values["removed"])
    ]
    middle = len(table) // 2
    return book.figure(
        "Change of the output while features are replaced from the background: the further the solid line "
        "lies above the dashed one, the more the order of the attributions tells.",
        f"With {table[middle][0]} of the features replaced, the output changes by {table[middle][1]} in the "
        f"order of the attributions and by {table[middle][3]} in random order.",
        {
            "kind": "curves",
            "lines": lines,
            "x_title": "share of the features replaced",
            "y_title": f"mean change, {unit}",
            "x": [0.0, 1.0],
            "y": [0.0, top * 1.05 or 1.0],
            "diagonal": False,
            "rule": None,
        },
        [
            number_column("Replaced"),
            number_column("Strongest first"),
            number_column("Interval"),
            number_column("Random order"),
            number_column("Interval"),
        ],
        table,
        [series],
    )


def _known(values: list[Any] | None) -> list[Any] | None:
    return None if values is None or any(v is None for v in values) else values


def _interval(values: Values, key: str, place: int, unit: str) -> str:
    low, high = values.get(f"{key}_low"), values.get(f"{key}_high")
    return fmt.interval(low[place] if low else None, high[place] if high else None, unit)
