"""A swapped model is noticed whatever its unit; rounding and noise are none; what was noticed stays so."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.endpoints.asker import Asker, joined
from assay.endpoints.canary import answers_digest, distance
from tests.endpoint_server import EndpointServer, served
from tests.endpoints.asked import NUMBERS, asker, request

ROWS = np.random.default_rng(0).normal(size=(8, 2))
SCORES = NUMBERS.model_copy(update={"task": "regression", "output": "score", "classes": ()})
LABELS = NUMBERS.model_copy(update={"output": "label"})


def _watched(server: EndpointServer, signature: Any = NUMBERS, **more: Any) -> Asker:
    found = asker(request(server, signature, **more.pop("limits", {})), **more)
    found.answer({"what": "describe"}, {})
    found.answer({"what": "canary"}, {"rows": ROWS})
    return found


def _scores(server: EndpointServer, scale: float, shift: float = 0.0, noise: float = 0.0) -> None:
    rng = np.random.default_rng(1)

    def outputs(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        both = np.array(found[0]["data"]).reshape(-1, 2)
        values = (shift + scale * both[:, 1]) * (1 + noise * rng.normal(size=len(both)))
        return [{"name": "value", "datatype": "FP64", "shape": [len(both)], "data": values.tolist()}]

    server.outputs = outputs


def _labels(server: EndpointServer, flips: list[bool]) -> None:
    """Steady labels, but for the first row in some of the askings."""
    turns = itertools.chain(flips, itertools.repeat(False))

    def outputs(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        codes = [0] * (len(found[0]["data"]) // 2)
        codes[0] = int(next(turns))
        return [{"name": "label", "datatype": "INT64", "shape": [len(codes)], "data": codes}]

    server.outputs = outputs


def _canary(found: Asker) -> Any:
    canary = found.finish().canary
    assert canary is not None
    return canary


@pytest.mark.parametrize(("scale", "shift"), [(1e-3, 0.0), (1.0, 0.0), (2e5, 1e5), (1.0, 200.0)])
def test_a_regression_whose_direction_turns_is_noticed_in_every_unit(scale: float, shift: float) -> None:
    with served() as server:
        _scores(server, scale, shift)
        found = _watched(server, SCORES)
        server.weights = -server.weights
        canary = _canary(found)
    assert canary.changed
    assert canary.first != canary.last
    assert "of their spread apart): the model was swapped" in canary.sentence


@pytest.mark.parametrize(("scale", "shift"), [(1e-3, 0.0), (5e4, 2e5), (1.0, 2e5)])
def test_arithmetic_of_32_bits_is_no_swap_in_any_unit(scale: float, shift: float) -> None:
    with served() as server:
        _scores(server, scale, shift)
        found = _watched(server, SCORES)
        _scores(server, scale, shift, noise=1e-7)
        assert not _canary(found).changed


def test_digests_seldom_hang_on_rounding() -> None:
    rng = np.random.default_rng(2)
    differ = 0
    for _ in range(200):
        scores = rng.normal(2e5, 5e4, (8, 1))
        differ += answers_digest(scores) != answers_digest(scores * (1 + rng.normal(0, 1e-7, (8, 1))))
    assert differ <= 6
    assert answers_digest(np.full((2, 1), 3e38)) != answers_digest(np.full((2, 1), -3e38))
    assert answers_digest(np.full((2, 1), 1e-300)) != answers_digest(np.full((2, 1), -1e-300))
    assert distance(np.zeros((2, 1)), np.zeros((2, 1)), labels=False) == 0


@pytest.mark.parametrize(
    ("flips", "changed"),
    [
        ([False, False, True, False], False),
        ([False, False, True, True, False], False),
        ([False, False, True, True, True], True),
        ([False, True, True, True, True], False),
    ],
)
def test_answers_that_moved_are_asked_again_before_they_are_a_swap(flips: list[bool], changed: bool) -> None:
    with served() as server:
        _labels(server, flips)
        assert _canary(_watched(server, LABELS)).changed is changed


def test_a_first_reading_is_compared_with_patience_too(tmp_path: Path) -> None:
    with served() as server:
        _labels(server, [False, False])
        first = _watched(server, LABELS, kept=tmp_path / "kept.npz")
        first.save()
        for flips, changed in (([True, True, False], False), ([True, True, True, True], True)):
            _labels(server, flips)
            canary = _canary(_watched(server, LABELS, kept=tmp_path / "kept.npz"))
            assert canary.changed is changed
            assert ("another model answers under the same name" in canary.sentence) is changed


def test_a_swap_that_was_noticed_is_told_though_the_model_came_back() -> None:
    with served() as server:
        found = _watched(server)
        assert not _canary(found).changed
        server.weights = -server.weights
        assert _canary(found).changed
        server.weights = -server.weights
        last = _canary(found)
        assert last.changed
        assert "swapped during the audit" in last.sentence
        found.start_anew(None)
        assert not _canary(found).changed  # another run, with another model's answers in none of it


def test_another_name_in_another_session_is_told() -> None:
    with served() as server:
        records = [_watched(server).finish()]
        server.called = "tiny-2"
        records.append(_watched(server).finish())
    both = joined(records)
    assert both is not None
    assert both.canary is not None
    assert both.canary.changed
    assert both.canary.sentence.endswith("by several names: tiny version tiny-1, tiny version tiny-2.")


def test_a_limit_that_is_met_while_asking_again_hides_no_swap() -> None:
    with served() as server:
        found = _watched(server, limits={"most_requests": 4})
        server.weights = -server.weights
        assert _canary(found).changed
        assert len(server.seen) == 4
