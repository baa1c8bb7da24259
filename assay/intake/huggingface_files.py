"""A Hugging Face folder, looked at before transformers sees it: what it claims to be, and its weights.

transformers can be talked into running code (`auto_map`), into fetching kernels and other models by name,
and into unpickling. A folder that asks for any of that is refused here, and only weights that were checked
here are handed over, tensor by tensor.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.huggingface_weights import listed_weights
from assay.intake.limits import MAX_CONFIG, MAX_LAYERS
from assay.intake.model_files import read_json
from assay.intake.tokenizer_files import check_tokenizer

__all__ = ["HEADS", "Head", "HuggingFaceFiles", "check_huggingface", "is_transformer"]

Kind = Literal["text", "image", "language"]


class Head(NamedTuple):
    """A kind of network that is audited, and the auto class of transformers that lists which there are."""

    kind: Kind
    what: str
    auto: str
    suffixes: tuple[str, ...]


HEADS: tuple[Head, ...] = (
    Head("text", "text classifier", "AutoModelForSequenceClassification", ("ForSequenceClassification",)),
    Head(
        "image",
        "image classifier",
        "AutoModelForImageClassification",
        ("ForImageClassification", "ForImageClassificationWithTeacher"),
    ),
    Head("language", "causal language model", "AutoModelForCausalLM", ("ForCausalLM", "GPT2LMHeadModel")),
)
_MAX_SIZE = 16 * 1024 * 1024
"""No width, vocabulary or number of labels is larger."""
_REFUSED_KEYS = {
    "auto_map": "names Python code of its own (auto_map), which Assay never runs. Use an architecture that "
    "transformers itself ships",
    "trust_remote_code": "asks for remote code, which Assay never runs. Use an architecture that "
    "transformers itself ships",
    "quantization_config": "is quantised; Assay reads plain weights. Save it dequantised",
    "compression_config": "is compressed; Assay reads plain weights. Save it decompressed",
    "fusion_config": "asks for fused modules; take fusion_config out",
    "kernel_config": "asks for kernels from the hub; take kernel_config out",
    "transformers_weights": "names another file for its weights; take transformers_weights out",
    "distributed_config": "is set up for several machines; take distributed_config out",
}
_TRUE_KEYS = {
    "use_timm_backbone": "takes its network from another library (timm), which Assay does not use",
    "use_pretrained_backbone": "takes weights from the hub; save them with the model",
}
_DROPPED_KEYS = (
    *("_name_or_path", "name_or_path", "attn_implementation", "_attn_implementation"),
    *("_attn_implementation_internal", "experts_implementation", "_experts_implementation"),
    *("torch_dtype", "dtype", "use_kernels"),
)
"""What a folder may say and Assay decides itself."""


def is_transformer(path: Path) -> bool:
    """Whether the folder has a config.json that names a kind of transformer."""
    if not (path / "config.json").is_file():
        return False
    try:
        config = read_json(path / "config.json", MAX_CONFIG)
    except BadInput:
        return False
    return isinstance(config, dict) and ("model_type" in config or "architectures" in config)


class HuggingFaceFiles(NamedTuple):
    """`config` without what Assay decides itself; `weights`: tensor name -> the file that holds it."""

    config: dict[str, Any]
    architecture: str
    model_type: str
    head: Head
    weights: dict[str, Path]
    notes: tuple[str, ...]


def check_huggingface(folder: Path) -> HuggingFaceFiles:
    """What the folder holds.

    Raises:
        BadInput: a head that is not audited, code of its own, weights only as pickles or in another format,
            damaged or overlapping safetensors, an index that lies, no tokenizer where one is needed,
            an adapter beside a whole model.
    """
    name = visible(folder.name)
    config = read_json(folder / "config.json", MAX_CONFIG)
    if not isinstance(config, dict):
        raise BadInput(f"{name}/config.json is no JSON object.")
    _refuse_config(name, config)
    if (folder / "adapter_config.json").exists():
        raise BadInput(
            f"{name} holds a model and an adapter in one folder. Put the adapter in a folder of its own and "
            "name this one with --base, or merge it (merge_and_unload) and save the whole."
        )
    architecture, head = _architecture(name, config)
    weights, notes = listed_weights(folder, head.auto)
    if head.kind != "image":
        check_tokenizer(folder, pieces=head.kind == "language")
    kept = {key: value for key, value in config.items() if key not in _DROPPED_KEYS}
    return HuggingFaceFiles(kept, architecture, str(config.get("model_type")), head, weights, notes)


def _refuse_config(name: str, config: dict[str, Any]) -> None:
    for key, value in entries(config):
        if key in _REFUSED_KEYS:
            raise BadInput(f"{name}/config.json {_REFUSED_KEYS[key]}.")
        if key in _TRUE_KEYS and value:
            raise BadInput(f"{name}/config.json {_TRUE_KEYS[key]}.")
        if key.rpartition("_")[2] in ("layers", "layer") and isinstance(value, int) and value > MAX_LAYERS:
            raise BadInput(f"{name}/config.json claims {value:,} {key}; at most {MAX_LAYERS:,} are built.")
        if key.rpartition("_")[2] in ("size", "labels", "embeddings", "dim") and _huge(value):
            raise BadInput(
                f"{name}/config.json claims {value:,} as its {visible(key[:60])}; at most {_MAX_SIZE:,} are "
                "built."
            )


def _huge(value: Any) -> bool:
    return isinstance(value, int) and value > _MAX_SIZE


def _architecture(name: str, config: dict[str, Any]) -> tuple[str, Head]:
    listed = config.get("architectures")
    found = listed if isinstance(listed, list) else []
    if len(found) != 1 or not isinstance(found[0], str) or not isinstance(config.get("model_type"), str):
        raise BadInput(f'{name}/config.json must name one architecture and its "model_type".')
    architecture = str(found[0])
    for head in HEADS:
        if architecture.endswith(head.suffixes):
            return architecture, head
    audited = ", ".join(f"{head.what}s (…{head.suffixes[0]})" for head in HEADS)
    raise BadInput(
        f"{name} is a {visible(architecture[:80])}; Assay audits {audited}. Train a classification head on "
        "it first."
    )


def entries(value: Any, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Every key of nested objects with its value."""
    if depth > 8:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key), inner
            yield from entries(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from entries(inner, depth + 1)
