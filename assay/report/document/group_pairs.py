"""Pairs of groups against the limit, and the range left open by people whose group is not known."""

from __future__ import annotations

from collections.abc import Sequence

from assay.contracts import Measure, Verdict
from assay.report import formatting as fmt
from assay.report.document.book import Book, column, number_column
from assay.report.document.group_rates import level
from assay.report.document.model import Block, heading
from assay.report.document.verdicts import PARITY, axis_bounds, pair_outcome, spread
from assay.report.palette import STYLES

__all__ = ["bound_blocks", "has_verdict", "pair_blocks"]

_MOST_PAIRS = 16


def _verdict(book: Book, measure: Measure) -> Verdict | None:
    """The verdict that judged a pair, whichever attribute of an intersection it names first."""
    wanted = set((measure.over or "").split(" × "))
    return next(
        (
            v
            for v in book.evidence.verdicts
            if v.measure == measure.id and v.over is not None and set(v.over.split(" × ")) == wanted
        ),
        None,
    )


def has_verdict(book: Book, measure: Measure) -> bool:
    """Whether a rule of the policy judged the pairs that this one belongs to."""
    return _verdict(book, measure) is not None


def pair_blocks(book: Book, over: str, measures: Sequence[Measure]) -> list[Block]:
    """Forest plot of one measure between the groups of one attribute, worst pairs first."""
    known = [m for m in measures if m.value is not None]
    if not known:
        return []
    verdict, ratio = _verdict(book, known[0]), known[0].unit == "ratio"
    order = ("fail", "insufficient", "warn", "shown", "pass")
    outcomes = {id(m): pair_outcome(m, verdict) for m in known}

    def worst(m: Measure) -> tuple[int, float]:
        return order.index(outcomes[id(m)]), (m.value or 0.0) * (1 if ratio else -1)

    chosen = sorted(known, key=worst)[:_MOST_PAIRS]
    lines = []
    if verdict is not None:
        bounds = [v for v in (verdict.limits.minimum, verdict.limits.maximum) if v is not None]
        lines = [{"value": v, "label": f"limit {fmt.value(v, known[0].unit)}"} for v in bounds]
    rows, table = [], []
    for m in chosen:
        label = book.setting(m)
        outcome = outcomes[id(m)]
        rows.append(
            {
                "label": label,
                "value": m.value,
                "low": m.low,
                "high": m.high,
                "outcome": outcome,
                "text": spread(m),
                "limit": None,
                "target": None,
            }
        )
        interval = fmt.interval(m.low, m.high, m.unit)
        table.append([label, fmt.value(m.value, m.unit), interval, fmt.count(m.n), STYLES[outcome].word])
    title = book.title(known[0].id)
    some = f"the worst {len(chosen)} of {len(known)} pairs" if len(known) > len(chosen) else "every pair"
    family = known[0].family
    joint = f", family-wise over {family} pairs" if family > 1 else ""
    words = "; ".join(f"{row[0]} {row[1]} ({row[4].lower()})" for row in table[:8])
    return [
        book.figure(
            f"{title} by {over}, {some}, with {level(chosen)} intervals{joint}.",
            f"{title} between groups of {over}, {some}: {words}.",
            {
                "kind": "intervals",
                "rows": rows,
                "lines": lines,
                "bounds": axis_bounds(known[0].unit),
                "parity": PARITY.get(known[0].unit),
                "title": known[0].unit,
                "words": verdict is not None,
            },
            [
                column("Pair"),
                number_column("Value"),
                number_column("Interval"),
                number_column("n"),
                column("Verdict"),
            ],
            table,
            chosen,
        )
    ]


def bound_blocks(book: Book, measures: Sequence[Measure]) -> list[Block]:
    """Where an attribute is not known for everybody: the ratio if the unknown were worst or best placed."""
    cases: dict[str, dict[str, Measure]] = {}
    for m in measures:
        label = m.over or book.group(m)
        if m.over and m.at.get("against"):
            label = f"{m.over}: {book.group(m)} / {m.at['against']}"
        cases.setdefault(label, {})[str(m.at.get("case"))] = m
    rows, table = [], []
    for label, found in cases.items():
        worst, best = found.get("worst"), found.get("best")
        if worst is None or best is None or worst.value is None or best.value is None:
            continue
        low, high = fmt.value(worst.value, "ratio"), fmt.value(best.value, "ratio")
        rows.append(
            {
                "label": label,
                "value": None,
                "low": min(worst.value, best.value),
                "high": max(worst.value, best.value),
                "outcome": "shown",
                "text": f"{low} – {high}",
                "limit": None,
                "target": None,
            }
        )
        table.append([label, low, high])
    if not rows:
        return []
    limit = next(
        (v.limits.minimum for v in book.evidence.verdicts if v.measure == "fairness.selection_rate_ratio"),
        None,
    )
    lines = [] if limit is None else [{"value": limit, "label": f"limit {fmt.value(limit, 'ratio')}"}]
    words = "; ".join(f"{label} from {low} to {high}" for label, low, high in table[:8])
    return [
        heading("People whose group is not known"),
        book.figure(
            "Impact ratio if everybody whose group is not known stood in the worst and in the best case.",
            f"Range of the impact ratio between the worst and the best case for unknown groups: {words}.",
            {
                "kind": "intervals",
                "rows": rows,
                "lines": lines,
                "bounds": axis_bounds("ratio"),
                "parity": PARITY["ratio"],
                "title": "ratio",
                "words": False,
            },
            [column("Attribute"), number_column("Worst case"), number_column("Best case")],
            table,
            list(measures),
        ),
    ]
