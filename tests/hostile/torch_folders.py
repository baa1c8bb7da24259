"""torch_folders that ask for networks no machine can build, or that say one thing and hold another."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.hostile.case import Hostile
from tests.models.made import linear_folder, number

__all__ = ["CASES"]

_NOT_THESE = "these are not weights of this|needs|does not fit"


def _described(architecture: Any) -> Callable[[Path], Path]:
    """Sound weights of an mlp with another architecture.json."""

    def make(folder: Path) -> Path:
        model = linear_folder(folder / "model", [number("x")], [1.0])
        text = architecture if isinstance(architecture, str) else json.dumps(architecture)
        (model / "architecture.json").write_text(text)
        return model

    return make


def _sized(identifier: str, **config: Any) -> Callable[[Path], Path]:
    return _described({"schema": "assay.architecture/1", "id": identifier, "config": config})


def _signed(text: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        model = linear_folder(folder / "model", [number("x")], [1.0])
        (model / "signature.json").write_text(text)
        return model

    return make


def _columns(**more: Any) -> str:
    column = {"name": "x", "kind": "number", "encoding": "standard", "mean": 0, "scale": 1, **more}
    signature = {"task": "binary", "output": "logit", "classes": ["a", "b"], "columns": [column]}
    return json.dumps(signature)


CASES = (
    Hostile("an mlp of terabytes", _sized("mlp", inputs=1_000_000, hidden=[65_536, 65_536]), _NOT_THESE),
    Hostile("an lstm of terabytes", _sized("lstm", features=65_536, hidden=65_536, layers=16), _NOT_THESE),
    Hostile(
        "a cnn of terabytes",
        _sized("cnn", channels=4, height=4_096, width=4_096, widths=[4_096], hidden=65_536),
        _NOT_THESE,
    ),
    Hostile("a resnet of terabytes", _sized("resnet", widths=[2_048] * 20, blocks=20), _NOT_THESE),
    Hostile(
        "an autoencoder of terabytes", _sized("autoencoder", inputs=1_000_000, hidden=[65_536]), _NOT_THESE
    ),
    Hostile("a million layers", _sized("mlp", inputs=1, hidden=[1] * 1_000_000), r"hidden: .*1,000"),
    Hostile("more than any number", _sized("mlp", inputs=10**30), "less than or equal to"),
    Hostile("a size below nothing", _sized("mlp", inputs=-1), "greater than or equal to"),
    Hostile("a size that is text", _sized("mlp", inputs="__import__('os')"), "valid integer"),
    Hostile("a module as architecture", _sized("os.path", inputs=1), "no architecture|id: "),
    Hostile("code as architecture", _described({"id": "mlp", "config": {}, "code": "import os"}), "code"),
    Hostile("nested a million deep", _described("[" * 1_000_000), "not JSON"),
    Hostile("an object nested deep", _described('{"a":' * 100_000 + "1" + "}" * 100_000), "not JSON"),
    Hostile("a number of a million digits", _described('{"id": ' + "9" * 1_000_000 + "}"), "not JSON"),
    Hostile("a scale of nothing", _signed(_columns(scale=0)), "scale"),
    Hostile("a mean that is no number", _signed(_columns(mean=float("nan"))), "mean"),
    Hostile(
        "a signature with a default of its own",
        _signed(_columns(default_factory="os.system")),
        "default_factory",
    ),
    Hostile(
        "a signature of images of gigabytes",
        _signed(
            json.dumps(
                {
                    "task": "binary",
                    "output": "logit",
                    "classes": ["a", "b"],
                    "image": {"height": 4_096, "width": 4_096, "channels": 4},
                }
            )
        ),
        "image|input of shape",
    ),
)
