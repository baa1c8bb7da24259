"""Runs that answer different questions are compared nowhere: a gate must not let one through for another."""

from __future__ import annotations

from typing import Any

import pytest

from assay.compare import another_question, compare, gate
from assay.contracts import Evidence
from assay.errors import BadInput
from tests.compare.builders import run


def other(evidence: Evidence, *, roles: dict[str, Any] | None = None, **update: Any) -> Evidence:
    """The same numbers of another subject."""
    signature = {name: update.pop(name) for name in ("task", "classes", "favourable") if name in update}
    profile = evidence.subject
    profile = profile.model_copy(
        update={
            "signature": profile.signature.model_copy(update=signature),
            "roles": profile.roles.model_copy(update=roles or {}),
            **update,
        }
    )
    return evidence.model_copy(update={"subject": profile})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"modality": "text"}, "their kind of data differs (table and text)"),
        ({"task": "multiclass"}, "their task differs (binary and multiclass)"),
        ({"classes": ("yes", "no")}, "their classes differ (no, yes and yes, no)"),
        ({"favourable": "no"}, "their favourable class differs (yes and no)"),
        ({"roles": {"label": None}}, "their label differs (y and none)"),
    ],
    ids=lambda each: next(iter(each)) if isinstance(each, dict) else None,
)
def test_another_question_is_refused_in_a_sentence(change: dict[str, Any], says: str) -> None:
    before = run(())
    after = other(before, **change)
    assert another_question(before.subject, after.subject) == says
    for ask in (gate, compare):
        with pytest.raises(BadInput, match="The runs answer different questions") as error:
            ask(before, after)
        assert says in error.value.message


def test_one_question_of_other_rows_and_models_is_compared() -> None:
    before = run(())
    assert another_question(before.subject, run((), data="b.csv").subject) is None
    after = other(before, grade="executed", roles={"sensitive": ("age",), "prediction": "q"})
    assert gate(before, after).exit_code == 3
