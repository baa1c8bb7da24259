"""Weights in several files: exactly those that the index lists, each once, mapped and not copied."""

from __future__ import annotations

import gc
import json
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from assay.contracts import ModelRequest
from assay.errors import BadInput
from assay.loading import load_model
from tests.models.made import tiny_bert
from tests.models.transformers_made import sharded, tiny_llama, tiny_vit

INDEX = "model.safetensors.index.json"
FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


def _load(path: Path) -> Any:
    return load_model(ModelRequest(path=str(path), device="cpu"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sharded(tiny_llama(tmp_path_factory.mktemp("models") / "llama"))


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "llama"))


@pytest.mark.parametrize(
    ("make", "asked"),
    [
        (tiny_bert, ["a good day", "bad"]),
        (tiny_llama, ["a b c", "d"]),
        (tiny_vit, np.random.default_rng(0).random((3, 3, 8, 8), dtype=np.float32)),
    ],
)
def test_every_head_answers_the_same_from_shards(
    make: Callable[[Path], Path], asked: Any, tmp_path: Path
) -> None:
    whole = _load(make(tmp_path / "model"))
    expected = whole.raw_outputs(asked)
    np.testing.assert_array_equal(_load(sharded(tmp_path / "model", 3)).raw_outputs(asked), expected)


def _index(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    found = json.loads((folder / INDEX).read_text())
    change(found["weight_map"])
    (folder / INDEX).write_text(json.dumps(found))


def _one(mapped: dict[str, Any], file: str) -> str:
    return next(name for name in sorted(mapped) if mapped[name] == file)


LIES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no index": (lambda f: (f / INDEX).unlink(), f"2 files but no {INDEX}"),
    "a shard is missing": (lambda f: (f / SECOND).unlink(), f"{SECOND} is listed there but is not in"),
    "a shard is not listed": (
        lambda f: shutil.copy(f / FIRST, f / "model-00003-of-00002.safetensors"),
        "model-00003-of-00002.safetensors is not listed there",
    ),
    "outside the folder": (
        lambda f: _index(f, lambda m: m.update({_one(m, FIRST): "../other/model.safetensors"})),
        r'to "\.\./other/model\.safetensors"; a shard is a \.safetensors file in the same folder',
    ),
    "an absolute path": (
        lambda f: _index(f, lambda m: m.update({_one(m, FIRST): "/etc/model.safetensors"})),
        "a shard is a .safetensors file in the same folder",
    ),
    "no file name": (lambda f: _index(f, lambda m: m.update({_one(m, FIRST): 7})), 'to "7"; a shard is'),
    "sent to the other": (
        lambda f: _index(f, lambda m: m.update({_one(m, FIRST): SECOND})),
        rf"stands in {FIRST}, but {INDEX} gives it to {SECOND}",
    ),
    "not listed": (
        lambda f: _index(f, lambda m: m.pop(_one(m, FIRST))),
        rf"stands in {FIRST}, but {INDEX} does not list it",
    ),
    "listed and not there": (
        lambda f: _index(f, lambda m: m.update({"model.extra": FIRST})),
        rf'lists "model\.extra" in {FIRST}, which has no such tensor',
    ),
    "no map": (lambda f: (f / INDEX).write_text('{"weight_map": []}'), 'has no "weight_map"'),
    "cut": (lambda f: (f / FIRST).write_bytes((f / FIRST).read_bytes()[:-8]), "cut short"),
}


@pytest.mark.parametrize("lie", LIES)
def test_an_index_that_is_not_what_lies_there_is_refused(folder: Path, lie: str) -> None:
    change, part = LIES[lie]
    change(folder)
    with pytest.raises(BadInput, match=part) as refused:
        _load(folder)
    assert "\n" not in refused.value.message


def test_a_weight_in_two_shards_is_refused(folder: Path) -> None:
    first, second = load_file(folder / FIRST), load_file(folder / SECOND)
    name = sorted(first)[0]
    save_file({**second, name: first[name]}, folder / SECOND)
    with pytest.raises(BadInput, match="stands in two of its weight files"):
        _load(folder)


def test_shards_beside_a_whole_file_stay_unopened(folder: Path) -> None:
    weights = {**load_file(folder / FIRST), **load_file(folder / SECOND)}
    save_file(weights, folder / "model.safetensors")
    (folder / FIRST).write_bytes(b"no safetensors")
    notes = _load(folder).notes
    assert any(FIRST in note and INDEX in note and "unopened" in note for note in notes)


def _own_memory() -> int:
    """Bytes of this process that are not pages of a file."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) * 1024


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_holds_the_weights_of_a_sharded_model_once(tmp_path: Path) -> None:
    _load(tiny_llama(tmp_path / "small"))
    sizes = {"hidden_size": 1024, "intermediate_size": 2048, "num_hidden_layers": 2}
    folder = sharded(tiny_llama(tmp_path / "large", **sizes), 4)
    gc.collect()
    done, seen = threading.Event(), [before := _own_memory()]

    def watch() -> None:
        while not done.wait(0.002):
            seen.append(_own_memory())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        model = _load(folder)
        seen.append(_own_memory())
    finally:
        done.set()
        thread.join()
    weights, took = model.facts.weight_bytes, max(seen) - before
    assert weights > 80_000_000
    assert took < 1.3 * weights + 10_000_000, (weights, took)
