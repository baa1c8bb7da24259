"""Integrated gradients have closed forms; their checks know good attributions from worthless ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from assay.contracts import InputColumn
from assay.datasets.subject import Subject
from assay.errors import BadInput, BadParams
from assay.evidence import digest
from assay.execution import run_method
from assay.methods.explainability.differentiable import DifferentiableRow
from assay.methods.explainability.gradient_path import GradientPath
from assay.methods.explainability.integrated_gradients import METHOD
from assay.planning import make_plan
from assay.registry import METHODS
from tests.models.made import linear_folder, model_subject, number, regression_folder, relu_folder
from tests.models.trained_images import barred_images, npz_subject, trained_cnn, watermarked_images

FEW = {"rows": 12, "perturbations": 32, "moves": 4, "randomised": 3}


def measured(result: Any) -> dict[str, Any]:
    return {m.id.rpartition(".")[2]: m for m in result.measures if not m.at}


def means(result: Any) -> dict[str, Any]:
    return {m.at["feature"]: m for m in result.measures if "feature" in m.at}


class Formula(torch.nn.Module):
    """A function of rows as a network with one output."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self._function = function

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self._function(rows)[:, None]
        return found


def path_of(folder: Path, function: Any, point: list[float], baseline: list[float]) -> GradientPath:
    """The path to `point` of a model that computes `function`."""
    columns = [number(f"x{place}") for place in range(len(point))]
    rows = {column.name: [0.0, 1.0] for column in columns}
    model = regression_folder(folder / "formula", columns, [1.0] * len(point))
    subject = model_subject(folder, model, {**rows, "y": [0.0, 1.0]}, label="y", task="regression")
    loaded: Any = subject.model
    loaded.module = Formula(function)
    row = DifferentiableRow(
        encoded=torch.tensor([point]),
        baseline=torch.tensor([baseline]),
        owner=torch.arange(len(point)),
        features=len(point),
        removable=np.arange(len(point)),
        forward=loaded.logits,
    )
    return GradientPath(loaded, row, 0, lambda: None)


def test_the_published_example_of_a_gated_network(tmp_path: Path) -> None:
    """f = ReLU(ReLU(x1) - 1 - ReLU(x2)) at (3, 1) has integrated gradients (1.5, -0.5)."""
    model = relu_folder(
        tmp_path / "m",
        [number("x1"), number("x2")],
        [[[1.0, 0.0], [0.0, 1.0]], [[1.0, -1.0]]],
        [1.0],
        biases=[[0.0, 0.0], [-1.0]],
    )
    columns = {"x1": [3.0, -3.0] * 6, "x2": [1.0, -1.0] * 6, "y": [1.0, 0.0] * 6}
    subject = model_subject(tmp_path, model, columns, label="y", task="regression")
    result = run_method(METHOD, subject, FEW)
    # the other half of the rows ends where the network is shut: all 0
    assert means(result)["x1"].value == pytest.approx(1.5 / 2, rel=1e-6)
    assert means(result)["x2"].value == pytest.approx(0.5 / 2, rel=1e-6)


def test_the_published_example_of_a_saturated_gate(tmp_path: Path) -> None:
    """f = 1 - ReLU(1 - x) at 2 has gradient 0, and integrated gradient 1 from the baseline 0."""
    path = path_of(tmp_path, lambda rows: 1 - torch.relu(1 - rows[:, 0]), [2.0], [0.0])
    assert path.integrate(32, 32, 0.01).values == pytest.approx([1.0], abs=1e-6)


def test_a_product_is_shared_by_its_factors(tmp_path: Path) -> None:
    """From baseline b, phi_1 of x1 x2 is (x1 - b1) (x2 + b2) / 2."""
    path = path_of(tmp_path, lambda rows: rows[:, 0] * rows[:, 1], [3.0, 5.0], [1.0, -1.0])
    found = path.integrate(4, 4, 0.01)
    np.testing.assert_allclose(found.values, [(3 - 1) * (5 - 1) / 2, (5 + 1) * (3 + 1) / 2], rtol=1e-6)
    assert found.change == pytest.approx(15 + 1)
    assert found.gap < 1e-6


def test_infidelity_of_a_product_is_one_ninth(tmp_path: Path) -> None:
    """With baseline 0, phi = (c, c) / 2: E[d^2] = 3c^2/4, best factor 4/3, missed c^2/12."""
    path = path_of(tmp_path, lambda rows: rows[:, 0] * rows[:, 1], [2.0, 3.0], [0.0, 0.0])
    found = path.integrate(4, 4, 0.01)
    share = path.infidelity(found, np.arange(2), 40_000, np.random.default_rng(1))
    assert share == pytest.approx(1 / 9, abs=0.005)


def test_max_sensitivity_of_a_square_has_a_closed_form(tmp_path: Path) -> None:
    """phi = x^2 of f = x^2: a move of r changes it by at most (2 x r + r^2) / x^2.

    A plain tensor from the explanation would make captum compare the wrong numbers, without an error here.
    """
    path = path_of(tmp_path, lambda rows: rows[:, 0] ** 2, [2.0], [0.0])
    found = path.integrate(8, 8, 0.01)
    value = path.sensitivity(found, torch.ones(1), 0.1, 400, 8, np.random.default_rng(2))
    assert 0.95 * 0.1025 < value <= 0.1025


def standard_rows(rows: int = 60) -> dict[str, list[Any]]:
    rng = np.random.default_rng(3)
    drawn = rng.normal([4.0, -1.0, 0.0, 0.0], [2.0, 0.5, 1.0, 1.0], size=(rows, 4)).round(6)
    columns: dict[str, list[Any]] = {f"x{place}": drawn[:, place].tolist() for place in range(4)}
    columns["city"] = rng.choice(["oslo", "rome", "bern"], rows, p=[0.6, 0.3, 0.1]).tolist()
    columns["l"] = ["yes" if value > 4 else "no" for value in columns["x0"]]
    return columns


CITY = InputColumn(name="city", kind="category", encoding="one_hot", categories=("bern", "oslo", "rome"))


def linear_subject(folder: Path) -> Subject:
    """Log-odds 2 x0 / 2 - 3 x1 / 1 + 0 x2 + 0 x3 + (bern 1, oslo -1, rome 4)."""
    columns = [number("x0", mean=1.0, scale=2.0), number("x1"), number("x2"), number("x3"), CITY]
    model = linear_folder(folder / "m", columns, [2.0, -3.0, 0.0, 0.0, 1.0, -1.0, 4.0])
    return model_subject(folder, model, standard_rows(), label="l")


def test_a_linear_models_attributions_are_weights_times_distances_from_the_baseline(tmp_path: Path) -> None:
    result = run_method(METHOD, linear_subject(tmp_path), {**FEW, "rows": 60})
    rows, found = standard_rows(), means(result)
    x0, x1 = np.array(rows["x0"]), np.array(rows["x1"])
    assert found["x0"].value == pytest.approx(np.abs(x0 - x0.mean()).mean(), rel=1e-5)
    assert found["x1"].value == pytest.approx(3 * np.abs(x1 - x1.mean()).mean(), rel=1e-5)
    assert found["x2"].value == 0
    # the most frequent city is the baseline: oslo -> 0, rome 4 + 1, bern 1 + 1
    cities = np.select([np.array(rows["city"]) == name for name in ("rome", "bern")], [5.0, 2.0], 0.0)
    assert found["city"].value == pytest.approx(cities.mean(), rel=1e-5)
    assert {m.unit for m in found.values()} == {"log-odds"}


def test_a_linear_model_is_explained_faithfully_and_raises_no_alarm(tmp_path: Path) -> None:
    found = measured(run_method(METHOD, linear_subject(tmp_path), {**FEW, "rows": 40}))
    assert found["completeness_gap"].high < 1e-4
    assert found["infidelity"].value < 1e-6
    assert found["deletion_gain"].low > 0.02
    assert found["insertion_gain"].low > 0
    assert found["max_sensitivity"].high < 0.3


def test_a_model_that_leans_on_a_leaked_column_is_found(tmp_path: Path) -> None:
    columns = [number(f"x{place}") for place in range(4)]
    model = linear_folder(tmp_path / "m", columns, [0.2, -0.3, 0.1, 8.0])
    found = means(run_method(METHOD, model_subject(tmp_path, model, standard_rows(), label="l"), FEW))
    assert found["x3"].low > 5 * max(found[name].high for name in ("x0", "x1", "x2"))


def test_an_interaction_that_attributions_cannot_show_is_found_unfaithful(tmp_path: Path) -> None:
    """f = ReLU(x0 + x1 - 6) - ReLU(x0 - x1 - 6) ...: removals do not add up, though completeness holds."""
    layer = [[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]]
    model = relu_folder(tmp_path / "m", [number("x2"), number("x3")], [layer], [1.0, 1.0, -1.0, -1.0])
    columns = {**standard_rows(), "y": standard_rows()["x2"]}
    subject = model_subject(tmp_path, model, columns, label="y", task="regression")
    found = measured(run_method(METHOD, subject, {**FEW, "rows": 40}))
    assert found["completeness_gap"].high < 0.05
    assert found["infidelity"].low > 0.05


def test_attributions_that_ignore_what_was_learnt_are_found(tmp_path: Path) -> None:
    """Rows that differ from the baseline in a falling order of size: any network gives that order."""
    width = 40
    columns = [number(f"x{place}", scale=1.0) for place in range(width)]
    sizes = [1.6**-place for place in range(width)]
    drawn = {name.name: [sizes[i], -sizes[i]] * 8 for i, name in enumerate(columns)}
    model = linear_folder(tmp_path / "m", columns, [1.0] * width)
    found = measured(
        run_method(METHOD, model_subject(tmp_path, model, {**drawn, "l": ["yes", "no"] * 8}, label="l"), FEW)
    )
    assert found["randomisation_correlation"].low > 0.8
    learnt = measured(run_method(METHOD, linear_subject(tmp_path), {**FEW, "randomised": 8}))
    assert learnt["randomisation_correlation"].high < 0.8


def image_shares(folder: Path, draw: Any) -> Any:
    folder.mkdir()
    model = trained_cnn(folder / "m", *draw(640, 1), pooled=False)
    return run_method(METHOD, npz_subject(folder, model, *draw(40, 2)), FEW | {"rows": 20})


def test_a_watermark_is_found_where_grad_cam_misses_it(tmp_path: Path) -> None:
    clean, leaking = (
        image_shares(tmp_path / name, draw)
        for name, draw in (("clean", barred_images), ("leaking", watermarked_images))
    )
    assert measured(leaking)["border_share"].low > 2 * measured(clean)["border_share"].high
    assert measured(leaking)["deletion_gain"].low > 0
    assert measured(clean)["completeness_gap"].high < 0.02
    cells = {c.name: np.array(c.values) for s in leaking.series if s.id.endswith(".map") for c in s.columns}
    brightest = int(np.argmax(cells["share"]))
    assert cells["row"][brightest] in (0, 13)


def test_steps_are_doubled_until_the_parts_add_up(tmp_path: Path) -> None:
    def kinked(rows: torch.Tensor) -> torch.Tensor:
        return torch.relu(rows[:, 0] - 0.3) + torch.relu(rows[:, 1] - 0.77)

    path = path_of(tmp_path, kinked, [1.0, 1.0], [0.0, 0.0])
    few, enough = path.integrate(4, 4, 0.001), path.integrate(4, 4_096, 0.001)
    assert few.gap > 0.02
    assert enough.gap <= 0.001
    assert enough.steps > 64
    np.testing.assert_allclose(enough.values, [0.7, 0.23], atol=0.01)


def test_no_step_of_the_integral_exceeds_the_batch(tmp_path: Path) -> None:
    """Without `internal_batch_size` captum evaluates all steps of all rows at once."""
    subject = linear_subject(tmp_path)
    subject.model.batch_rows = 7
    seen: list[int] = []
    loaded: Any = subject.model
    loaded.module.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    run_method(METHOD, subject, FEW)
    assert max(seen) == 7


def test_too_little_memory_for_a_batch_halves_it(tmp_path: Path) -> None:
    subject = linear_subject(tmp_path)
    loaded: Any = subject.model

    def fits(_: Any, inputs: Any) -> None:
        if len(inputs[0]) > 10:
            raise RuntimeError("CUDA out of memory")

    whole = run_method(METHOD, subject, FEW)
    loaded.module.register_forward_pre_hook(fits)
    halved = run_method(METHOD, subject, FEW)
    assert subject.model.batch_rows <= 10
    assert "batches were cut" in subject.model.notes[0]
    assert means(halved)["x0"].value == pytest.approx(means(whole)["x0"].value, rel=1e-5)


def test_another_sharding_and_the_same_seed_give_the_same_result(tmp_path: Path) -> None:
    subject = linear_subject(tmp_path)
    whole = run_method(METHOD, subject, FEW, seed=3)
    assert digest(whole) == digest(run_method(METHOD, subject, FEW, seed=3, shard_rows=5))
    assert digest(whole) != digest(run_method(METHOD, subject, FEW, seed=4))


def test_explaining_leaves_the_model_and_torchs_generator_as_they_were(tmp_path: Path) -> None:
    subject = linear_subject(tmp_path)
    loaded: Any = subject.model
    weights = {name: tensor.clone() for name, tensor in loaded.module.state_dict().items()}
    state = torch.random.get_rng_state()
    run_method(METHOD, subject, FEW)
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(weights[name], tensor) for name, tensor in loaded.module.state_dict().items())
    assert torch.backends.cudnn.allow_tf32


def test_a_model_without_gradients_is_told_so(tmp_path: Path) -> None:
    profile = linear_subject(tmp_path).profile
    trees = profile.model_copy(
        update={"capabilities": tuple(c for c in profile.capabilities if c not in ("gradients", "layers"))}
    )
    methods = [METHODS.get(name) for name in METHODS]
    plan = make_plan(
        trees, methods, chosen=None, params={}, policy=None, policy_sha256=None, tier="quick", seed=0
    )
    skipped = {n.method: n.reason for n in plan.not_tested}
    assert "a model that gives gradients" in skipped["explainability.integrated_gradients"]
    with pytest.raises(BadInput, match=r"integrated_gradients was asked for but cannot run.*gives gradients"):
        make_plan(
            trees,
            methods,
            chosen=["explainability.integrated_gradients"],
            params={},
            policy=None,
            policy_sha256=None,
            tier="quick",
            seed=0,
        )


@pytest.mark.parametrize("params", [{"rows": 5}, {"steps": 2}, {"tolerance": 0.0}, {"randomised": 2}])
def test_bad_params_are_refused(tmp_path: Path, params: dict[str, Any]) -> None:
    with pytest.raises(BadParams):
        run_method(METHOD, linear_subject(tmp_path), params)
