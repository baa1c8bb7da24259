"""Which file of a Hugging Face folder holds which tensor: one file, or shards that an index lists.

Every shard lies in the folder itself, is listed, and holds exactly the tensors that the index gives it, so
that every weight is there once. Only headers are read; tensors stay on disk until the network takes them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.model_files import read_json
from assay.intake.safetensors_header import check_safetensors

__all__ = ["INDEX", "listed_weights"]

INDEX = "model.safetensors.index.json"
_WHOLE = "model.safetensors"
_MAX_SHARDS = 1_000
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
_OTHERS = (".h5", ".msgpack", ".onnx", ".gguf", ".ot")


def listed_weights(folder: Path, auto: str) -> tuple[dict[str, Path], tuple[str, ...]]:
    """Tensor name -> its file, and what lay beside the weights unopened.

    Args:
        auto: the auto class of transformers that would save the model anew; for the way out.

    Raises:
        BadInput: no safetensors; shards without an index or with a lying one; damaged headers.
    """
    name = visible(folder.name)
    members = sorted(member for member in folder.iterdir() if member.is_file())
    pickles = [m.name for m in members if m.suffix in _PICKLES and m.name != "training_args.bin"]
    others = [m.name for m in members if m.suffix in _OTHERS]
    shards = {m.name: m for m in members if m.suffix == ".safetensors" and m.name.startswith("model-")}
    whole = folder / _WHOLE
    unread = [*pickles, *others]
    if whole.is_file():
        weights = dict.fromkeys(check_safetensors(whole), whole)
        unread += [*shards, *([INDEX] if (folder / INDEX).exists() else [])]
    elif shards or (folder / INDEX).exists():
        weights = _sharded(folder, name, shards)
    else:
        raise _none(name, pickles, others, auto)
    shown = ", ".join(visible(other) for other in unread[:5])
    return weights, ((f"{name}: {shown} lay beside the safetensors and stayed unopened.",) if shown else ())


def _sharded(folder: Path, name: str, shards: dict[str, Path]) -> dict[str, Path]:
    if not (folder / INDEX).is_file():
        raise BadInput(
            f"{name} has its weights in {len(shards)} files but no {INDEX} that lists them; save it again "
            "with save_pretrained."
        )
    mapped = _mapped(folder, name)
    wanted = set(mapped.values())
    if wanted != set(shards):
        odd = visible(min(wanted ^ set(shards))[:80])
        where = "is listed there but is not in the folder" if odd in wanted else "is not listed there"
        raise BadInput(f"{name}: its weight files are not those that {INDEX} lists: {odd} {where}.")
    found: dict[str, Path] = {}
    for file in sorted(shards):
        for tensor in check_safetensors(shards[file]):
            shown = visible(tensor[:80])
            if tensor in found:
                raise BadInput(f'{name}: "{shown}" stands in two of its weight files.')
            if mapped.get(tensor) != file:
                said = f"gives it to {visible(mapped[tensor])}" if tensor in mapped else "does not list it"
                raise BadInput(f'{name}: "{shown}" stands in {visible(file)}, but {INDEX} {said}.')
            found[tensor] = shards[file]
    lacking = mapped.keys() - found.keys()
    if lacking:
        tensor = min(lacking)
        raise BadInput(
            f'{name}: {INDEX} lists "{visible(tensor[:80])}" in {visible(mapped[tensor])}, which has no such '
            "tensor."
        )
    return found


def _mapped(folder: Path, name: str) -> dict[str, str]:
    """The index: tensor name -> plain file name."""
    listed = read_json(folder / INDEX)
    mapped: Any = listed.get("weight_map") if isinstance(listed, dict) else None
    if not isinstance(mapped, dict) or not mapped:
        raise BadInput(f'{name}/{INDEX} has no "weight_map" from tensors to files.')
    for tensor, file in mapped.items():
        plain = isinstance(file, str) and file.endswith(".safetensors") and file == Path(file).name
        if not plain or "\\" in file or not file.isprintable():
            raise BadInput(
                f'{name}/{INDEX} sends "{visible(str(tensor)[:80])}" to "{visible(str(file)[:80])}"; a shard '
                "is a .safetensors file in the same folder."
            )
    if len(set(mapped.values())) > _MAX_SHARDS:
        raise BadInput(f"{name}/{INDEX} lists more than {_MAX_SHARDS:,} files.")
    return {str(tensor): str(file) for tensor, file in mapped.items()}


def _none(name: str, pickles: list[str], others: list[str], auto: str) -> BadInput:
    convert = (
        f"Load it where you trust it and save it again: {auto}.from_pretrained(OLD).save_pretrained(NEW), "
        "its tokenizer likewise."
    )
    if pickles:
        return BadInput(
            f"{name} has its weights only as a pickle ({visible(pickles[0])}), which can run code when "
            f"opened. {convert}"
        )
    what = f"only {visible(others[0])}" if others else "none"
    return BadInput(f"{name} has no {_WHOLE} ({what} of the weights Assay knows). {convert}")
