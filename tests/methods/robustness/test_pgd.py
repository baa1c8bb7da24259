"""Gradient attacks on tables and images, against closed forms of linear models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.contracts import ImageInput, ModelSignature
from assay.errors import BadParams
from assay.evidence import measure_key
from assay.execution import InlineContext
from assay.models.architectures import build
from assay.models.torch_folder import write_torch_folder
from assay.planning import make_params
from assay.registry import METHODS
from tests.methods.robustness.measured import measured, one
from tests.models.images import image_subject
from tests.models.made import linear_folder, model_subject, number

BUDGETS = (0.05, 0.1, 0.25, 0.5)
WEIGHTS = np.array([1.5, -0.8, 2.0, 0.6])
MEAN, SCALE, BIAS = np.array([1.0, 0.0, 0.0, 40.0]), np.array([2.0, 1.0, 0.5, 10.0]), -0.3


def rows_of_numbers(rows: int = 400, seed: int = 1) -> dict[str, Any]:
    """Two free numbers, one that must not move, one whole number; labels agree with the model mostly."""
    rng = np.random.default_rng(seed)
    x = np.stack(
        [
            rng.normal(1, 2, rows),
            rng.normal(0, 1, rows),
            rng.normal(0, 0.5, rows),
            rng.integers(18, 80, rows),
        ],
        axis=1,
    ).round(4)
    odds = ((x - MEAN) / SCALE) @ WEIGHTS + BIAS
    label = np.where(odds + rng.logistic(size=rows) > 0, "yes", "no")
    return {**{f"x{i + 1}": x[:, i].tolist() for i in range(4)}, "label": label.tolist()}


def linear_model(folder: Path, **last: Any) -> Path:
    wide = {"minimum": -1_000.0, "maximum": 1_000.0}
    columns = [
        number(
            f"x{i + 1}",
            mean=MEAN[i],
            scale=SCALE[i],
            **(wide if i < 3 else {"integer": True, **wide, **last}),
        )
        for i in range(4)
    ]
    return linear_folder(folder, columns, WEIGHTS.tolist(), bias=BIAS)


def standing(columns: dict[str, Any], eps: float, reach: np.ndarray | None = None) -> int:
    """Rows that no move within the budget can flip: margin > sum of |slope| * reach."""
    x = np.stack([columns[f"x{i + 1}"] for i in range(4)], axis=1).astype(float)
    slope = WEIGHTS / SCALE
    odds = ((x - MEAN) / SCALE) @ WEIGHTS + BIAS
    if reach is None:
        reach = eps * x.std(axis=0)
        reach[3] = np.floor(reach[3])  # whole numbers move by whole steps
        reach[2] = 0.0  # immutable
    worst = np.abs(slope) @ np.broadcast_to(reach, x.shape).T
    yes = np.array(columns["label"]) == "yes"
    return int(np.sum(np.where(yes, odds - worst >= 0, odds + worst < 0)))


def test_a_linear_model_stands_exactly_where_its_margin_exceeds_the_budget(tmp_path: Path) -> None:
    columns = rows_of_numbers()
    subject = model_subject(tmp_path, linear_model(tmp_path / "m"), columns, label="label")
    result = measured("robustness.pgd", subject, table_eps=BUDGETS, immutable=("x3",))
    for eps in BUDGETS:
        found = one(result, "robust_accuracy", eps=eps)
        assert found.numerator == standing(columns, eps)
        assert (found.denominator, found.interval_method) == (400, "clopper-pearson")
    right = one(result, "clean_accuracy").numerator
    assert right == standing(columns, 0.0)
    success = one(result, "attack_success_rate", eps=0.25)
    assert right is not None
    assert (success.numerator, success.denominator) == (right - standing(columns, 0.25), right)
    assert one(result, "gradient_masking_alarms").value == 0


def test_no_attack_leaves_the_range_of_training(tmp_path: Path) -> None:
    columns, training = rows_of_numbers(), rows_of_numbers(1_000, 2)
    model = linear_folder(
        tmp_path / "m",
        [number(f"x{i + 1}", mean=MEAN[i], scale=SCALE[i]) for i in range(4)],
        WEIGHTS.tolist(),
        bias=BIAS,
    )
    subject = model_subject(tmp_path, model, columns, training=training, label="label")
    result = measured("robustness.pgd", subject, table_eps=(0.5, 4.0))
    x = np.stack([columns[f"x{i + 1}"] for i in range(4)], axis=1).astype(float)
    seen = np.stack([training[f"x{i + 1}"] for i in range(4)], axis=1).astype(float)
    towards = np.where(np.array(columns["label"]) == "yes", -1, 1)[:, None] * np.sign(WEIGHTS)
    for eps in (0.5, 4.0):
        low = np.maximum(x - eps * seen.std(axis=0), np.minimum(seen.min(axis=0), x))
        high = np.minimum(x + eps * seen.std(axis=0), np.maximum(seen.max(axis=0), x))
        low[:, 3], high[:, 3] = np.ceil(low[:, 3]), np.floor(high[:, 3])
        reach = np.where(towards > 0, high - x, x - low)
        assert one(result, "robust_accuracy", eps=eps).numerator == standing(columns, eps, reach)
    assert "of the training rows" in " ".join(result.notes)


def test_a_linear_model_on_images_stands_exactly_where_its_margin_exceeds_the_budget(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    pixels = rng.integers(0, 256, (300, 2, 3, 3)).astype(np.uint8)
    weights, mean, scale = rng.normal(size=18), (0.4, 0.6), (0.25, 0.5)
    config = {"inputs": 18, "hidden": (), "outputs": 2}
    import torch

    network = build("mlp", config)
    with torch.no_grad():
        network.get_submodule("head").weight.copy_(torch.tensor(np.stack([0 * weights, weights])))
        network.get_submodule("head").bias.zero_()
    image = ImageInput(channels=2, height=3, width=3, mean=mean, scale=scale)
    signature = ModelSignature(task="binary", output="logit", classes=("no", "yes"), image=image)
    model = write_torch_folder(tmp_path / "m", network, "mlp", config, signature)
    slope = weights.reshape(2, 3, 3) / np.array(scale)[:, None, None]
    x = pixels / 255
    odds = ((x - np.array(mean)[:, None, None]) * slope).sum(axis=(1, 2, 3))
    yes = odds + rng.logistic(size=300) > 0
    subject = image_subject(tmp_path, model, pixels, ["yes" if one else "no" for one in yes])
    budgets = (2 / 255, 0.05, 0.3)
    result = measured("robustness.pgd", subject, image_eps=budgets)
    towards = np.where(yes, -1, 1)[:, None, None, None] * np.sign(slope)
    for eps in budgets:
        reach = np.minimum(eps, np.where(towards > 0, 1 - x, x))
        worst = (np.abs(slope) * reach).sum(axis=(1, 2, 3))
        stand = np.where(yes, odds - worst >= 0, odds + worst < 0)
        found = one(result, "robust_accuracy", **{"eps": float(f"{eps:.6g}"), "in": "pixel range"})
        assert found.numerator == stand.sum()


def test_sensitive_columns_that_the_model_reads_do_not_move_by_default(tmp_path: Path) -> None:
    columns = rows_of_numbers()
    subject = model_subject(
        tmp_path,
        linear_model(tmp_path / "m"),
        columns,
        label="label",
        sensitive=("x3",),
        bins={"x3": (0.0, 0.5)},
    )
    result = measured("robustness.pgd", subject, table_eps=(0.5,))
    assert one(result, "robust_accuracy", eps=0.5).numerator == standing(columns, 0.5)
    assert any("Immutable: x3" in note for note in result.notes)


def test_a_success_that_rounding_undoes_is_none(tmp_path: Path) -> None:
    """The decision hangs on a whole number that lies .4 from the threshold; half a step is no step."""
    columns = {"x": [2, 2, 3, 3] * 10, "label": ["no", "no", "yes", "yes"] * 10}
    model = linear_folder(tmp_path / "m", [number("x", mean=2.4, integer=True)], [1.0])
    subject = model_subject(tmp_path, model, columns, label="label")
    result = measured("robustness.pgd", subject, table_eps=(1.9, 2.0))  # a standard deviation is .5
    assert one(result, "robust_accuracy", eps=1.9).value == 1.0
    assert one(result, "robust_accuracy", eps=2.0).value == 0.0


def test_a_missing_value_does_not_move(tmp_path: Path) -> None:
    columns = rows_of_numbers(100)
    columns["x1"] = [None] * 50 + columns["x1"][50:]
    subject = model_subject(tmp_path, linear_model(tmp_path / "m"), columns, label="label")
    result = measured("robustness.pgd", subject, table_eps=(0.5,), immutable=("x2", "x3", "x4"))
    half = {**columns, "x1": [1.0] * 50 + columns["x1"][50:]}
    spread = float(np.std(columns["x1"][50:]))
    reach = np.zeros((100, 4))
    reach[50:, 0] = 0.5 * spread
    assert one(result, "robust_accuracy", eps=0.5).numerator == standing(half, 0.5, reach)


def test_the_median_budget_is_exact_or_says_that_it_lies_beyond_the_grid(tmp_path: Path) -> None:
    x = np.linspace(-1, 1, 200).round(6)
    columns = {"x": x.tolist(), "label": np.where(x >= 0, "yes", "no").tolist()}
    model = linear_folder(tmp_path / "m", [number("x", minimum=-9, maximum=9)], [1.0])
    subject = model_subject(tmp_path, model, columns, label="label")
    # the median distance is .5, which is .5 / .5803 = .866 standard deviations
    result = measured("robustness.pgd", subject, table_eps=(0.5, 0.8, 0.9, 1.2))
    median = one(result, "median_flip_eps")
    assert (median.value, median.n) == (0.9, 200)
    assert median.note == "on the grid of budgets in standard deviations: above 0.8 and at most 0.9"
    assert (median.low, median.high) == (0.8, 1.2)
    short = one(measured("robustness.pgd", subject, table_eps=(0.5, 0.8)), "median_flip_eps")
    assert (short.status, short.value) == ("insufficient", None)
    assert short.note == "more than half of 200 rows stand at the largest budget, 0.8 standard deviations"


def test_another_sharding_gives_the_same_result(tmp_path: Path) -> None:
    columns = rows_of_numbers(200)
    subject = model_subject(tmp_path, linear_model(tmp_path / "m"), columns, label="label")
    whole = measured("robustness.pgd", subject, rows=150, seed=5)
    assert measured("robustness.pgd", subject, rows=150, seed=5, shard_rows=40) == whole
    assert measured("robustness.pgd", subject, rows=150, seed=5) == whole
    assert measured("robustness.pgd", subject, rows=150, seed=6).measures != whole.measures


def test_outcomes_of_rows_add_up_to_the_measures(tmp_path: Path) -> None:
    subject = model_subject(tmp_path, linear_model(tmp_path / "m"), rows_of_numbers(300), label="label")
    method: Any = METHODS.get("robustness.pgd")
    params = make_params(method, {"rows": 120})
    (shard,) = method.plan(subject.profile, params, 0, ())
    partial = method.run(shard, subject, params, InlineContext(method.spec.id, 0))
    results = method.row_results([partial], subject.profile, params)
    judged = [
        m
        for m in measured("robustness.pgd", subject, rows=120).measures
        if m.id in ("robustness.robust_accuracy", "robustness.clean_accuracy")
    ]
    assert set(results) == {measure_key(m) for m in judged}
    for measure in judged:
        rows = results[measure_key(measure)]
        assert (rows.shape, rows.dtype) == ((300,), np.int8)
        assert ((rows == 1).sum(), (rows == 0).sum()) == (measure.numerator, 120 - (measure.numerator or 0))


def test_a_model_without_a_number_to_move_is_said_to_have_none(tmp_path: Path) -> None:
    subject = model_subject(tmp_path, linear_model(tmp_path / "m"), rows_of_numbers(50), label="label")
    result = measured("robustness.pgd", subject, immutable=("x1", "x2", "x3", "x4"))
    assert {m.status for m in result.measures} == {"not_applicable"}
    assert {m.note for m in result.measures} == {"the model reads no number that may be moved"}


def test_wrong_parameters_are_refused_in_a_sentence(tmp_path: Path) -> None:
    subject = model_subject(tmp_path, linear_model(tmp_path / "m"), rows_of_numbers(50), label="label")
    method = METHODS.get("robustness.pgd")
    with pytest.raises(BadParams, match=r'reads no column "income_"\.'):
        method.estimate(subject.profile, make_params(method, {"immutable": ("income_",)}))
    with pytest.raises(BadParams, match="budgets must rise"):
        make_params(method, {"table_eps": (0.2, 0.1)})
    with pytest.raises(BadParams, match="no budget exceeds 1"):
        make_params(method, {"image_eps": (0.1, 8.0)})
