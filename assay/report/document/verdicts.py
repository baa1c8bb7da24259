"""Findings, and the verdict of every rule with the chart of values against limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assay.contracts import PILLAR_TITLES, Limits, Measure, Verdict
from assay.policy.groups import group_label, other_side
from assay.policy.wording import TOGETHER
from assay.report import formatting as fmt
from assay.report.document.book import Book, column, id_column, number_column
from assay.report.document.model import Block, Cell, Figure, Section, bullets, heading, section, text
from assay.report.document.summary import rule_label, undecided_sentences, verdict_cells, worst_first
from assay.report.palette import STYLES

__all__ = ["PARITY", "axis_bounds", "findings_section", "pair_outcome", "spread", "verdicts_section"]


def findings_section(book: Book) -> Section:
    """One block a finding, worst first."""
    order = ("critical", "high", "medium", "low")
    blocks: list[Block] = []
    for finding in sorted(book.evidence.findings, key=lambda f: order.index(f.severity)):
        measures = [book.by_key[key] for key in finding.measures if key in book.by_key]
        blocks.append(
            {
                "kind": "finding",
                "id": finding.id,
                "title": finding.title,
                "severity": finding.severity,
                "pillar": PILLAR_TITLES[finding.pillar],
                "rows": [
                    {"term": term, "text": body, "mono": term == "Evidence"}
                    for term, body in (
                        ("Criterion", finding.criterion),
                        ("What was seen", finding.detail),
                        ("What can be done", finding.action or "No action is set in the policy."),
                        ("Evidence", ", ".join([finding.id, *(book.short(m) for m in measures)])),
                    )
                ],
            }
        )
    if not blocks:
        blocks.append(
            text("No rule failed, so there is no finding. What was not decided or not tested is below.")
        )
    return section("findings", "Findings", blocks)


def spread(measure_or_verdict: Measure | Verdict) -> str:
    """ "0.36 (0.34–0.38)": value and interval in the width of a chart's margin."""
    item = measure_or_verdict
    shown = fmt.value(item.value, item.unit)
    if item.low is None and item.high is None:
        return shown
    low = "" if item.low is None else fmt.value(item.low, item.unit)
    high = "" if item.high is None else fmt.value(item.high, item.unit)
    return f"{shown} ({low} – {high})"


def pair_outcome(measure: Measure, verdict: Verdict | None) -> str:
    """What the verdict said of one pair: listed as undecided or shown only, else on which side it lies."""
    if verdict is None or measure.value is None:
        return "shown" if verdict is None else "insufficient"
    against = other_side(measure)
    label = group_label(measure.slice, measure.over)
    if {label, against} & set(verdict.shown_only):
        return "shown"
    if any(dict(u.slice) == dict(measure.slice) and u.against == against for u in verdict.undecided):
        return "insufficient"
    limits = verdict.limits
    below = limits.minimum is not None and measure.value < limits.minimum
    above = limits.maximum is not None and measure.value > limits.maximum
    if below or above:
        return "fail"
    return "pass" if _at_target(measure, limits) else "warn"


def _at_target(measure: Measure, limits: Limits) -> bool:
    """Whether the whole interval is inside the target, which holds both ways from parity."""
    low = measure.value if measure.low is None else measure.low
    high = measure.value if measure.high is None else measure.high
    least, most = limits.target_minimum, limits.target_maximum
    if least is not None and measure.unit == "ratio":
        return low is not None and low >= least and high is not None and high <= 1 / least
    if most is not None and measure.unit == "difference":
        return low is not None and low >= -most and high is not None and high <= most
    return True


PARITY = {"ratio": 1.0, "difference": 0.0}
"""The value of equal groups: always inside an axis of that unit."""


def axis_bounds(unit: str) -> list[float | None]:
    """Where an axis of this unit may at most reach; null = as far as the data go."""
    return {"share": [0.0, 1.0], "ratio": [0.0, 2.0], "score": [0.0, 1.0]}.get(unit, [None, None])  # type: ignore[return-value]


def _dots(book: Book, unit: str, verdicts: Sequence[Verdict]) -> Figure:
    rows: list[dict[str, Any]] = []
    table: list[list[Cell | str]] = []
    for verdict in verdicts:
        limits = verdict.limits
        low_side = limits.minimum is not None
        label = rule_label(verdict)
        rows.append(
            {
                "label": label,
                "value": verdict.value,
                "low": verdict.low,
                "high": verdict.high,
                "outcome": verdict.outcome,
                "text": spread(verdict),
                "limit": limits.minimum if low_side else limits.maximum,
                "target": limits.target_minimum if low_side else limits.target_maximum,
            }
        )
        table.append(
            [
                label,
                fmt.value(verdict.value, unit),
                fmt.interval(verdict.low, verdict.high, unit),
                verdict.limit,
                STYLES[verdict.outcome].word,
            ]
        )
    words = "; ".join(f"{row[0]} {row[1]}, limit {row[3]}, {str(row[4]).lower()}" for row in table[:8])
    return book.figure(
        f"Values against limits, measured as a {unit}. Upright line: limit; dashed: stricter target.",
        f"Each rule's value with its interval and limit, in the unit {unit}: {words}.",
        {
            "kind": "intervals",
            "rows": rows,
            "lines": [],
            "bounds": axis_bounds(unit),
            "parity": PARITY.get(unit),
            "title": unit,
            "words": True,
        },
        [
            column("Rule"),
            number_column("Value"),
            number_column("Interval"),
            number_column("Limit"),
            column("Verdict"),
        ],
        table,
        [book.by_key[v.decisive] for v in verdicts if v.decisive in book.by_key],
    )


def verdicts_section(book: Book) -> Section:
    """Every verdict: charts a unit, one table, open questions, groups shown but not judged."""
    verdicts = worst_first(book.evidence.verdicts)
    if not verdicts:
        nothing = text("Nothing was judged: no policy was given.")
        return section("verdicts", "Verdicts", [nothing], opens=False)
    blocks: list[Block] = [
        text(
            "A rule passes when the whole interval is inside its limit and fails when the whole interval is "
            "beyond it. In between it is undecided: the rows at hand do not settle it."
        )
    ]
    units = dict.fromkeys(v.unit for v in verdicts if v.value is not None)
    blocks += [
        _dots(book, unit, [v for v in verdicts if v.unit == unit and v.value is not None]) for unit in units
    ]
    columns = [
        column("Rule and reading"),
        number_column("Value"),
        number_column("Interval"),
        number_column("Limit"),
        number_column("n"),
        id_column(),
    ]
    rows = [verdict_cells(book, v, v.sentence) for v in verdicts]
    measures = [book.by_key[v.decisive] for v in verdicts if v.decisive in book.by_key]
    blocks.append(book.table("Every verdict, worst first", columns, rows, "", measures))
    open_questions = undecided_sentences(book, 40, ("fail", "insufficient"))
    if open_questions:
        blocks += [heading("What could not be decided"), bullets(open_questions), _pairs(book, verdicts)]
    shown = [f"{rule_label(v)}: {', '.join(v.shown_only)}" for v in verdicts if v.shown_only]
    if shown:
        blocks += [
            heading("Groups shown but not judged"),
            text(
                "These groups are smaller than the policy's minimum, so their rates are shown and not judged."
            ),
            bullets(shown),
        ]
    return section("verdicts", "Verdicts", blocks)


def _pairs(book: Book, verdicts: Sequence[Verdict], most: int = 24) -> Block:
    rows: list[list[Cell | str]] = []
    for verdict in verdicts:
        for pair in verdict.undecided:
            name = group_label(pair.slice, verdict.over) or "all rows"
            pairs = name + (f" and {pair.against}" if pair.against else "")
            grow = (pair.group or "any").removesuffix(TOGETHER)
            grow = "both" if grow != pair.group and pair.group is not None else grow
            rows.append(
                [rule_label(verdict), pairs, grow, fmt.about(pair.rows_needed), book.verdict_id(verdict)]
            )
    note = f"{fmt.plural(len(rows) - most, 'further row')} in evidence.json." if len(rows) > most else ""
    columns = [
        column("Rule", 1.2),
        column("Groups compared", 1.5),
        column("More rows of", 1),
        number_column("About how many"),
        id_column(),
    ]
    caption = "Rows that would settle what is open, if the rates stay as they are"
    return book.table(caption, columns, rows[:most], note)
