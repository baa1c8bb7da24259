"""Transformers of every kind that name other files, other models or code, or whose weights are not theirs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from tests.hostile.case import Hostile
from tests.hostile.payload import pickled
from tests.models.transformers_made import processor, sharded, tiny_llama, tiny_vit, word_tokenizer

__all__ = ["CASES"]

Change = Callable[[Path], Any]
INDEX = "model.safetensors.index.json"
FIRST = "model-00001-of-00002.safetensors"
_REMOTE = {"AutoModelForCausalLM": "evil.Evil"}


@cache
def _made(kind: str) -> Path:
    import atexit

    place = Path(mkdtemp(prefix="assay-transformers-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    if kind == "image":
        return tiny_vit(place / kind)
    if kind == "adapter":
        _adapter(place / kind)
        return place / kind
    whole = tiny_llama(place / kind)
    return sharded(whole) if kind == "shards" else whole


def _adapter(folder: Path) -> None:
    """A LoRA adapter, written by hand: no library is needed for two factors."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir()
    name = "base_model.model.model.layers.0.self_attn.q_proj.lora_{}.weight"
    save_file(
        {name.format("A"): torch.ones(2, 16), name.format("B"): torch.ones(16, 2)},
        folder / "adapter_model.safetensors",
    )
    said = {
        "peft_type": "LORA",
        "r": 2,
        "lora_alpha": 2,
        "base_model_name_or_path": "meta-llama/Llama-3.1-8B",
    }
    (folder / "adapter_config.json").write_text(json.dumps(said))


def _spoilt(kind: str, *spoil: Change) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        model = Path(shutil.copytree(_made(kind), folder / kind))
        for change in spoil:
            change(model)
        return model

    return make


def _said(file: str, **more: Any) -> Change:
    """Further keys in a JSON file, which is made where there is none."""

    def change(model: Path) -> None:
        path = model / file
        before = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**before, **more}))

    return change


def _sent(to: str) -> Change:
    """One weight of the first shard, sent to another file."""

    def change(model: Path) -> None:
        index = json.loads((model / INDEX).read_text())
        name = next(name for name, file in index["weight_map"].items() if file == FIRST)
        index["weight_map"][name] = to
        (model / INDEX).write_text(json.dumps(index))

    return change


def _doubled(model: Path) -> None:
    from safetensors.torch import load_file, save_file

    first, second = load_file(model / FIRST), load_file(model / FIRST.replace("1-", "2-"))
    save_file({**second, **dict(list(first.items())[:1])}, model / FIRST.replace("1-", "2-"))


def _weights(change: Callable[[dict[str, Any]], Any], file: str = "model.safetensors") -> Change:
    def apply(model: Path) -> None:
        from safetensors.torch import load_file, save_file

        tensors = load_file(model / file)
        change(tensors)
        save_file(tensors, model / file)

    return apply


def _pickled_adapter(model: Path) -> None:
    (model / "adapter_model.safetensors").unlink()
    (model / "adapter_model.bin").write_bytes(pickled(model.parent, 2))


CASES = (
    *(
        Hostile(f"code named in {file}", _spoilt("language", _said(file, auto_map=_REMOTE)), "never runs")
        for file in (
            *("config.json", "tokenizer_config.json", "generation_config.json", "processor_config.json"),
            *("preprocessor_config.json", "video_preprocessor_config.json"),
        )
    ),
    Hostile(
        "a processor of its own beside images",
        _spoilt("image", _said("preprocessor_config.json", auto_map={"AutoImageProcessor": "evil.E"})),
        "never runs",
    ),
    Hostile(
        "a generation of its own",
        _spoilt("language", _said("config.json", custom_generate="evil/r")),
        "never runs",
    ),
    Hostile(
        "an index that leads out", _spoilt("shards", _sent("../../etc/x.safetensors")), "in the same folder"
    ),
    Hostile("an index with a root", _spoilt("shards", _sent("/etc/x.safetensors")), "in the same folder"),
    Hostile("an index with a backslash", _spoilt("shards", _sent("..\\x.safetensors")), "in the same folder"),
    Hostile("an index of a pickle", _spoilt("shards", _sent("x.bin")), "in the same folder"),
    Hostile("a weight in two shards", _spoilt("shards", _doubled), "stands in two"),
    Hostile(
        "shards without their index", _spoilt("shards", lambda model: (model / INDEX).unlink()), "no model"
    ),
    Hostile(
        "an index of millions",
        _spoilt("shards", _said(INDEX, weight_map={f"w{n}": f"model-{n}.safetensors" for n in range(2_000)})),
        "more than 1,000 files",
    ),
    Hostile("a lying vocabulary", _spoilt("language", _said("config.json", vocab_size=10**9)), "at most"),
    Hostile("a vocabulary too small", _spoilt("language", _said("config.json", vocab_size=3)), "do not fit"),
    Hostile(
        "a tokenizer with more tokens",
        _spoilt("language", lambda model: word_tokenizer(model, ("<s>", "<unk>", *map(str, range(99))))),
        "do not belong together",
    ),
    Hostile(
        "a stop token that is not there",
        _spoilt("language", _said("config.json", eos_token_id=-5)),
        "names token -5",
    ),
    Hostile(
        "NaN weights",
        _spoilt("language", _weights(lambda w: w["lm_head.weight"].fill_(float("nan")))),
        "NaN",
    ),
    Hostile(
        "infinite weights of images",
        _spoilt("image", _weights(lambda w: w["classifier.weight"].fill_(float("inf")))),
        "NaN or infinite",
    ),
    Hostile(
        "a size of terapixels", _spoilt("image", lambda m: processor(m, 10**6)), "less than or equal to 4096"
    ),
    Hostile(
        "a size that is none", _spoilt("image", lambda m: processor(m, -8)), "greater than or equal to 1"
    ),
    Hostile(
        "a network of another library", _spoilt("image", _said("config.json", use_timm_backbone=True)), "timm"
    ),
    Hostile(
        "a backbone from the hub", _spoilt("image", _said("config.json", use_pretrained_backbone=True)), "hub"
    ),
    Hostile("patches of nothing", _spoilt("image", _said("config.json", patch_size=0)), "."),
    Hostile(
        "a pickle for a vocabulary",
        _spoilt(
            "language",
            lambda model: (model / "tokenizer.json").unlink(),
            lambda model: (model / "tokenizer.model").write_bytes(pickled(model.parent, 2)),
        ),
        "tokenizer cannot be loaded",
    ),
    Hostile("an adapter of a model on the hub", _spoilt("adapter"), "its base .*does not fetch"),
    Hostile(
        "an adapter that names code",
        _spoilt("adapter", _said("adapter_config.json", auto_map=_REMOTE)),
        "never runs",
    ),
    Hostile("an adapter as a pickle", _spoilt("adapter", _pickled_adapter), "--base|only as a pickle"),
    Hostile(
        "a model and an adapter",
        _spoilt("language", _said("adapter_config.json", peft_type="LORA")),
        "a model and an adapter in one folder",
    ),
)
