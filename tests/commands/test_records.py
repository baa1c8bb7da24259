"""What an installation keeps: candidates named beforehand, openings, and rows."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from assay.commands.records import HomeRecords, ledger, name_candidate
from assay.contracts import Evidence, ModelFacts, Profile
from tests.compare.builders import run

ROWS, PLAN, CANDIDATE = "11" * 32, "22" * 32, "bb" * 32


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path))


def asked(sha256: str) -> Profile:
    """The profile of a run that asked the model with this digest."""
    facts = ModelFacts(
        name="m",
        format="torch_folder",
        sha256=sha256,
        architecture="mlp",
        parameters=1,
        weight_bytes=4,
        dtype="float32",
        device="cpu",
    )
    return run([]).subject.model_copy(update={"grade": "executed", "model": facts})


def baseline() -> Evidence:
    """A run of the first model on the rows, as the engine would have registered it."""
    made = run([])
    opening = HomeRecords().opened(asked("aa" * 32), ROWS, PLAN)
    plan = made.plan.model_copy(update={"opening": opening})
    return made.model_copy(update={"subject": asked("aa" * 32), "plan": plan})


def test_a_candidate_named_by_its_remedy_is_confirmatory_in_any_later_audit() -> None:
    assert name_candidate(baseline(), CANDIDATE, datetime(2026, 1, 2, tzinfo=UTC))
    other = HomeRecords(baseline()).opened(asked("cc" * 32), ROWS, PLAN)
    found = HomeRecords().opened(asked(CANDIDATE), ROWS, PLAN)
    assert other is not None
    assert found is not None
    assert (other.number, other.standing) == (2, "exploratory")
    assert (found.number, found.standing) == (3, "confirmatory")


def test_the_baseline_itself_cannot_be_its_own_candidate() -> None:
    first = baseline()
    assert not name_candidate(first, "aa" * 32)
    HomeRecords(first).opened(asked("aa" * 32), ROWS, PLAN)
    found = HomeRecords(first).opened(asked(CANDIDATE), ROWS, PLAN)
    assert found is not None
    assert found.standing == "confirmatory"


def test_supplied_predictions_open_nothing() -> None:
    assert HomeRecords().opened(run([]).subject, ROWS, PLAN) is None
    assert not name_candidate(run([]), CANDIDATE)
    assert not ledger().root.exists()
