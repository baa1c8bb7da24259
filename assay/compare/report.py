"""The comparison with a baseline that an audit carries in its own evidence."""

from __future__ import annotations

from assay.annex import RunRows
from assay.compare.gate import gate
from assay.compare.pairing import pairing_of
from assay.compare.runs import compare
from assay.contracts import ChangeReport, Comparison, Evidence

__all__ = ["change_report"]


def change_report(
    baseline: Evidence, candidate: Evidence, first: RunRows | None, second: RunRows | None
) -> ChangeReport:
    """What became better or worse since the baseline, and whether the gate lets the candidate through.

    Args:
        first, second: row-level results of both runs, where they are kept.
    """
    pairing = pairing_of(baseline, candidate, first, second)
    judged = gate(baseline, candidate, pairing)
    compared = compare(baseline, candidate, pairing)
    decisive = {_place(entry) for entry in judged.comparisons}
    return ChangeReport(
        baseline_snapshot=baseline.snapshot_digest,
        baseline_title=baseline.title,
        baseline_model=baseline.subject.model,
        statements=judged.statements,
        decisive=judged.comparisons,
        moved=tuple(
            entry
            for entry in compared.comparisons
            if entry.reading in ("better", "worse") and _place(entry) not in decisive
        ),
        counts=compared.counts,
        verdict_changes=judged.verdict_changes,
        exit_code=judged.exit_code,
        sentence=judged.sentence,
        reasons=judged.reasons,
    )


def _place(entry: Comparison) -> tuple[object, ...]:
    """What is compared, whatever the rule calls it."""
    return entry.id, tuple(sorted(entry.slice.items())), entry.over, tuple(sorted(entry.at.items()))
