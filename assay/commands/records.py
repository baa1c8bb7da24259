"""What this installation keeps of its audits: openings of sealed rows, and row-level results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from assay.annex import AnnexStore, RunRows
from assay.contracts import AnnexReference, Evidence, Opening, Profile
from assay.openings import Ledger
from assay.planning import timestamp

if TYPE_CHECKING:
    from assay.compare import Pairing

__all__ = ["HomeRecords", "annex_store", "ledger", "name_candidate", "paired"]


def annex_store() -> AnnexStore:
    """The annexes under the data folder ($ASSAY_HOME)."""
    return AnnexStore(_home() / "annex")


def ledger() -> Ledger:
    """The ledger of openings under the data folder."""
    return Ledger(_home() / "openings")


def paired(before: Evidence, after: Evidence) -> Pairing | str:
    """The rows that two runs have in common, where their annexes are kept here."""
    from assay.compare import pairing_of

    store = annex_store()
    return pairing_of(before, after, store.get(before.annex), store.get(after.annex))


def name_candidate(baseline: Evidence, candidate_sha256: str, now: datetime | None = None) -> bool:
    """Name, before it is audited, the one model that is to be judged against `baseline` on its test rows.

    Returns:
        False where the baseline has no opening to name a candidate for (supplied predictions).
    """
    opening, model = baseline.plan.opening, baseline.subject.model
    if opening is None or model is None or model.identity == candidate_sha256:
        return False
    at = timestamp(now or datetime.now(UTC))
    ledger().name(opening.rows_sha256, model.identity, candidate_sha256, at)
    return True


@dataclass(frozen=True)
class HomeRecords:
    """The engine's `Records` under the data folder.

    Args:
        baseline: the run that the audit is compared with; names its model as the candidate.
        keep_rows: whether row-level results are kept for paired comparisons.
    """

    baseline: Evidence | None = None
    keep_rows: bool = True
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def opened(self, profile: Profile, rows_sha256: str, plan_sha256: str) -> Opening | None:
        """Name the candidate where there is a baseline, then register the opening."""
        if profile.model is None:
            return None
        book, at, model = ledger(), timestamp(self.clock()), profile.model.identity
        first = self.baseline.subject.model if self.baseline is not None else None
        if first is not None and first.identity != model:
            book.name(rows_sha256, first.identity, model, at)
        return book.open(rows_sha256, model, plan_sha256, at)

    def keep(self, rows: RunRows) -> AnnexReference | None:
        return annex_store().put(rows) if self.keep_rows else None

    def measured(self, evidence: Evidence) -> None:
        """Write into the ledger which snapshot came of the opening."""
        opening, model = evidence.plan.opening, evidence.subject.model
        if opening is not None and model is not None:
            ledger().measured(opening, model.identity, evidence.snapshot_digest, timestamp(self.clock()))


def _home() -> Path:
    from assay.report.authority import data_home

    return data_home()
