"""Hugging Face folders that ask for code, kernels, pickles, other files, or more memory than there is."""

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
from tests.models.made import tiny_bert

__all__ = ["CASES", "sound"]


@cache
def _made() -> Path:
    import atexit

    place = Path(mkdtemp(prefix="assay-bert-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return tiny_bert(place / "bert")


def sound(folder: Path) -> Path:
    """A copy of a BERT that Assay loads."""
    return Path(shutil.copytree(_made(), folder / "bert"))


def _config(**more: Any) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        model = sound(folder)
        path = model / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **more}))
        return model

    return make


def _spoilt(spoil: Callable[[Path], Any]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        model = sound(folder)
        spoil(model)
        return model

    return make


def _beside(name: str, content: Any) -> Callable[[Path], Path]:
    text = content if isinstance(content, str) else json.dumps(content)
    return _spoilt(lambda model: (model / name).write_text(text))


def _only_a_pickle(folder: Path) -> Path:
    model = sound(folder)
    (model / "model.safetensors").unlink()
    (model / "pytorch_model.bin").write_bytes(pickled(folder, 2))
    return model


def _led_out(model: Path) -> None:
    weights = (model / "model.safetensors").rename(model / "model-00001-of-00001.safetensors")
    index = {"weight_map": {"a": f"../../{weights.name}"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))


_REMOTE = {"AutoModelForSequenceClassification": "modeling_evil.Evil"}
_SIZES = "config.json describes|does not fit|do not fit|at most"

CASES = (
    Hostile("auto_map", _config(auto_map=_REMOTE), r"auto_map\), which Assay never runs"),
    Hostile("auto_map of a hub", _config(auto_map={"AutoConfig": "evil/repo--c.C"}), "auto_map"),
    Hostile("auto_map, nested", _config(text_config={"auto_map": _REMOTE}), "auto_map"),
    Hostile(
        "auto_map, nested deep",
        _config(a={"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": {"j": {"auto_map": _REMOTE}}}}}}}}}}),
        "auto_map|nested",
    ),
    Hostile("trust_remote_code", _config(trust_remote_code=True), "asks for remote code"),
    Hostile(
        "a custom pipeline",
        _config(custom_pipelines={"x": {"impl": "evil.Pipe", "pt": []}}),
        "custom_pipelines",
    ),
    Hostile(
        "a custom pipeline in the tokenizer",
        _beside("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["e.E", None]}}),
        "auto_map",
    ),
    Hostile(
        "a processor of its own",
        _beside("preprocessor_config.json", {"auto_map": {"AutoImageProcessor": "e.E"}}),
        "auto_map",
    ),
    Hostile(
        "a custom generation",
        _beside("generation_config.json", {"custom_generate": "evil/repo"}),
        "custom_generate",
    ),
    Hostile("quantised", _config(quantization_config={"quant_method": "awq"}), "quantised"),
    Hostile("kernels from the hub", _config(kernel_config={"kernel_mapping": {}}), "kernels from the hub"),
    Hostile(
        "another file for its weights", _config(transformers_weights="../../x.bin"), "names another file"
    ),
    Hostile("only a pickle", _only_a_pickle, "only as a pickle"),
    Hostile("an adapter", _beside("adapter_config.json", {"base_model_name_or_path": "/etc"}), "adapter"),
    Hostile("its own Python", _beside("modeling_evil.py", "open('RAN', 'w')"), "holds code"),
    Hostile(
        "an index that leads out", _spoilt(_led_out), "a shard is a .safetensors file in the same folder"
    ),
    Hostile("a vocabulary of terabytes", _config(vocab_size=10**12), _SIZES),
    Hostile("a million hidden sizes", _config(hidden_size=10**9, num_attention_heads=1), _SIZES),
    Hostile("positions of terabytes", _config(max_position_embeddings=10**12), _SIZES),
    Hostile("a million layers", _config(num_hidden_layers=10**6), "1,000,000 num_hidden_layers"),
    Hostile("no heads", _config(num_attention_heads=0), "no sound configuration|do not fit"),
    Hostile("a negative size", _config(hidden_size=-8), "no sound configuration|do not fit|config.json"),
    Hostile("a size that is text", _config(hidden_size="8;import os"), "no sound configuration|do not fit"),
    Hostile("a billion labels", _config(id2label=None, label2id=None, num_labels=10**9), "num_labels"),
    Hostile("an activation of the caller's", _config(hidden_act="os.system"), "do not fit|no sound"),
    Hostile("a type from elsewhere", _config(model_type="../../evil"), "ships no"),
    Hostile("two architectures", _config(architectures=["A", "B"]), "one architecture"),
    Hostile("a config nested deep", _beside("config.json", "[" * 500_000), "."),
    Hostile("a config of megabytes", _config(more="x" * (5 * 2**20)), "at most 4,194,304"),
    Hostile(
        "a template that reaches for Python",
        _beside("chat_template.jinja", "{{ cycler.__init__.__globals__.os.system('touch RAN') }}"),
        "chat template",
    ),
    Hostile(
        "a template in the tokenizer's settings",
        _beside(
            "tokenizer_config.json",
            {"chat_template": "{% for c in ''.__class__.__mro__[1].__subclasses__() %}{% endfor %}"},
        ),
        "chat template",
    ),
    Hostile(
        "a template with attr",
        _beside("tokenizer_config.json", {"chat_template": "{{ ''|attr('\\x5f\\x5fclass\\x5f\\x5f') }}"}),
        "chat template",
    ),
    Hostile(
        "a named template",
        _beside(
            "tokenizer_config.json", {"chat_template": [{"name": "default", "template": "{{ x.__class__ }}"}]}
        ),
        "chat template",
    ),
    Hostile(
        "a template with an end in a text",
        _beside("chat_template.jinja", "{{ '}}' ~ x.__class__ }}"),
        "chat template",
    ),
    Hostile(
        "a template of templates",
        _beside("chat_template.jinja", "{% include '/etc/passwd' %}"),
        "chat template",
    ),
)
