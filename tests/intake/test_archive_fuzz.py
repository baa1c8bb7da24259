"""Checkpoints, exported programs and binary trees with bytes turned at random: refused or read, no crash."""

from __future__ import annotations

import copy
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from assay.errors import BadInput
from assay.intake.exported_archive import looks_like_exported_program, read_program
from assay.intake.exported_graph import rewrite_graph
from assay.intake.exported_json import BadProgram
from assay.intake.torch_pickle import read_pickle
from assay.intake.torch_saved import looks_like_torch_saved, read_saved
from assay.intake.ubjson import read_ubjson
from assay.intake.xgboost_trees import check_xgboost, looks_like_xgboost
from tests.hostile.exported_program import document, honest

TURNS = 300


def _checkpoint(**options: Any) -> bytes:
    sink = io.BytesIO()
    torch.save(
        {"state_dict": {f"w{i}": torch.full((3, 2), float(i)) for i in range(4)}, "n": 7}, sink, **options
    )
    return sink.getvalue()


def _turned(content: bytes, chance: random.Random) -> bytes:
    """Some bytes changed, a piece doubled, or a piece left out."""
    found = bytearray(content)
    kind = chance.randrange(4)
    place = chance.randrange(len(found))
    piece = chance.randrange(1, 40)
    if kind < 2:
        for _ in range(chance.randrange(1, 4)):
            found[chance.randrange(len(found))] = chance.choice(
                (0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256))
            )
    elif kind == 2:
        del found[place : place + piece]
    else:
        found[place:place] = found[place : place + piece]
    return bytes(found)


def _read_all(path: Path) -> None:
    looks_like_torch_saved(path)
    looks_like_exported_program(path)
    try:
        saved = read_saved(path, "x")
        for tensor in saved.tensors.values():
            saved.read(tensor.storage)
    except BadInput:
        return


def _read_program(path: Path) -> None:
    looks_like_exported_program(path)
    try:
        read_program(path, "x")
    except BadInput:
        return


def _trees() -> bytes:
    import xgboost

    column = np.arange(40.0)[:, None] % 7
    matrix = xgboost.DMatrix(column, np.arange(40) % 2)
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1, "max_depth": 3}, matrix, 2)
    return bytes(booster.save_raw("ubj"))


def _read_trees(path: Path) -> None:
    import xgboost

    if not looks_like_xgboost(path):
        return
    try:
        checked = check_xgboost(path, "x")
    except BadInput:
        return
    try:
        booster = xgboost.Booster(model_file=bytearray(checked.content))
        booster.set_param({"nthread": 1})
        booster.inplace_predict(np.zeros((3, checked.num_feature)), validate_features=False)
    except xgboost.core.XGBoostError:
        return


@pytest.mark.parametrize(
    ("content", "read"),
    [
        (_checkpoint, _read_all),
        (lambda: _checkpoint(_use_new_zipfile_serialization=False), _read_all),
        (lambda: _checkpoint(pickle_protocol=4), _read_all),
        (honest, _read_program),
        (_trees, _read_trees),
    ],
    ids=["zip", "old", "protocol 4", "program", "trees"],
)
def test_turned_bytes_are_refused_or_read(
    tmp_path: Path, content: Callable[[], bytes], read: Callable[[Path], None]
) -> None:
    chance, whole = random.Random(7), content()
    path = tmp_path / "turned"
    for _ in range(TURNS):
        path.write_bytes(_turned(whole, chance))
        read(path)


def test_turned_pickles_are_refused_or_read() -> None:
    """The instructions themselves, where checksums of an archive would hide most turns."""
    chance = random.Random(8)
    whole = _checkpoint(_use_new_zipfile_serialization=False)
    start = read_pickle(whole, "x", 21)[1]
    weights = whole[start : read_pickle(whole, "x", start)[1]]
    refused = 0
    for _ in range(10 * TURNS):
        try:
            read_pickle(_turned(weights, chance), "x")
        except BadInput:
            refused += 1
    assert refused > TURNS


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in _places(item, (*path, key)))]


def test_turned_trees_are_refused_or_written_anew_for_the_library(tmp_path: Path) -> None:
    """What is let in, XGBoost opens and asks in this process: an index astray would end it."""
    chance, path = random.Random(10), tmp_path / "model.json"
    whole = json.loads(json.dumps(read_ubjson(_trees()), default=np.ndarray.tolist))
    places = [place for place in _places(whole) if place]
    odd = (None, True, -1, 0, 1, 2, 2**31 - 1, 2**31, 2**63, 2**70, 1.5, "", "0", "-1", [], {}, "nan", 1e300)
    for _ in range(5 * TURNS):
        document = copy.deepcopy(whole)
        place = chance.choice(places)
        inner = document
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = chance.choice(odd)
        path.write_text(json.dumps(document))
        _read_trees(path)


def test_turned_graphs_are_refused_or_rewritten() -> None:
    chance, whole = random.Random(9), document()
    places = [place for place in _places(whole) if place]
    odd = (
        None,
        True,
        -1,
        2**70,
        1.5,
        "",
        "x" * 600,
        "torch.load",
        [],
        {},
        [[]],
        {"as_int": -3},
        {"as_graph": {}},
    )
    refused = 0
    for _ in range(5 * TURNS):
        turned = json.loads(json.dumps(whole))
        *path, last = chance.choice(places)
        holder = turned
        for key in path:
            holder = holder[key]
        holder[last] = chance.choice(odd)
        try:
            json.dumps(rewrite_graph(turned).document, allow_nan=False)
        except BadProgram:
            refused += 1
    assert refused > TURNS
