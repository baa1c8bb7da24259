"""Membership inference by loss, on models with a closed form and on one that learnt its rows by heart."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from assay.contracts import InputColumn, Measure, MethodResult, ModelSignature
from assay.datasets.subject import Subject
from assay.execution import run_method
from assay.methods.privacy.losses import losses_and_hits
from assay.methods.privacy.membership_loss import METHOD
from assay.models.torch_folder import write_torch_folder
from tests.models.made import linear_folder, model_subject, number, tiny_bert

COLUMNS = [number(f"x{place}") for place in range(12)]


def one(result: MethodResult, name: str, **at: Any) -> Measure:
    found = [m for m in result.measures if m.id == f"privacy.{name}" and (not at or dict(m.at) == at)]
    assert len(found) == 1, found
    return found[0]


def margins(rows: int, shift: float) -> dict[str, list[Any]]:
    """Rows whose margin y x has the quantiles of a normal distribution around `shift`."""
    margin = ndtri((np.arange(rows) + 0.5) / rows) + shift
    yes = np.arange(rows) % 2 == 0
    return {
        "x": np.where(yes, margin, -margin).tolist(),
        "group": ["a" if place % 4 < 2 else "b" for place in range(rows)],
        "label": ["yes" if one else "no" for one in yes],
    }


def margin_subject(
    folder: Path, shift: float, rows: int = 2_000, others: int | None = None, **request: Any
) -> Subject:
    model = linear_folder(folder / "m", [number("x")], [1.5])
    test = margins(others or rows, 1e-9)  # a hair's breadth off, so that no row stands in both
    return model_subject(
        folder, model, test, training=margins(rows, shift), label="label", favourable="yes", **request
    )


def test_the_loss_of_a_linear_model_with_shifted_margins_has_a_closed_form(tmp_path: Path) -> None:
    # log(1 + exp(-1.5 y x)) falls with the margin, so margins N(1, 1) against N(0, 1) give Phi(1 / sqrt 2)
    result = run_method(METHOD, margin_subject(tmp_path, 1.0, sensitive=("group",)))
    area = one(result, "membership_auc")
    assert area.value == pytest.approx(ndtr(1 / math.sqrt(2)), abs=1e-3)
    advantage = one(result, "membership_advantage")
    assert advantage.low is not None
    assert advantage.high is not None
    assert advantage.low <= 2 * ndtr(0.5) - 1 <= advantage.high
    caught = one(result, "membership_true_positive_rate", false_positive_rate=0.01)
    assert caught.value == pytest.approx(ndtr(1 + ndtri(0.01)), abs=5e-3)
    # right when the margin is positive
    assert one(result, "generalisation_gap").value == pytest.approx(ndtr(1.0) - 0.5, abs=1e-3)
    groups = [m for m in result.measures if m.id == "privacy.group_membership_auc"]
    assert [dict(m.slice) for m in groups] == [{"group": "a"}, {"group": "b"}]
    assert all(m.value == pytest.approx(ndtr(1 / math.sqrt(2)), abs=5e-3) for m in groups)
    assert {m.grade for m in result.measures} == {"executed"}


def noise(rows: int, seed: int) -> dict[str, list[Any]]:
    rng = np.random.default_rng(seed)
    columns: dict[str, list[Any]] = {c.name: rng.normal(size=rows).round(4).tolist() for c in COLUMNS}
    return {**columns, "label": rng.choice(["no", "yes"], rows).tolist()}


def overfitted(folder: Path, rows: Mapping[str, list[Any]]) -> Path:
    """A network trained on random labels until it knows every one of them."""
    import torch

    from assay.models.architectures import build

    torch.manual_seed(0)
    config = {"inputs": len(COLUMNS), "hidden": (64,), "outputs": 2}
    module = build("mlp", config)
    x = torch.tensor([rows[c.name] for c in COLUMNS], dtype=torch.float32).T
    y = torch.tensor([label == "yes" for label in rows["label"]], dtype=torch.int64)
    optimiser = torch.optim.Adam(module.parameters(), lr=0.02)
    for _ in range(300):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(module(x), y).backward()
        optimiser.step()
    assert bool((module(x).argmax(dim=1) == y).all())
    signature = ModelSignature(
        task="binary", output="logit", classes=("no", "yes"), favourable="yes", columns=tuple(COLUMNS)
    )
    return write_torch_folder(folder, module, "mlp", config, signature)


def test_a_model_that_learnt_its_rows_by_heart_is_found(tmp_path: Path) -> None:
    training = noise(200, 1)
    model = overfitted(tmp_path / "m", training)
    subject = model_subject(tmp_path, model, noise(400, 2), training=training, label="label")
    result = run_method(METHOD, subject)
    area, advantage = one(result, "membership_auc"), one(result, "membership_advantage")
    assert area.low is not None
    assert area.low > 0.6
    assert advantage.low is not None
    assert advantage.low > 0.1
    gap = one(result, "generalisation_gap")
    assert gap.low is not None
    assert gap.low > 0.3
    unresolved = one(result, "membership_true_positive_rate", false_positive_rate=0.001)
    assert unresolved.status == "insufficient"
    assert "unresolved: 200 non-members; 1,000 are needed" in (unresolved.note or "")


def test_rows_that_the_model_was_not_trained_on_are_not_called_members(tmp_path: Path) -> None:
    model = overfitted(tmp_path / "m", noise(200, 1))
    subject = model_subject(tmp_path, model, noise(400, 2), training=noise(400, 3), label="label")
    result = run_method(METHOD, subject)
    for name, nothing in (
        ("membership_auc", 0.5),
        ("membership_advantage", 0.0),
        ("generalisation_gap", 0.0),
    ):
        found = one(result, name)
        assert found.low is not None
        assert found.high is not None
        assert found.low <= nothing <= found.high, name


def test_rows_that_stand_in_both_datasets_are_left_out_and_counted(tmp_path: Path) -> None:
    model = linear_folder(tmp_path / "m", COLUMNS[:2], [1.0, 1.0])
    training, test = noise(300, 4), noise(200, 5)
    for name in training:
        test[name][:50] = training[name][:50]
    # the same features under the other label are another record
    test["label"][0] = "no" if training["label"][0] == "yes" else "yes"
    subject = model_subject(tmp_path, model, test, training=training, label="label")
    result = run_method(METHOD, subject)
    assert one(result, "shared_rows", dataset="training").value == 49
    assert one(result, "shared_rows", dataset="test").value == 49
    assert one(result, "membership_auc").n == 2 * (200 - 49)


def test_another_sharding_and_another_order_draw_the_same_rows(tmp_path: Path) -> None:
    subject = margin_subject(tmp_path, 0.7, rows=600, sensitive=("group",))
    params = {"rows": 200}
    whole = run_method(METHOD, subject, params, seed=3)
    assert run_method(METHOD, subject, params, seed=3) == whole
    pieces = run_method(METHOD, subject, params, seed=3, shard_rows=37)
    for a, b in zip(whole.measures, pieces.measures, strict=True):
        assert (a.id, a.at, a.slice, a.status) == (b.id, b.at, b.slice, b.status)
        assert a.value == pytest.approx(b.value, abs=1e-6)
    assert run_method(METHOD, subject, params, seed=4) != whole


def test_losses_stay_apart_where_probabilities_round_to_one(tmp_path: Path) -> None:
    model = linear_folder(tmp_path / "m", [number("x")], [1.0])
    columns = {"x": [0.0, 45.0, 90.0, -30.0], "label": ["no", "yes", "yes", "yes"]}
    subject = model_subject(tmp_path, model, columns, label="label")
    rows = np.arange(4)
    losses, hits = losses_and_hits(subject.model, subject.inputs("test", rows), subject.labels("test", rows))
    expected = [math.log(2), math.exp(-45), math.exp(-90), 30 + math.exp(-30)]
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    assert hits.tolist() == [False, True, True, False]


def test_a_regression_is_attacked_by_its_squared_error(tmp_path: Path) -> None:
    import torch

    from assay.models.architectures import build

    config: dict[str, Any] = {"inputs": 1, "hidden": (), "outputs": 1}
    module = build("mlp", config)
    with torch.no_grad():
        module.head.weight.fill_(2.0)
        module.head.bias.fill_(0.0)
    signature = ModelSignature(task="regression", output="score", columns=(number("x"),))
    model = write_torch_folder(tmp_path / "m", module, "mlp", config, signature)
    rng = np.random.default_rng(6)

    def rows(error: float) -> dict[str, list[float]]:
        x = rng.normal(size=500)
        return {"x": x.tolist(), "y": (2 * x + error * rng.normal(size=500)).tolist()}

    subject = model_subject(tmp_path, model, rows(1.0), training=rows(0.5), label="y")
    result = run_method(METHOD, subject)
    # |N(0, .5)| < |N(0, 1)|: the angle of a point under the line of slope 2
    expected = 2 / math.pi * math.atan(2)
    area, gap = one(result, "membership_auc"), one(result, "loss_gap")
    assert area.low is not None
    assert area.high is not None
    assert area.low <= expected <= area.high
    assert gap.low is not None
    assert gap.high is not None
    assert gap.low <= 1 - 0.25 <= gap.high
    assert not [m for m in result.measures if m.id == "privacy.generalisation_gap"]


def test_plain_scores_are_told_to_have_no_loss(tmp_path: Path) -> None:
    from assay.models.architectures import build

    config: dict[str, Any] = {"inputs": 1, "hidden": (), "outputs": 1}
    signature = ModelSignature(
        task="binary", output="score", classes=("no", "yes"), favourable="yes", columns=(_x(),)
    )
    model = write_torch_folder(tmp_path / "m", build("mlp", config), "mlp", config, signature)
    columns = {"x": [0.1, 0.2, 0.3, 0.4], "label": ["no", "yes", "no", "yes"]}
    subject = model_subject(tmp_path, model, columns, training=columns, label="label")
    found = one(run_method(METHOD, subject), "membership_auc")
    assert found.status == "not_applicable"
    assert "plain scores, not probabilities" in (found.note or "")


def test_too_few_rows_are_said_to_be_too_few(tmp_path: Path) -> None:
    found = one(run_method(METHOD, margin_subject(tmp_path, 0.5, rows=10)), "membership_auc")
    assert (found.status, found.note) == ("insufficient", "only 10 rows a side are left; 20 are needed")


def test_the_estimate_counts_both_sides(tmp_path: Path) -> None:
    profile = margin_subject(tmp_path, 0.5, rows=300, others=120).profile
    assert METHOD.estimate(profile, METHOD.Params()).evaluations == 240
    assert METHOD.estimate(profile, METHOD.Params(rows=50)).evaluations == 100


def _x() -> InputColumn:
    return number("x")


def test_texts_that_stand_in_both_datasets_are_left_out(tmp_path: Path) -> None:
    def texts(first: str, rows: int) -> dict[str, list[str]]:
        said = [" ".join([first, *(["day", "film", "very", "bad"][: place % 5])]) for place in range(rows)]
        return {"tweet": said, "label": ["good" if place % 2 else "bad" for place in range(rows)]}

    test, training = texts("good", 60), texts("a", 60)
    for name in training:
        training[name][:10] = test[name][:10]
    subject = model_subject(
        tmp_path, tiny_bert(tmp_path / "m"), test, training=training, label="label", text="tweet"
    )
    result = run_method(METHOD, subject)
    # ten different records (five texts under two labels), each of which stands six times among the test rows
    assert one(result, "shared_rows", dataset="training").value == 10
    assert one(result, "shared_rows", dataset="test").value == 60
    assert one(result, "membership_auc").status == "insufficient"
