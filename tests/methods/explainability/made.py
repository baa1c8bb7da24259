"""Small models over tables, loaded through the real formats, whose explanations are known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from assay.contracts import InputColumn, ModelSignature
from assay.datasets.subject import Subject
from assay.models.torch_folder import write_torch_folder
from tests.models.made import linear_folder, model_subject, number

__all__ = ["applicants", "hiring_subject", "network_folder", "regression_subject", "sex"]

sex = InputColumn(name="sex", kind="category", encoding="one_hot", categories=("f", "m"))


def applicants(rows: int, seed: int) -> dict[str, Any]:
    """Columns x1 to x4 (numbers), sex and a label."""
    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {f"x{i}": rng.normal(size=rows).round(3).tolist() for i in range(1, 5)}
    columns["sex"] = rng.choice(["f", "m"], rows).tolist()
    columns["label"] = rng.choice(["no", "yes"], rows).tolist()
    return columns


def hiring_subject(folder: Path, weight_of_sex: float, rows: int = 400, **more: Any) -> Subject:
    """log-odds = 2 x1 - x2 + 0.5 x3 + weight_of_sex (sex is m); x4 is read and ignored."""
    columns = [*(number(f"x{i}") for i in range(1, 5)), sex]
    model = linear_folder(folder / "m", columns, [2.0, -1.0, 0.5, 0.0, 0.0, weight_of_sex])
    data = applicants(rows, 1)
    return model_subject(folder, model, data, label="label", favourable="yes", sensitive=("sex",), **more)


def regression_subject(folder: Path, rows: int = 300) -> tuple[Subject, np.ndarray, np.ndarray]:
    """prediction = 3 a - 2 b + 0 c + 1; the subject, its rows (rows, 3) and the weights."""
    import torch

    from assay.models.architectures import build

    weights = np.array([3.0, -2.0, 0.0])
    config: dict[str, Any] = {"inputs": 3, "hidden": (), "outputs": 1}
    module = build("mlp", config)
    with torch.no_grad():
        module.head.weight.copy_(torch.tensor(weights[None]))
        module.head.bias.fill_(1.0)
    signature = ModelSignature(
        task="regression", output="score", columns=tuple(number(name) for name in "abc")
    )
    model = write_torch_folder(folder / "m", module, "mlp", config, signature)
    inputs = np.random.default_rng(2).normal(size=(rows, 3)).round(3)
    data: dict[str, Any] = {name: inputs[:, i].tolist() for i, name in enumerate("abc")}
    data["y"] = (inputs @ weights).tolist()
    return model_subject(folder, model, data, label="y", task="regression"), inputs, weights


def network_folder(
    folder: Path, columns: Sequence[InputColumn], classes: tuple[str, ...], *, seed: int = 0
) -> Path:
    """A network of random weights, large enough for interactions of every order."""
    import torch

    from assay.models.architectures import build

    torch.manual_seed(seed)
    config: dict[str, Any] = {
        "inputs": sum(column.width for column in columns),
        "hidden": (24,),
        "outputs": len(classes),
    }
    module = build("mlp", config)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(3)
    signature = ModelSignature(
        task="binary" if len(classes) == 2 else "multiclass",
        output="logit",
        classes=classes,
        favourable=classes[1] if len(classes) == 2 else None,
        columns=tuple(columns),
    )
    return write_torch_folder(folder, module, "mlp", config, signature)
