"""The exit code that verdicts amount to, for `assay audit`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from assay.contracts import Verdict

__all__ = ["FAILED", "PASSED", "UNDECIDED", "UNUSABLE", "exit_code"]

PASSED: Final = 0
FAILED: Final = 1
UNUSABLE: Final = 2
UNDECIDED: Final = 3


def exit_code(verdicts: Iterable[Verdict], failed_shards: int = 0) -> int:
    """0 no rule failed (warnings included), 1 a rule failed, 3 not decided; 1 goes before 3.

    Not decided means: a rule is insufficient, a shard failed (the audit is incomplete), or a required
    rule found nothing measured. Bad input (2) raises before there are verdicts.
    """
    outcomes = [(verdict.outcome, verdict.required) for verdict in verdicts]
    if any(outcome == "fail" for outcome, _ in outcomes):
        return FAILED
    if failed_shards or any(
        outcome == "insufficient" or (outcome == "not_tested" and required) for outcome, required in outcomes
    ):
        return UNDECIDED
    return PASSED
