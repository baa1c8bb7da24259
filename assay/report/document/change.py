"""What was changed and what it did: a candidate beside the baseline that it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assay.contracts import PILLAR_TITLES, ChangeReport, Comparison, Lineage, Series, SeriesColumn
from assay.policy.groups import group_label
from assay.report import formatting as fmt
from assay.report.document.book import Book, column, number_column
from assay.report.document.model import Block, Cell, Figure, Section, bullets, facts, heading, section, text
from assay.report.document.verdicts import axis_bounds
from assay.report.palette import STYLES

__all__ = ["change_section", "comparison_name", "loss_chart"]

_DRAWN = ("share", "difference", "ratio", "score")
"""Units that several measures share, so that they can stand on one axis."""
_MOST = 14
_FEW_POINTS = 12
_SHOWN_ROWS = 40
"""Points of a curve in its data table; the whole curve stands in evidence.json."""
_WORDS = {"better": "better", "worse": "worse", "insufficient": "not decided", "unchanged": "unchanged"}


def change_section(book: Book, change: ChangeReport) -> Section:
    """Sentence first, then the gate's reasons, charts, table, training curves and how it was compared."""
    model = book.evidence.subject.model
    lineage = model.lineage if model is not None else None
    blocks: list[Block] = [text(_opening_words(change, lineage), "lede"), text(change.sentence)]
    if change.reasons:
        blocks.append(bullets(change.reasons))
    for unit in _DRAWN:
        chosen = [c for c in change.decisive if c.unit == unit] or [c for c in change.moved if c.unit == unit]
        drawn = [c for c in chosen if c.change or not c.interval_method.startswith("exact")]
        if drawn:
            blocks.append(_dumbbells(book, unit, drawn))
    if change.decisive:
        caption = "What decided the gate, before and after"
        blocks.append(_table(book, caption, change.decisive, len(change.decisive)))
    if change.moved:
        caption = "Everything else that became better or worse"
        blocks.append(_table(book, caption, change.moved, 40))
    if change.verdict_changes:
        blocks += [heading("Verdicts that changed"), _verdicts(book, change)]
    if lineage is not None:
        blocks += [heading("How the model was made"), *_made(book, lineage)]
    blocks += [heading("How the runs were compared"), bullets(change.statements)]
    opening = book.evidence.plan.opening
    if opening is not None:
        blocks += [heading("Sealed test rows"), text(opening.sentence)]
    return section("change", "What was changed and what it did", blocks, opens=bool(book.evidence.findings))


def _opening_words(change: ChangeReport, lineage: Lineage | None) -> str:
    """Which remedy, from which model, on which rows; how many measures moved which way."""
    before = change.baseline_model
    base = f"{before.name} (sha256 {fmt.short(before.sha256)})" if before is not None else "the baseline"
    counts = change.counts
    moved = (
        f"{counts.get('better', 0)} measures became better and {counts.get('worse', 0)} worse; "
        f"{counts.get('unchanged', 0)} stayed within their tolerance and for "
        f"{counts.get('insufficient', 0)} the rows do not tell."
    )
    if lineage is None:
        return f"Compared with {base}. How the model was made is not known: it carries no lineage. {moved}"
    rows = " and ".join(f"{fmt.plural(count, 'row')} of {role}" for role, count in lineage.rows.items())
    made = f"The model was made by {lineage.remedy} {lineage.version}"
    if before is not None and lineage.parent_sha256 == before.sha256:
        made += f" from {base}"
    elif lineage.parent_sha256 is not None:
        made += f" from {lineage.parent_name or 'another model'} and is compared with {base}"
    else:
        made += f", from no earlier model, and is compared with {base}"
    return f"{made}, on {rows or 'no rows that it names'}. {moved}"


def comparison_name(entry: Comparison) -> str:
    """The group or pair, or the attribute as a whole, and the setting."""
    who = group_label(entry.slice, entry.over) if entry.slice else entry.over or ""
    if "against" in entry.at:
        who = f"{who} {'/' if entry.unit == 'ratio' else '−'} {entry.at['against']}"
    at = [f"{key} {value}" for key, value in entry.at.items() if key != "against"]
    return ", ".join(part for part in (who, *at) if part)


def _label(entry: Comparison) -> str:
    return ", ".join(part for part in (fmt.titled(entry.title, entry.unit), comparison_name(entry)) if part)


def _dumbbells(book: Book, unit: str, entries: Sequence[Comparison]) -> Figure:
    order = ("worse", "better", "insufficient", "unchanged")
    drawn = sorted(entries, key=lambda c: order.index(c.reading))[:_MOST]
    rows: list[dict[str, Any]] = [
        {
            "label": c.title,
            "who": comparison_name(c),
            "before": c.before,
            "after": c.after,
            "change": c.change,
            "low": c.low,
            "high": c.high,
            "tolerance": c.tolerance,
            "reading": c.reading,
        }
        for c in drawn
    ]
    left = len(entries) - len(drawn)
    more = f" {left} more are in the table." if left else ""
    gaps = " Gaps count by their distance from 0." if unit == "difference" else ""
    gaps = " Ratios count by their closeness to 1." if unit == "ratio" else gaps
    words = "; ".join(
        f"{_label(c)} {fmt.value(c.before, unit)} to {fmt.value(c.after, unit)}, {_WORDS[c.reading]}"
        for c in drawn[:8]
    )
    return book.figure(
        f"Before (ring) and after (dot), as a {unit}; shaded: the tolerance of the change.{gaps}{more}",
        f"Values before and after with the interval of each change: {words}.",
        {"kind": "changes", "rows": rows, "bounds": axis_bounds(unit), "title": unit},
        [
            column("Measure"),
            number_column("Before"),
            number_column("After"),
            number_column("Change"),
            number_column("Interval"),
            column("Reading"),
        ],
        [[*_cells(c)[:5], _WORDS[c.reading]] for c in drawn],
        (),
    )


def _cells(entry: Comparison) -> list[Cell | str]:
    name: Cell = {"text": _label(entry)}
    exact = entry.interval_method.startswith("exact")
    return [
        name,
        fmt.value(entry.before, entry.unit),
        fmt.value(entry.after, entry.unit),
        fmt.value(entry.change, entry.unit),
        "exact" if exact else fmt.interval(entry.low, entry.high, entry.unit),
        f"± {fmt.value(entry.tolerance, entry.unit)}",
        _WORDS[entry.reading],
    ]


def _table(book: Book, caption: str, entries: Sequence[Comparison], most: int) -> Block:
    rows = []
    for entry in entries[:most]:
        cells = _cells(entry)
        how = f"{PILLAR_TITLES[entry.pillar]}; {entry.interval_method}."
        cells[0] = {"text": _label(entry), "sub": f"{how} {entry.note}" if entry.note else how}
        rows.append(cells)
    left = len(entries) - most
    note = f"{fmt.plural(left, 'further row')} in evidence.json." if left > 0 else ""
    columns = [
        column("Measure and how it was compared", 1.0),
        number_column("Before"),
        number_column("After"),
        number_column("Change"),
        number_column("Interval"),
        number_column("Tolerance"),
        column("Reading", 0.0),
    ]
    return book.table(caption, columns, rows, note)


def _verdicts(book: Book, change: ChangeReport) -> Block:
    def word(outcome: str | None) -> str:
        return "absent" if outcome is None else STYLES[outcome].word

    rows: list[list[Cell | str]] = [
        [f"{item.title}, {item.over}" if item.over else item.title, word(item.before), word(item.after)]
        for item in change.verdict_changes
    ]
    columns = [column("Rule", 2.0), column("Before", 0.6), column("After", 0.6)]
    return book.table("Rules whose verdict changed", columns, rows)


def _made(book: Book, lineage: Lineage) -> list[Block]:
    rows = [
        ("Remedy", f"{lineage.remedy} {lineage.version}, seed {lineage.seed}"),
        ("Parameters", ", ".join(f"{name} = {value}" for name, value in lineage.params.items()) or "none"),
    ]
    if lineage.parent_sha256 is not None:
        rows.append(("Made from", f"{lineage.parent_name or 'a model'}, sha256 {lineage.parent_sha256}"))
    for role, digest in lineage.datasets.items():
        count = lineage.rows.get(role)
        rows.append((f"Rows of {role}", f"{fmt.count(count)}, sha256 {digest}"))
    if lineage.figures:
        found = (f"{name.replace('_', ' ')} {v:.4g}" for name, v in lineage.figures.items())
        rows.append(("Figures", ", ".join(found)))
    blocks: list[Block] = [facts(rows)]
    blocks += [text(note, "note") for note in lineage.notes]
    blocks += [figure for series in lineage.loss_curves for figure in _curves(book, series)]
    return blocks


def _curves(book: Book, series: Series) -> list[Block]:
    """A figure for each unit: lines of the columns in it over the first column."""
    x, *others = series.columns
    drawn = [c for c in others if any(isinstance(v, int | float) for v in c.values)]
    units = list(dict.fromkeys(c.unit for c in drawn))
    across = [float(v) for v in x.values if isinstance(v, int | float)]
    if len(across) < 2:
        return []
    return [
        _curve(book, series, x, [c for c in drawn if c.unit == unit], half=len(units) > 1) for unit in units
    ]


def _curve(
    book: Book,
    series: Series,
    x: SeriesColumn,
    lines: Sequence[SeriesColumn],
    *,
    half: bool,
) -> Figure:
    names = ", ".join(c.name for c in lines)
    title = f"{names[:1].upper()}{names[1:]} over {x.name}."
    step = max(1, -(-len(x.values) // _SHOWN_ROWS))
    return book.figure(
        f"{title} {series.note}" if series.note else title,
        f"{series.title}: {names} over {x.name}.",
        loss_chart(x, lines),
        [number_column(c.name) for c in (x, *lines)],
        [
            [fmt.value(_number(c.values[i]), c.unit) for c in (x, *lines)]
            for i in range(0, len(x.values), step)
        ],
        [series],
        half=half,
    )


def loss_chart(x: SeriesColumn, lines: Sequence[SeriesColumn]) -> dict[str, Any]:
    """The chart of lines of one unit over `x`, which has numbers: for the report and the service's page."""
    across = [v for v in map(_number, x.values) if v is not None]
    down = [v for c in lines for v in map(_number, c.values) if v is not None]
    room = (max(down) - min(down)) * 0.06 or 0.1
    return {
        "kind": "curves",
        "lines": [
            {
                "name": c.name,
                "x": list(x.values),
                "y": list(c.values),
                "low": None,
                "high": None,
                "points": len(across) < _FEW_POINTS,
            }
            for c in lines
        ],
        "x_title": x.name,
        "y_title": lines[0].unit,
        "x": [min(across), max(across)],
        "y": [min(down) - room, max(down) + room],
        "diagonal": False,
        "rule": None,
    }


def _number(value: float | int | str | None) -> float | None:
    return float(value) if isinstance(value, int | float) else None
