"""The training loop: its steps, its end, and a stopped training that goes on as if it had not stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from assay.errors import BadInput, Cancelled, Diverged
from assay.models.architectures import build
from assay.remedies.checkpoint import epochs_done
from assay.remedies.params import TrainingParams
from assay.remedies.training import Rows, Trained, classification, loss_curve, train


def blobs(rows: int, seed: int, noise: float = 1.0) -> Rows:
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, rows)
    inputs = rng.normal(size=(rows, 4)) * noise + 2 * label[:, None]
    return Rows(torch.from_numpy(inputs.astype(np.float32)), torch.from_numpy(label))


def network(seed: int = 0, dropout: float = 0.0) -> torch.nn.Module:
    torch.manual_seed(seed)
    return build("mlp", {"inputs": 4, "hidden": (8,), "dropout": dropout})


def trained(module: torch.nn.Module, params: dict[str, Any], **more: Any) -> Trained:
    asked = TrainingParams.model_validate({"epochs": 6, "batch_rows": 32, **params})
    more.setdefault("training", blobs(200, 1))
    more.setdefault("tuning", blobs(100, 2))
    return train(module, params=asked, objective=classification(), seed=3, **more)


def weights(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def assert_same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    for name, tensor in a.items():
        assert torch.equal(tensor, b[name]), name


class StopAfter:
    """A listener that stops the training once an epoch is done."""

    def __init__(self, epoch: int) -> None:
        self.note = f"epoch {epoch} of 6, tuning"

    def __call__(self, _done: float, note: str) -> None:
        if note.startswith(self.note):
            raise Cancelled("stopped")


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"optimizer": "sgd", "learning_rate": 0.05},
        {"schedule": "cosine", "warmup": 0.2},
        {"patience": 1, "learning_rate": 0.05},
    ],
    ids=["adamw", "sgd", "cosine", "early stop"],
)
def test_a_stopped_training_goes_on_to_the_bit(tmp_path: Path, params: dict[str, Any]) -> None:
    straight = network(dropout=0.3)
    whole = trained(straight, params, work=tmp_path / "a" / "training", request="r")
    for stop in (1, 3):
        if stop >= len(whole.epochs):
            continue
        work = tmp_path / f"stopped-{stop}" / "training"
        with pytest.raises(Cancelled):
            trained(network(dropout=0.3), params, work=work, request="r", progress=StopAfter(stop))
        assert epochs_done(work) == (stop, 6)
        resumed = network(seed=99, dropout=0.3)
        found = trained(resumed, params, work=work, request="r")
        assert found.resumed_after == stop
        assert_same(weights(straight), weights(resumed))
        assert found.epochs == whole.epochs
        assert found.before == whole.before


def test_no_file_of_a_checkpoint_is_a_pickle(tmp_path: Path) -> None:
    trained(network(), {}, work=tmp_path / "training", request="r")
    names = sorted(path.name for path in (tmp_path / "training").iterdir())
    assert names == ["epoch-6.safetensors", "state.json"]
    assert json.loads((tmp_path / "training" / "state.json").read_text())["epoch"] == 6


def test_steps_are_those_of_a_plain_loop() -> None:
    """Two epochs of SGD against the textbook loop on the same order of rows."""
    from assay.rng import keyed_rng

    rows, module, plain = blobs(64, 4), network(), network()
    trained(
        module,
        {"epochs": 2, "optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.0, "weight_decay": 0.0}
        | {"clip_norm": None, "patience": None},
        training=rows,
        tuning=blobs(500, 5),
    )
    for epoch in range(2):
        order = keyed_rng(3, "training", "order", epoch).permutation(64)
        for first in (0, 32):
            piece = torch.from_numpy(order[first : first + 32])
            assert isinstance(rows.inputs, torch.Tensor)
            loss = torch.nn.functional.cross_entropy(plain(rows.inputs[piece]), rows.targets[piece])
            plain.zero_grad()
            loss.backward()
            with torch.no_grad():
                for parameter in plain.parameters():
                    assert parameter.grad is not None
                    parameter -= 0.1 * parameter.grad
    for name, tensor in weights(plain).items():
        torch.testing.assert_close(tensor, weights(module)[name], rtol=1e-5, atol=1e-6)


def test_a_row_of_weight_two_counts_like_two_rows() -> None:
    once, twice = blobs(40, 6), blobs(40, 6)
    assert isinstance(once.inputs, torch.Tensor)
    weight = torch.ones(40)
    weight[:10] = 2.0
    weighed = Rows(once.inputs, once.targets, weight / weight.mean())
    assert isinstance(twice.inputs, torch.Tensor)
    repeated = Rows(
        torch.cat([twice.inputs, twice.inputs[:10]]), torch.cat([twice.targets, twice.targets[:10]])
    )
    a, b = network(), network()
    # One step over all rows: the gradient is the same mean.
    whole = {"epochs": 1, "batch_rows": 64, "optimizer": "sgd", "clip_norm": None}
    trained(a, whole, training=weighed)
    trained(b, whole, training=repeated)
    for name, tensor in weights(a).items():
        torch.testing.assert_close(tensor, weights(b)[name], rtol=1e-5, atol=1e-7)


def test_the_weights_of_the_best_epoch_are_kept() -> None:
    """Few noisy rows are learnt by heart: tuning loss falls, then rises."""
    module, tuning = network(), blobs(400, 8, noise=3.0)
    found = trained(
        module,
        {"epochs": 60, "learning_rate": 0.05, "patience": 10, "weight_decay": 0.0},
        training=blobs(24, 7, noise=3.0),
        tuning=tuning,
    )
    losses = [epoch.tuning for epoch in found.epochs]
    assert found.best_epoch == int(np.argmin(losses)) + 1
    assert len(found.epochs) == found.best_epoch + 10 < 60
    assert isinstance(tuning.inputs, torch.Tensor)
    with torch.no_grad():
        kept = torch.nn.functional.cross_entropy(module(tuning.inputs), tuning.targets).item()
    assert kept == pytest.approx(min(losses), rel=1e-5)
    series = loss_curve(found, "training.from_scratch")
    assert [column.name for column in series.columns][:3] == ["epoch", "training loss", "tuning loss"]


def test_a_learning_rate_far_too_large_is_one_sentence() -> None:
    rate = {"optimizer": "sgd", "learning_rate": 10.0, "clip_norm": None, "epochs": 50, "patience": None}
    with pytest.raises(
        Diverged, match=r"diverged in epoch \d+ of 50: the loss .*learning_rate below 10, such as 1\."
    ):
        trained(network(), rate, training=blobs(200, 1, noise=1e4))


def test_a_head_leaves_the_body_as_it_was_to_the_bit() -> None:
    torch.manual_seed(0)
    module = build("cnn", {"channels": 1, "height": 8, "width": 8, "widths": (4,), "hidden": 8, "outputs": 2})
    before = weights(module)
    rng = np.random.default_rng(1)
    images = torch.from_numpy(rng.normal(size=(60, 1, 8, 8)).astype(np.float32))
    rows = Rows(images, torch.from_numpy(rng.integers(0, 2, 60)))
    head = module.get_submodule("head")
    trained(module, {}, training=rows, tuning=rows, part=head)
    after = weights(module)
    for name, tensor in before.items():
        assert torch.equal(tensor, after[name]) != name.startswith("head."), name
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert not any(parameter.grad is not None for parameter in module.parameters())


def test_the_last_row_alone_joins_the_batch_before() -> None:
    """Batch norm refuses one row; 33 rows in batches of 32 are trained all the same."""
    torch.manual_seed(0)
    module = build("cnn", {"channels": 1, "height": 4, "width": 4, "widths": (2,), "hidden": 4, "outputs": 2})
    rows = Rows(torch.randn(33, 1, 4, 4), torch.arange(33) % 2)
    trained(module, {"epochs": 1}, training=rows, tuning=rows)


def test_a_checkpoint_of_another_request_is_refused(tmp_path: Path) -> None:
    work = tmp_path / "new.partial" / "training"
    trained(network(), {"epochs": 1}, work=work, request="one")
    with pytest.raises(BadInput, match=r"new\.partial holds the training of another request"):
        trained(network(), {"epochs": 1}, work=work, request="two")


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    work = tmp_path / "new.partial" / "training"
    trained(network(), {"epochs": 1}, work=work, request="r")
    tensors = work / "epoch-1.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-8])
    with pytest.raises(BadInput, match="damaged checkpoint"):
        trained(network(), {"epochs": 2}, work=work, request="r")
    (work / "state.json").write_text("{")
    with pytest.raises(BadInput, match="damaged checkpoint"):
        trained(network(), {"epochs": 2}, work=work, request="r")


def test_inputs_that_are_no_finite_numbers_are_named() -> None:
    rows = blobs(20, 1)
    assert isinstance(rows.inputs, torch.Tensor)
    rows.inputs[3, 1] = torch.nan
    with pytest.raises(BadInput, match="training rows hold values that are no finite numbers"):
        trained(network(), {}, training=rows)
