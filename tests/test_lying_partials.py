"""A child that was taken over sends partials of its own: the method fails in a sentence, the others go on.

Merges run in the process that supervises, so nothing of theirs may crash it, fill its memory or never end.
"""

from __future__ import annotations

import copy
import math
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.contracts import AuditPlan, Partial, Profile, ShardSpec
from assay.engine import Outcome, stage_shards
from assay.errors import ChildFailed
from assay.execution import InlineContext, execute
from assay.planning import make_params, make_plan
from assay.registry import METHODS
from tests.command import loans
from tests.models.made import linear_folder, model_subject, number
from tests.support import table_subject

Change = Callable[[np.ndarray], np.ndarray]
_MOST_SECONDS = 20.0
_MOST_MEMORY = 2**29


class Honest(NamedTuple):
    """A plan and the partials that an honest child sends for it."""

    plan: AuditPlan
    profile: Profile
    partials: dict[str, list[Partial]]

    def merged(self, method: str, partials: list[Partial]) -> Outcome:
        outcome = Outcome()
        planned = next(each for each in self.plan.methods if each.id == method)
        outcome.merge(self.plan, planned, self.profile, partials)
        return outcome


def _listed(run: Callable[[ShardSpec], Partial]) -> Callable[[ShardSpec], list[Partial]]:
    return lambda shard: [run(shard)]


def _honest(subject: Any, params: dict[str, dict[str, Any]]) -> Honest:
    profile = subject.profile
    plan = make_plan(
        profile,
        METHODS.all(),
        chosen=None,
        params=params,
        policy=None,
        policy_sha256=None,
        tier="quick",
        seed=0,
    )
    partials = {}
    for planned in plan.methods:
        method = METHODS.get(planned.id)
        made = make_params(method, planned.params, "quick")
        run = partial(method.run, subject=subject, params=made, context=InlineContext(planned.id, 0))
        partials[planned.id] = execute(method, profile, made, _listed(run))
    return Honest(plan, profile, partials)


@pytest.fixture(scope="module")
def supplied(tmp_path_factory: pytest.TempPathFactory) -> Honest:
    """Predictions and scores of a table with groups and clusters."""
    columns = dict(loans(200))
    columns["person"] = [row // 2 for row in range(200)]
    roles: dict[str, Any] = {
        "label": "repaid",
        "predictions": "approved",
        "scores": "score",
        "favourable": "yes",
    }
    folder = tmp_path_factory.mktemp("supplied")
    return _honest(table_subject(folder, columns, sensitive=("sex",), cluster="person", **roles), {})


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Honest:
    """A network that every method of tables may ask."""
    folder = tmp_path_factory.mktemp("executed")
    rng = np.random.default_rng(0)

    def rows(count: int) -> dict[str, list[Any]]:
        values = rng.normal(size=(count, 2)).round(3)
        return {
            "x": values[:, 0].tolist(),
            "z": values[:, 1].tolist(),
            "sex": ["f" if one > 0 else "m" for one in rng.normal(size=count)],
            "y": ["yes" if one > 0 else "no" for one in values[:, 0]],
        }

    model = linear_folder(folder / "model", [number("x"), number("z")], [2.0, -1.0])
    subject = model_subject(
        folder, model, rows(120), training=rows(150), label="y", sensitive=("sex",), favourable="yes"
    )
    few: dict[str, dict[str, Any]] = {
        "explainability.shapley": {"rows": 20, "background": 10, "replicates": 200},
        "explainability.lime": {"rows": 10, "samples": 100},
        "explainability.integrated_gradients": {"rows": 10, "steps": 4, "most_steps": 8},
        "robustness.pgd": {"rows": 20, "steps": 2, "restarts": 1, "noise_draws": 1},
        "robustness.noise": {"rows": 20},
        "cost.inference": {"batch_sizes": (1,), "seconds": 0.1, "most_calls": 20},
    }
    return _honest(subject, few)


def test_honest_partials_are_merged(supplied: Honest, executed: Honest) -> None:
    for honest in (supplied, executed):
        for method, partials in honest.partials.items():
            assert not honest.merged(method, partials).failed, method


_LIES: dict[str, Change] = {
    "another type": lambda a: a.astype(np.complex128),
    "a column": lambda a: a[..., None],
    "a row": lambda a: a[None],
    "longer": lambda a: np.concatenate([a, a], axis=-1) if a.ndim else a,
    "shorter": lambda a: a[..., :-1],
    "empty": lambda a: a[..., :0],
    "huge": lambda a: np.full_like(a, np.iinfo(a.dtype).max if a.dtype.kind in "iu" else 1e308),
    "far below": lambda a: np.full_like(a, np.iinfo(a.dtype).min if a.dtype.kind in "iu" else -1e308),
    "one below": lambda a: np.full_like(a, -1) if a.dtype.kind in "if" else a,
    "no number": lambda a: np.full_like(a, math.nan) if a.dtype.kind == "f" else a,
    "infinite": lambda a: np.full_like(a, math.inf) if a.dtype.kind == "f" else a,
    "text": lambda a: np.full(a.shape, "=1+1"),
}
_SAID: tuple[Any, ...] = (
    *(None, -1, 10**300, 1e308, "x" * 10_000, [], {}, [[1.0]] * 1_000, {"a": {"b": []}}),
    *(True, "<script>", [["f", "AUC", 2, 0]]),
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_partials_say_a_merge_ends_and_breaks_nothing(
    supplied: Honest, executed: Honest, data: st.DataObject
) -> None:
    honest = data.draw(st.sampled_from([supplied, executed]))
    method = data.draw(st.sampled_from(sorted(honest.partials)))
    partials = copy.deepcopy(honest.partials[method])
    chosen = data.draw(st.sampled_from(partials))
    what = data.draw(st.sampled_from(["array", "array", "array", "missing", "foreign", "data", "dropped"]))
    if what == "dropped":
        partials.remove(chosen)
    elif what == "foreign":
        chosen.arrays["foreign"] = np.zeros(3)
    elif what == "data":
        key = data.draw(st.sampled_from([*chosen.data, "foreign"]))
        chosen.data[key] = data.draw(st.sampled_from(_SAID))
    elif chosen.arrays:
        name = data.draw(st.sampled_from(sorted(chosen.arrays)))
        if what == "missing":
            del chosen.arrays[name]
        else:
            chosen.arrays[name] = _LIES[data.draw(st.sampled_from(sorted(_LIES)))](chosen.arrays[name])
    began = time.process_time()
    tracemalloc.start()
    try:
        outcome = honest.merged(method, partials)
        assert tracemalloc.get_traced_memory()[1] < _MOST_MEMORY
    finally:
        tracemalloc.stop()
    assert time.process_time() - began < _MOST_SECONDS
    assert bool(outcome.failed) != bool(outcome.measures)
    for failed in outcome.failed:
        assert "\n" not in failed.reason
        assert failed.reason.endswith(".")


def _with(partials: list[Partial], place: int, **arrays: np.ndarray) -> list[Partial]:
    found = copy.deepcopy(partials)
    found[place].arrays.update(arrays)
    return found


def test_counts_whose_sum_wraps_around_do_not_reach_memory(supplied: Honest) -> None:
    """np.repeat adds counts up without looking: four whose sum wraps around were written beyond its end."""
    partials = supplied.partials["performance.classification"]
    own = partials[0].arrays["count"]
    counts = own.copy()
    counts[:4] += 2**62
    assert counts.sum() == own.sum()
    outcome = supplied.merged("performance.classification", _with(partials, 0, count=counts))
    assert "cannot be" in outcome.failed[0].reason


def test_counts_of_other_rows_than_there_are_are_no_result(supplied: Honest) -> None:
    partials = supplied.partials["fairness.group_rates"]
    doubled = partials[0].arrays["counts"] * 2
    outcome = supplied.merged("fairness.group_rates", _with(partials, 0, counts=doubled))
    assert '"counts" counts 400 of 200 rows' in outcome.failed[0].reason


def test_rows_that_broadcast_do_not_fill_the_memory(executed: Honest) -> None:
    """(n, 1) against (n,) makes n times n."""
    partials = executed.partials["explainability.shapley"]
    column = partials[0].arrays["explained"][:, None]
    outcome = executed.merged("explainability.shapley", _with(partials, 0, explained=column))
    assert '"explained" is float64 (20, 1), not floats (rows)' in outcome.failed[0].reason


def test_rows_beyond_the_data_plan_no_shards(executed: Honest) -> None:
    """The second stage of a membership attack is planned from the rows that the first one names."""
    method = "privacy.membership_loss"
    drawn = next(p for p in executed.partials[method] if p.stage == 0)
    many = {name: np.zeros(3_000_000, dtype=array.dtype) for name, array in drawn.arrays.items()}
    lying = [Partial(method, 0, 0, drawn.data, many)]
    assert stage_shards(executed.plan, executed.profile, 1, {method: lying}) == []
    assert "there are at most" in executed.merged(method, lying).failed[0].reason
    with pytest.raises(ChildFailed, match="breaks its contract"):
        execute(
            METHODS.get(method),
            executed.profile,
            make_params(METHODS.get(method), {"rows": 2_000}),
            lambda shard: lying,
        )
