"""Small networks made on the spot, written, loaded and fed with data through the real formats and intake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from assay.contracts import (
    DataRequest,
    FileRequest,
    InputColumn,
    ModelRequest,
    ModelSignature,
    TextInput,
)
from assay.datasets.subject import Subject
from assay.loading import load_subject
from assay.models.text_classifier import write_huggingface
from assay.models.torch_folder import write_torch_folder
from tests.support import write_csv

__all__ = [
    "WORDS",
    "linear_folder",
    "model_subject",
    "number",
    "regression_folder",
    "relu_folder",
    "tiny_bert",
]

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "good", "bad", "day", "film", "##s", "very", ".")
"""The vocabulary of `tiny_bert`."""


def number(name: str, *, mean: float = 0.0, scale: float = 1.0, **more: Any) -> InputColumn:
    """A standardised numeric input column."""
    return InputColumn(name=name, kind="number", encoding="standard", mean=mean, scale=scale, **more)


def linear_folder(
    folder: Path,
    columns: Sequence[InputColumn],
    weights: Sequence[float],
    *,
    bias: float = 0.0,
    classes: tuple[str, str] = ("no", "yes"),
) -> Path:
    """A torch_folder whose log-odds are weights . encoded + bias: everything about it has a closed form."""
    import torch

    from assay.models.architectures import build

    config: dict[str, Any] = {"inputs": len(weights), "hidden": (), "outputs": 2}
    module = build("mlp", config)
    with torch.no_grad():
        module.head.weight.copy_(torch.tensor([[0.0] * len(weights), list(weights)]))
        module.head.bias.copy_(torch.tensor([0.0, bias]))
    signature = ModelSignature(
        task="binary", output="logit", classes=classes, favourable=classes[1], columns=tuple(columns)
    )
    return write_torch_folder(folder, module, "mlp", config, signature)


def model_subject(
    folder: Path,
    model: Path,
    columns: Mapping[str, Sequence[Any]],
    *,
    training: Mapping[str, Sequence[Any]] | None = None,
    tuning: Mapping[str, Sequence[Any]] | None = None,
    **request: Any,
) -> Subject:
    """Write the columns as CSV files and take them in with the model at `model`."""
    files = {"test": FileRequest(path=str(write_csv(folder / "test.csv", columns)))}
    for role, content in (("training", training), ("tuning", tuning)):
        if content is not None:
            files[role] = FileRequest(path=str(write_csv(folder / f"{role}.csv", content)))
    asked = DataRequest(**files, model=ModelRequest(path=str(model), device="cpu"), **request)
    return load_subject(asked, folder).subject


def two_gaussians(rows: int, seed: int) -> dict[str, Any]:
    """x1 tells the label, x2 tells nothing."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, rows)
    return {
        "x1": (rng.normal(size=rows) + 2 * label).round(4).tolist(),
        "x2": rng.normal(size=rows).round(4).tolist(),
        "sex": rng.choice(["f", "m"], rows).tolist(),
        "label": ["yes" if one else "no" for one in label],
    }


def tiny_bert(
    folder: Path,
    *,
    classes: tuple[str, ...] = ("bad", "good"),
    signature: ModelSignature | None = None,
    seed: int = 0,
    **config: Any,
) -> Path:
    """A Hugging Face folder of a BERT with random weights, 8 numbers wide, that knows `WORDS`."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

    torch.manual_seed(seed)
    sizes = {
        "hidden_size": 8,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "max_position_embeddings": 32,
        "initializer_range": 0.5,
    }
    module = BertForSequenceClassification(
        BertConfig(
            vocab_size=len(WORDS),
            id2label=dict(enumerate(classes)),
            num_labels=len(classes),
            **{**sizes, **config},
        )
    )
    tokenizer = BertTokenizer(vocab={word: place for place, word in enumerate(WORDS)})
    described = signature or ModelSignature(
        task="binary" if len(classes) == 2 else "multiclass",
        output="logit",
        classes=classes,
        text=TextInput(max_length=16),
    )
    return write_huggingface(folder, module, tokenizer, described)


def regression_folder(
    folder: Path, columns: Sequence[InputColumn], weights: Sequence[float], *, bias: float = 0.0
) -> Path:
    """A torch_folder that predicts weights . encoded + bias."""
    return relu_folder(folder, columns, [], weights, bias=bias)


def relu_folder(
    folder: Path,
    columns: Sequence[InputColumn],
    layers: Sequence[Sequence[Sequence[float]]],
    head: Sequence[float],
    *,
    biases: Sequence[Sequence[float]] = (),
    bias: float = 0.0,
) -> Path:
    """A torch_folder that predicts head . h + bias, h = ReLU(layer @ h + bias) layer by layer."""
    import torch

    from assay.models.architectures import build

    width = sum(column.width for column in columns)
    config: dict[str, Any] = {"inputs": width, "hidden": tuple(len(layer) for layer in layers), "outputs": 1}
    module = build("mlp", config)
    with torch.no_grad():
        for place, layer in enumerate(layers):
            module.body[2 * place].weight.copy_(torch.tensor(layer))
            module.body[2 * place].bias.copy_(
                torch.tensor(biases[place]) if biases else torch.zeros(len(layer))
            )
        module.head.weight.copy_(torch.tensor([list(head)]))
        module.head.bias.copy_(torch.tensor([bias]))
    signature = ModelSignature(task="regression", output="score", columns=tuple(columns))
    return write_torch_folder(folder, module, "mlp", config, signature)
