"""`assay compare`, `assay gate` and `assay erase-rows`: two runs side by side, and what they rest on."""

from __future__ import annotations

from collections import Counter

from rich.text import Text

from assay.commands.changes import print_changes, print_comparisons, print_statements, reading_counts
from assay.commands.kept import find_evidence
from assay.commands.records import annex_store, paired
from assay.compare import GateReport, compare, gate
from assay.terminal import SIGNS, Terminal, plain

__all__ = ["run_compare", "run_erase", "run_gate"]


def run_compare(before: str, after: str) -> int:
    """Print what changed between two runs; 0 whatever the answer is."""
    first, second = find_evidence(before), find_evidence(after)
    report = compare(first, second, paired(first, second))
    terminal = Terminal()
    terminal.line(Text(reading_counts(report.counts), style="bold"))
    terminal.line(Text("before → after, change (95 % interval), ± tolerance", style="dim"))
    print_changes(terminal, report.verdict_changes)
    for reading in ("worse", "better"):
        print_comparisons(terminal, [c for c in report.comparisons if c.reading == reading])
    for title, unmatched in (("only before", report.only_before), ("only after", report.only_after)):
        if unmatched:
            names = Counter(entry.id for entry in unmatched)
            listed = ", ".join(f"{name} ({number})" for name, number in names.items())
            terminal.line(f"{title}: {listed}")
    print_statements(terminal, report.statements)
    return 0


def run_gate(baseline: str, candidate: str) -> int:
    """Print whether the candidate goes through, and what keeps it back; returns 0, 1, 2 or 3."""
    first, second = find_evidence(baseline), find_evidence(candidate)
    report: GateReport = gate(first, second, paired(first, second))
    terminal = Terminal()
    style = {0: SIGNS["pass"], 1: SIGNS["fail"]}.get(report.exit_code, SIGNS["insufficient"])[2]
    terminal.line(Text(plain(report.sentence, 500), style=f"bold {style}"))
    for reason in report.reasons:
        terminal.line(f"  {plain(reason, 500)}")
    print_changes(terminal, report.verdict_changes)
    print_comparisons(terminal, report.comparisons)
    print_statements(terminal, report.statements)
    terminal.line(f"exit {report.exit_code}")
    return report.exit_code


def run_erase(run: str) -> int:
    """Erase the annex of a run; 0 whether or not there was one."""
    reference = find_evidence(run).annex
    erased = reference is not None and annex_store().erase(reference)
    Terminal().line(
        f"Erased the row-level results of {reference.rows:,} rows."
        if erased and reference is not None
        else "There are no row-level results of that run here."
    )
    return 0
