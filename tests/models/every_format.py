"""A small model that was really trained for every format that Assay reads, with rows that it never saw.

A few seconds each. What a row of `MODELS` makes is told right well above chance.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from assay.contracts import ModelSignature
from tests.command import write_csv
from tests.models.boosted import WORDS, incomes, pipeline, save_lightgbm, save_onnx_pipeline, save_skops
from tests.models.made import number, tiny_bert
from tests.models.transformers_made import chain_folder, chain_texts, sharded, trained_vit

__all__ = ["MODELS", "Brought"]

_SIZES = {"inputs": 2, "hidden": (8,), "outputs": 2}


class Brought(NamedTuple):
    """What a team brings: the model's file or folder, sealed rows, and what is said of them."""

    model: Path
    data: Path
    base: Path | None = None
    """Of an adapter."""
    signature: Path | None = None
    label: str | None = None
    text: str | None = None


def _table(folder: Path, model: Path, signature: Path | None = None) -> Brought:
    columns = incomes(120, seed=1)
    if signature is None and model.suffix in (".txt", ".json"):  # classes of trees are numbers
        columns = {**columns, "income": np.where(np.asarray(columns["income"]) == "more", 1, 0)}
    return Brought(model, write_csv(folder / "rows.csv", columns), signature=signature, label="income")


def _skops(folder: Path) -> Brought:
    save_skops(folder / "model.skops", incomes(300))
    return _table(folder, folder / "model.skops")


def _onnx(folder: Path) -> Brought:
    said = folder / "words.json"
    said.write_text(WORDS.model_dump_json(by_alias=True))
    return _table(folder, save_onnx_pipeline(folder / "model.onnx", pipeline(incomes(300))), said)


def _lightgbm(folder: Path) -> Brought:
    save_lightgbm(folder / "model.txt", incomes(300))
    return _table(folder, folder / "model.txt")


def _xgboost(folder: Path) -> Brought:
    import xgboost

    table = incomes(300)
    rows = np.column_stack([table["age"], table["hours"]])
    label = (np.asarray(table["income"]) == "more").astype(int)
    matrix = xgboost.DMatrix(rows, label, feature_names=["age", "hours"])
    booster = xgboost.train({"objective": "binary:logistic", "max_depth": 3, "nthread": 1}, matrix, 8)
    (folder / "model.json").write_bytes(bytes(booster.save_raw("json")))
    return _table(folder, folder / "model.json")


@cache
def _network() -> tuple[Any, ModelSignature]:
    """A perceptron over scaled age and hours, after 150 steps."""
    import torch

    from assay.models.architectures import build

    torch.manual_seed(0)
    table = incomes(300)
    rows = np.column_stack([table["age"], table["hours"]]).astype(np.float32)
    inputs = torch.from_numpy((rows - [44, 35]) / 15).float()
    label = torch.from_numpy((np.asarray(table["income"]) == "more").astype(np.int64))
    module = build("mlp", _SIZES)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(module(inputs), label).backward()
        optimizer.step()
    columns = (number("age", mean=44, scale=15), number("hours", mean=35, scale=15))
    said = ModelSignature(task="binary", output="logit", classes=("less", "more"), columns=columns)
    return module.eval(), said


def _torch_folder(folder: Path) -> Brought:
    from assay.models.torch_folder import write_torch_folder

    module, said = _network()
    return _table(folder, write_torch_folder(folder / "perceptron", module, "mlp", _SIZES, said))


def _beside(folder: Path, model: Path) -> Brought:
    said = folder / "said.json"
    said.write_text(_network()[1].model_dump_json(by_alias=True))
    return _table(folder, model, said)


def _checkpoint(folder: Path) -> Brought:
    import torch

    torch.save(_network()[0].state_dict(), folder / "best.pt")
    return _beside(folder, folder / "best.pt")


def _program(folder: Path) -> Brought:
    import torch

    rows = torch.export.Dim("rows", min=1, max=4096)
    example = (torch.zeros(3, 2),)
    program = torch.export.export(_network()[0], example, dynamic_shapes=({0: rows},))
    torch.export.save(program, str(folder / "model.pt2"))
    return _beside(folder, folder / "model.pt2")


def _films(rows: int, seed: int) -> dict[str, Sequence[str]]:
    """Sentences whose one telling word is good or bad."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(["good", "bad"], rows)
    texts = [
        f"a {rng.choice(['very ', ''])}{word} {rng.choice(['film', 'day'])} {rng.choice(['.', 'a day .'])}"
        for word in kind
    ]
    return {"text": texts, "kind": kind}


def _learn(module: Any, tokenizer: Any, texts: dict[str, Sequence[str]]) -> None:
    import torch

    inputs = tokenizer(list(texts["text"]), padding=True, return_tensors="pt")
    label = torch.tensor([int(kind == "good") for kind in texts["kind"]])
    learnt = [weight for weight in module.parameters() if weight.requires_grad]
    optimizer = torch.optim.Adam(learnt, lr=0.02)
    for _ in range(60):
        optimizer.zero_grad()
        module(**inputs, labels=label).loss.backward()
        optimizer.step()


def _text_rows(folder: Path, model: Path, base: Path | None = None) -> Brought:
    data = write_csv(folder / "films.csv", _films(80, 1))
    return Brought(model, data, base=base, label="kind", text="text")


def _text(folder: Path) -> Brought:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    place = tiny_bert(folder / "bert")
    module = AutoModelForSequenceClassification.from_pretrained(str(place))
    _learn(module, AutoTokenizer.from_pretrained(str(place)), _films(60, 0))
    module.save_pretrained(place)
    return _text_rows(folder, place)


def _adapter(folder: Path) -> Brought:
    import peft
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    base = tiny_bert(folder / "bert")
    torch.manual_seed(1)
    module = AutoModelForSequenceClassification.from_pretrained(str(base))
    config = peft.LoraConfig(task_type="SEQ_CLS", r=2, lora_alpha=4, target_modules=["query", "value"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # PEFT asks transformers for a name it will drop
        adapted = peft.get_peft_model(module, config)
    _learn(adapted, AutoTokenizer.from_pretrained(str(base)), _films(60, 0))
    adapted.save_pretrained(folder / "lora")
    return _text_rows(folder, folder / "lora", base)


def _images(folder: Path) -> Brought:
    model, data = trained_vit(folder)
    with np.load(data) as rows:
        np.savez(folder / "some.npz", images=rows["images"][:100], labels=rows["labels"][:100])
    return Brought(sharded(model), folder / "some.npz", label="label")


def _language(folder: Path) -> Brought:
    model = chain_folder(folder / "chain")
    return Brought(model, write_csv(folder / "notes.csv", {"note": chain_texts(40, 1)}), text="note")


MODELS: dict[str, tuple[str, Callable[[Path], Brought]]] = {
    "exported_program": ("exported_program", _program),
    "huggingface, images in several weight files": ("huggingface", _images),
    "huggingface, language": ("huggingface", _language),
    "huggingface, texts": ("huggingface", _text),
    "huggingface_adapter": ("huggingface_adapter", _adapter),
    "lightgbm_text": ("lightgbm_text", _lightgbm),
    "onnx": ("onnx", _onnx),
    "skops": ("skops", _skops),
    "torch_checkpoint": ("torch_checkpoint", _checkpoint),
    "torch_folder": ("torch_folder", _torch_folder),
    "xgboost_json": ("xgboost_json", _xgboost),
}
"""Name -> the id of `assay formats` that it comes in as, and what makes it in an empty folder."""
