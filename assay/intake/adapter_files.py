"""A PEFT adapter folder, looked at before its weights are: LoRA of matrices, nothing that needs code.

Which weights an adapter changes is read from the names of its own tensors; it is refused where its
configuration leaves one of them out (adapter_targets.py). The model that it names is never fetched.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.adapter_targets import BadTargets, Targets
from assay.intake.model_files import read_json
from assay.intake.safetensors_header import check_safetensors

__all__ = ["CONFIG", "OVER", "LoraFiles", "Update", "check_adapter", "is_adapter", "made_for"]

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
OVER = ("huggingface",)
"""Formats that the model below an adapter may have."""
_MAX_CONFIG = 1 * 1024 * 1024
_PREFIX = "base_model.model."
_TYPES = ("LORA",)
_SAID_BY_THE_WEIGHTS = frozenset(
    {
        *("base_model_name_or_path", "revision", "peft_type", "peft_version", "task_type", "inference_mode"),
        *("target_modules", "exclude_modules", "modules_to_save", "layers_to_transform", "layers_pattern"),
        *("r", "rank_pattern", "lora_alpha", "lora_dropout", "use_rslora", "fan_in_fan_out"),
        *("megatron_core", "qalora_group_size", "runtime_config", "ensure_weight_tying"),
        *("bias", "init_lora_weights", "auto_mapping"),
    }
)
"""Keys that Assay uses, or need not follow; every other one must be empty."""
_MAX_ALPHA = 1e6


class Update(NamedTuple):
    """Names of the two factors of one matrix's change."""

    down: str
    up: str


class LoraFiles(NamedTuple):
    """What the adapter changes: base weight -> its factors, or the tensor that replaces it."""

    weights: Path
    updates: dict[str, Update]
    replaced: dict[str, str]
    ranks: dict[str, int]
    alpha: float
    root: bool
    """Whether the change is scaled by alpha / sqrt(r) (rsLoRA) instead of alpha / r."""
    made_for: str | None

    def scale(self, weight: str) -> float:
        rank = self.ranks[weight]
        return self.alpha / (math.sqrt(rank) if self.root else rank)


def is_adapter(path: Path) -> bool:
    """Whether the folder holds an adapter and no whole model."""
    return (path / CONFIG).is_file() and not (path / "config.json").exists()


def made_for(path: Path) -> str | None:
    """The model that the adapter says it was made for, without folders of somebody's machine."""
    try:
        found = read_json(path / CONFIG, _MAX_CONFIG)
    except BadInput:
        return None
    said = found.get("base_model_name_or_path") if isinstance(found, dict) else None
    if not isinstance(said, str) or not said:
        return None
    local = said.startswith(("/", ".", "~")) or "\\" in said or said.count("/") > 1
    return visible((said.replace("\\", "/").rstrip("/").rpartition("/")[2] if local else said)[:120])


def check_adapter(folder: Path) -> LoraFiles:
    """What the adapter changes, and by how much.

    Raises:
        BadInput: another kind than LoRA, an option that Assay does not apply, code, weights as a pickle,
            tensors that are no pair of factors and no weight.
    """
    name = visible(folder.name)
    config = read_json(folder / CONFIG, _MAX_CONFIG)
    if not isinstance(config, dict):
        raise BadInput(f"{name}/{CONFIG} is no JSON object.")
    _check_options(name, config)
    if not (folder / WEIGHTS).is_file():
        pickled = (folder / "adapter_model.bin").exists()
        what = "its weights only as a pickle (adapter_model.bin)" if pickled else f"no {WEIGHTS}"
        raise BadInput(f"{name} has {what}; save it again with save_pretrained(safe_serialization=True).")
    tensors = check_safetensors(folder / WEIGHTS)
    down, up, replaced = _sorted(name, tensors)
    _check_targets(name, config, down, replaced)
    ranks = {weight: _rank(name, weight, tensors[down[weight]][1], tensors[up[weight]][1]) for weight in down}
    return LoraFiles(
        folder / WEIGHTS,
        {weight: Update(down[weight], up[weight]) for weight in down},
        replaced,
        ranks,
        _alpha(name, config),
        config.get("use_rslora") is True,
        made_for(folder),
    )


def _check_options(name: str, config: dict[str, Any]) -> None:
    kind = config.get("peft_type")
    if kind not in _TYPES:
        raise BadInput(
            f"{name} is an adapter of the kind {visible(str(kind)[:40])}; Assay applies {', '.join(_TYPES)}. "
            "Merge it (merge_and_unload), then save the whole model."
        )
    mapping = config.get("auto_mapping")
    library = mapping.get("parent_library") if isinstance(mapping, dict) else None
    if mapping and not str(library).startswith("transformers."):
        raise BadInput(
            f"{name}/{CONFIG} names Python code of its own (auto_mapping), which Assay never runs."
        )
    if config.get("bias", "none") != "none":
        raise BadInput(f"{name}/{CONFIG} trains biases too; merge the adapter, then save the whole model.")
    if config.get("init_lora_weights", True) not in (True, False, None, "gaussian"):
        raise BadInput(
            f"{name}/{CONFIG} changes the base model when it starts (init_lora_weights "
            f'"{visible(str(config["init_lora_weights"])[:40])}"); merge it, then save the whole model.'
        )
    for key, value in config.items():
        if key not in _SAID_BY_THE_WEIGHTS and value:
            raise BadInput(
                f"{name}/{CONFIG} asks for {visible(key[:60])}, which Assay does not apply. Merge it "
                "(merge_and_unload), then save the whole model."
            )


def _check_targets(
    name: str, config: dict[str, Any], changed: Collection[str], replaced: Collection[str]
) -> None:
    """PEFT must use every tensor, and none but as what it is here."""
    try:
        targets = Targets(config)
    except BadTargets as error:
        raise BadInput(f"{name}/{CONFIG} {error}. Merge the adapter, then save the whole model.") from None
    for weight in changed:
        if not targets.has(weight.removesuffix(".weight")):
            raise BadInput(
                f'{name} has factors for "{visible(weight[:80])}", which its {CONFIG} leaves out '
                "(target_modules, exclude_modules, layers_to_transform, modules_to_save): PEFT would not "
                "apply them."
            )
    for weight in replaced:
        if targets.has(weight.rpartition(".")[0]):
            raise BadInput(
                f'{name} replaces "{visible(weight[:80])}", of which its {CONFIG} says that it is changed by '
                "factors: PEFT would not apply it."
            )


def _alpha(name: str, config: dict[str, Any]) -> float:
    alpha = config.get("lora_alpha", 8)
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0 < alpha <= _MAX_ALPHA:
        raise BadInput(f"{name}/{CONFIG}: lora_alpha must be a number above 0 and at most {_MAX_ALPHA:,.0f}.")
    return float(alpha)


def _sorted(
    name: str, tensors: dict[str, tuple[str, tuple[int, ...]]]
) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Tensors by what they are: factors by the weight that they change, and whole weights."""
    down: dict[str, str] = {}
    up: dict[str, str] = {}
    replaced: dict[str, str] = {}
    for key in tensors:
        if not key.startswith(_PREFIX):
            raise BadInput(f'{name}: "{visible(key[:80])}" is no tensor of a LoRA adapter of a transformer.')
        inner = key.removeprefix(_PREFIX)
        if inner.endswith(".lora_A.weight"):
            down[inner.removesuffix("lora_A.weight") + "weight"] = key
        elif inner.endswith(".lora_B.weight"):
            up[inner.removesuffix("lora_B.weight") + "weight"] = key
        elif "lora_" in inner:
            raise BadInput(
                f'{name}: "{visible(key[:80])}" is a change that Assay does not apply (only lora_A and '
                "lora_B of matrices). Merge the adapter, then save the whole model."
            )
        else:
            replaced[inner] = key
    alone = down.keys() ^ up.keys()
    if alone:
        raise BadInput(f'{name}: "{visible(min(alone)[:80])}" has one of its two factors only.')
    twice = down.keys() & replaced.keys()
    if twice:
        raise BadInput(f'{name}: "{visible(min(twice)[:80])}" is both changed and replaced.')
    if not tensors:
        raise BadInput(f"{name} is an adapter without weights.")
    return down, up, replaced


def _rank(name: str, weight: str, down: tuple[int, ...], up: tuple[int, ...]) -> int:
    if len(down) != 2 or len(up) != 2 or down[0] != up[1] or min(*down, *up) < 1:
        raise BadInput(
            f'{name}: the factors of "{visible(weight[:80])}", {down} and {up}, do not make a matrix.'
        )
    return down[0]
