"""`assay compare` and `assay gate`: two runs side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.text import Text

from assay.commands.kept import find_evidence
from assay.compare import GateReport, compare, gate
from assay.compare.change import CHANGED_SIDES
from assay.contracts import Comparison, VerdictChange
from assay.policy.groups import group_label
from assay.report import formatting
from assay.terminal import SIGNS, Terminal, plain

__all__ = ["run_compare", "run_gate"]

_READINGS = {
    # reading: sign, style
    "worse": ("↓", SIGNS["fail"][2]),
    "better": ("↑", SIGNS["pass"][2]),
    "insufficient": ("?", SIGNS["insufficient"][2]),
    "unchanged": ("=", SIGNS["insufficient"][2]),
}
_SHOWN = 20
"""Comparisons of one reading that are printed."""


def run_compare(before: str, after: str) -> int:
    """Print what changed between two runs; 0 whatever the answer is."""
    report = compare(find_evidence(before), find_evidence(after))
    terminal = Terminal()
    counts = " · ".join(f"{report.counts.get(name, 0)} {name}" for name in _READINGS)
    terminal.line(Text(counts, style="bold"))
    terminal.line(Text("before → after, change (95 % interval), ± tolerance", style="dim"))
    _changes(terminal, report.verdict_changes)
    for reading in ("worse", "better"):
        _comparisons(terminal, [c for c in report.comparisons if c.reading == reading])
    for title, unmatched in (("only before", report.only_before), ("only after", report.only_after)):
        if unmatched:
            names = Counter(entry.id for entry in unmatched)
            listed = ", ".join(f"{name} ({number})" for name, number in names.items())
            terminal.line(f"{title}: {listed}")
    _statements(terminal, report.statements)
    return 0


def run_gate(baseline: str, candidate: str) -> int:
    """Print whether the candidate goes through, and what keeps it back; returns 0, 1, 2 or 3."""
    report: GateReport = gate(find_evidence(baseline), find_evidence(candidate))
    terminal = Terminal()
    style = {0: SIGNS["pass"], 1: SIGNS["fail"]}.get(report.exit_code, SIGNS["insufficient"])[2]
    terminal.line(Text(plain(report.sentence, 500), style=f"bold {style}"))
    for reason in report.reasons:
        terminal.line(f"  {plain(reason, 500)}")
    _changes(terminal, report.verdict_changes)
    _comparisons(terminal, report.comparisons)
    _statements(terminal, report.statements)
    terminal.line(f"exit {report.exit_code}")
    return report.exit_code


def _comparisons(terminal: Terminal, comparisons: Sequence[Comparison]) -> None:
    if comparisons:
        terminal.line()
    for entry in comparisons[:_SHOWN]:
        sign, style = _READINGS[entry.reading]
        # ranged by the attributes, as the other side of a pair is
        label = group_label(entry.slice, entry.over) if entry.slice else ""
        if "against" in entry.at:
            label = f"{label} {'/' if entry.unit == 'ratio' else '−'} {entry.at['against']}"
        where = f", {plain(label)}" if label else ""
        turned = " (the groups changed sides)" if CHANGED_SIDES in (entry.note or "") else ""
        before, after, change = (
            formatting.value(number, entry.unit) for number in (entry.before, entry.after, entry.change)
        )
        interval = f"({formatting.interval(entry.low, entry.high, entry.unit)})"
        tolerance = formatting.value(entry.tolerance, entry.unit)
        numbers = f"{before:>7} → {after:<7} {change:>7} {interval:<20} ±{tolerance}"
        terminal.item((sign, style), f"{entry.reading}  {entry.title}{where}{turned}", f"{numbers:<51}")
    if len(comparisons) > _SHOWN:
        terminal.line(Text(f"  and {len(comparisons) - _SHOWN} more", style="dim"))


def _changes(terminal: Terminal, changes: Sequence[VerdictChange]) -> None:
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


def _statements(terminal: Terminal, statements: Sequence[str]) -> None:
    terminal.line()
    for sentence in statements:
        terminal.line(Text(plain(sentence, 500), style="dim"))
