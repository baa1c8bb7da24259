"""How changes between two runs are printed: comparisons, verdicts that changed, statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.text import Text

from assay.compare.change import CHANGED_SIDES
from assay.contracts import ChangeReport, Comparison, VerdictChange
from assay.policy.groups import group_label
from assay.report import formatting
from assay.terminal import SIGNS, Terminal, plain

__all__ = ["print_changes", "print_comparisons", "print_report", "print_statements", "reading_counts"]

_READINGS = {
    # reading: sign, style
    "worse": ("↓", SIGNS["fail"][2]),
    "better": ("↑", SIGNS["pass"][2]),
    "insufficient": ("?", SIGNS["insufficient"][2]),
    "unchanged": ("=", SIGNS["insufficient"][2]),
}
_SHOWN = 20
"""Comparisons of one reading that are printed."""


def reading_counts(counts: Mapping[str, int]) -> str:
    """ "1 worse · 2 better · 3 insufficient · 4 unchanged"."""
    return " · ".join(f"{counts.get(name, 0)} {name}" for name in _READINGS)


def print_report(terminal: Terminal, report: ChangeReport) -> None:
    """The block of an audit with a baseline: the gate's answer, what moved, how it was compared."""
    name = report.baseline_model.name if report.baseline_model else report.baseline_title
    title = f"Changed since {plain(name)} ({report.baseline_snapshot[:12]})"
    terminal.line(Text.assemble((title, "bold"), f"   {reading_counts(report.counts)}"))
    style = {0: SIGNS["pass"], 1: SIGNS["fail"]}.get(report.exit_code, SIGNS["insufficient"])[2]
    terminal.line(Text(f"  gate: {plain(report.sentence, 500)}", style=style))
    for reason in report.reasons:
        terminal.line(f"    {plain(reason, 500)}")
    shown = [c for c in report.decisive if c.reading != "unchanged"]
    print_changes(terminal, report.verdict_changes)
    print_comparisons(terminal, [*shown, *report.moved])
    print_statements(terminal, report.statements)
    terminal.line()


def print_comparisons(terminal: Terminal, comparisons: Sequence[Comparison]) -> None:
    if comparisons:
        terminal.line()
    for entry in comparisons[:_SHOWN]:
        sign, style = _READINGS[entry.reading]
        # ranged by the attributes, as the other side of a pair is
        label = group_label(entry.slice, entry.over) if entry.slice else entry.over or ""
        if "against" in entry.at:
            label = f"{label} {'/' if entry.unit == 'ratio' else '−'} {entry.at['against']}"
        setting = ", ".join(f"{key} {value}" for key, value in entry.at.items() if key != "against")
        where = "".join(f", {plain(part)}" for part in (label, setting) if part)
        turned = " (the groups changed sides)" if CHANGED_SIDES in (entry.note or "") else ""
        before, after, change = (
            formatting.value(number, entry.unit) for number in (entry.before, entry.after, entry.change)
        )
        interval = f"({formatting.interval(entry.low, entry.high, entry.unit)})"
        tolerance = formatting.value(entry.tolerance, entry.unit)
        numbers = f"{before:>7} → {after:<7} {change:>7} {interval:<20} ±{tolerance}"
        terminal.item(
            (sign, style),
            f"{entry.reading}  {formatting.titled(entry.title, entry.unit)}{where}{turned}",
            f"{numbers:<51}",
        )
    if len(comparisons) > _SHOWN:
        terminal.line(Text(f"  and {len(comparisons) - _SHOWN} more", style="dim"))


def print_changes(terminal: Terminal, changes: Sequence[VerdictChange]) -> None:
    words = {outcome: word for outcome, (_, word, _) in SIGNS.items()}
    rows = [
        (
            f"{plain(change.title)}{f', {plain(change.over)}' if change.over else ''}",
            f"{words[change.before] if change.before else 'absent'} → "
            f"{words[change.after] if change.after else 'absent'}",
        )
        for change in changes
    ]
    if rows:
        terminal.line()
        terminal.line(Text("Verdicts that changed", style="bold"))
        terminal.rows(rows)


def print_statements(terminal: Terminal, statements: Sequence[str]) -> None:
    terminal.line()
    for sentence in statements:
        terminal.line(Text(plain(sentence, 500), style="dim"))
