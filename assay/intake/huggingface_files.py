"""A Hugging Face folder, looked at before transformers sees it: what it claims to be, and its weights.

transformers can be talked into running code (`auto_map`), into fetching kernels and other models by name,
and into unpickling. A folder that asks for any of that is refused here, and only weights that were checked
here are handed over, tensor by tensor.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.limits import MAX_CONFIG, MAX_LAYERS
from assay.intake.model_files import read_json
from assay.intake.safetensors_header import check_safetensors

__all__ = ["HEAD", "HuggingFaceFiles", "check_huggingface", "is_transformer"]

HEAD = "ForSequenceClassification"
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
_OTHER_WEIGHTS = (".h5", ".msgpack", ".onnx", ".gguf", ".ot")
_CONVERT = (
    "Load it where you trust it and save it again: "
    "AutoModelForSequenceClassification.from_pretrained(OLD).save_pretrained(NEW), the tokenizer likewise."
)
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
        config = read_json(path / "config.json")
    except BadInput:
        return False
    return isinstance(config, dict) and ("model_type" in config or "architectures" in config)


class HuggingFaceFiles(NamedTuple):
    """`config` without what Assay decides itself; `weights` in the order of their names."""

    config: dict[str, Any]
    architecture: str
    model_type: str
    weights: tuple[Path, ...]
    notes: tuple[str, ...]


def check_huggingface(folder: Path) -> HuggingFaceFiles:
    """What the folder holds.

    Raises:
        BadInput: no classification head, code of its own, weights only as pickles or in another format,
            damaged safetensors, no fast tokenizer, an adapter without its model.
    """
    name = visible(folder.name)
    config = read_json(folder / "config.json", MAX_CONFIG)
    if not isinstance(config, dict):
        raise BadInput(f"{name}/config.json is no JSON object.")
    _refuse_code(folder, name, config)
    architecture = _architecture(name, config)
    for key, value in _entries(config):
        if key.rpartition("_")[2] in ("layers", "layer") and isinstance(value, int) and value > MAX_LAYERS:
            raise BadInput(f"{name}/config.json claims {value:,} {key}; at most {MAX_LAYERS:,} are built.")
    weights, notes = _weights(folder, name)
    seen: set[str] = set()
    for path in weights:
        doubled = seen & set(tensors := check_safetensors(path))
        if doubled:
            raise BadInput(f'{name}: "{visible(min(doubled)[:80])}" stands in two of its weight files.')
        seen |= set(tensors)
    _refuse_no_tokenizer(folder, name)
    kept = {key: value for key, value in config.items() if key not in _DROPPED_KEYS}
    return HuggingFaceFiles(kept, architecture, str(config.get("model_type")), weights, notes)


def _refuse_code(folder: Path, name: str, config: dict[str, Any]) -> None:
    for key, _ in _entries(config):
        if key in _REFUSED_KEYS:
            raise BadInput(f"{name}/config.json {_REFUSED_KEYS[key]}.")
    if (folder / "tokenizer_config.json").is_file():
        settings = read_json(folder / "tokenizer_config.json")
        for key, _ in _entries(settings):
            if key in ("auto_map", "trust_remote_code"):
                raise BadInput(f"{name}/tokenizer_config.json {_REFUSED_KEYS[key]}.")
    if (folder / "adapter_config.json").exists():
        raise BadInput(
            f"{name} holds an adapter for another model. Merge it (merge_and_unload), then save the whole."
        )


def _architecture(name: str, config: dict[str, Any]) -> str:
    listed = config.get("architectures")
    found = listed if isinstance(listed, list) else []
    if len(found) != 1 or not isinstance(found[0], str) or not isinstance(config.get("model_type"), str):
        raise BadInput(f'{name}/config.json must name one architecture and its "model_type".')
    architecture = str(found[0])
    if not architecture.endswith(HEAD):
        raise BadInput(
            f"{name} is a {visible(architecture[:80])}; Assay audits text classifiers (…{HEAD}). "
            "Train a classification head on it first."
        )
    return architecture


def _weights(folder: Path, name: str) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    members = sorted(member for member in folder.iterdir() if member.is_file())
    whole = [member for member in members if member.name == "model.safetensors"]
    found = whole or [m for m in members if m.suffix == ".safetensors" and m.name.startswith("model-")]
    pickles = [m.name for m in members if m.suffix in _PICKLES and m.name != "training_args.bin"]
    others = [m.name for m in members if m.suffix in _OTHER_WEIGHTS]
    if not found and pickles:
        raise BadInput(
            f"{name} has its weights only as a pickle ({visible(pickles[0])}), which can run code when "
            f"opened. {_CONVERT}"
        )
    if not found:
        what = f"only {visible(others[0])}" if others else "none"
        raise BadInput(f"{name} has no model.safetensors ({what} of the weights Assay knows). {_CONVERT}")
    index = folder / "model.safetensors.index.json"
    if not whole and index.is_file():
        listed = read_json(index)
        mapped = listed.get("weight_map") if isinstance(listed, dict) else None
        wanted = set(map(str, mapped.values())) if isinstance(mapped, dict) else set()
        if wanted != {member.name for member in found}:
            raise BadInput(f"{name}: its weight files are not those that {index.name} lists.")
    unread = ", ".join(visible(other) for other in [*pickles, *others][:5])
    notes = (f"{name}: {unread} lay beside the safetensors and stayed unopened.",) if unread else ()
    return tuple(found), notes


def _refuse_no_tokenizer(folder: Path, name: str) -> None:
    there = {member.name for member in folder.iterdir() if member.is_file()}
    if "tokenizer.json" in there:
        read_json(folder / "tokenizer.json")
    elif "vocab.txt" not in there and not {"vocab.json", "merges.txt"} <= there:
        raise BadInput(
            f"{name} has no fast tokenizer (tokenizer.json, vocab.txt, or vocab.json with merges.txt). "
            "Save it there with tokenizer.save_pretrained."
        )


def _entries(value: Any, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Every key of nested objects with its value."""
    if depth > 8:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key), inner
            yield from _entries(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _entries(inner, depth + 1)
