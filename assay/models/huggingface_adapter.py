"""huggingface_adapter: a PEFT LoRA adapter, merged into a base model that passes the gate itself."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from assay.contracts import FormatSpec, ModelSignature
from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.adapter_files import OVER, LoraFiles, check_adapter, is_adapter
from assay.models.huggingface import load_transformer
from assay.models.torch_model import TorchModel
from assay.models.transformer import Weights, read_tensors

if TYPE_CHECKING:
    import torch

__all__ = ["FORMAT", "Adapter", "merge"]


class Adapter:
    """A folder with adapter_config.json and adapter_model.safetensors, beside a whole model named apart."""

    spec = FormatSpec(
        id="huggingface_adapter",
        title="PEFT adapter (LoRA)",
        recognised_by="a folder with adapter_config.json and no config.json; its base is named with --base",
        trust="A",
        modalities=("text", "image"),
    )
    over: tuple[str, ...] = OVER

    def recognise(self, path: Path) -> bool:
        return is_adapter(path)

    def load(self, path: Path, signature: ModelSignature | None, device: str) -> TorchModel:
        raise BadInput(f"{visible(path.name)} is an adapter; name the model that it changes with --base.")

    def load_over(self, path: Path, base: Path, signature: ModelSignature | None, device: str) -> TorchModel:
        """The base with the adapter merged into its weights.

        Raises BadInput: an adapter that is refused, or that changes what the base has not.
        """
        name, files = visible(path.name), check_adapter(path)
        model = load_transformer(base, signature, device, adapter=path, change=_Merge(files, name))
        said = f', made for "{files.made_for}" as it says' if files.made_for else ""
        model.notes.append(
            f"{name} is an adapter{said}: it was merged into {visible(base.name)}, changing "
            f"{len(files.updates):,} matrices and replacing {len(files.replaced):,} weights."
        )
        return model


class _Merge:
    """Merges under the names of the base's network or, where transformers renames these, of its files."""

    def __init__(self, files: LoraFiles, name: str) -> None:
        self._files, self._name = files, name

    def in_network(self, module: torch.nn.Module) -> bool:
        import torch
        from transformers.pytorch_utils import Conv1D

        parameters = dict(module.named_parameters())
        if not {*self._files.updates, *self._files.replaced} <= parameters.keys():
            return False
        changed: Weights = {name: weight.detach() for name, weight in parameters.items()}
        stored = {f"{name}.weight" for name, layer in module.named_modules() if isinstance(layer, Conv1D)}
        merge(changed, self._files, self._name, transposed=stored)
        with torch.no_grad():
            for name in (*self._files.updates, *self._files.replaced):
                parameters[name].copy_(changed[name])
        return True

    def in_files(self, weights: Weights) -> None:
        merge(weights, self._files, self._name)


def merge(weights: Weights, files: LoraFiles, name: str, *, transposed: Collection[str] = ()) -> None:
    """Add each change to its weight, in place: W + scale B A.

    Args:
        transposed: weights of layers that store them so (GPT-2's Conv1D), whatever the adapter says of them.

    Raises BadInput: a weight that the base has not, factors of another shape, numbers that are not finite.

    Source: Hu et al. 2022, section 4.1; Kalajdzievski 2023 (scale alpha / sqrt(r)).
    """
    import torch

    tensors = read_tensors(
        dict.fromkeys([key for pair in files.updates.values() for key in pair], files.weights)
        | dict.fromkeys(files.replaced.values(), files.weights),
        name,
    )
    for weight in (*files.updates, *files.replaced):
        if weight not in weights:
            raise BadInput(f'{name} changes "{visible(weight[:80])}", which the base model has not.')
    for weight, (down, up) in files.updates.items():
        change = files.scale(weight) * (tensors[up].float() @ tensors[down].float())
        change = change.T if weight in transposed else change
        if change.shape != weights[weight].shape:
            raise BadInput(
                f'{name} changes "{visible(weight[:80])}" by a matrix of {tuple(change.shape)}; the base has '
                f"{tuple(weights[weight].shape)} there."
            )
        weights[weight] = weights[weight].float() + change
        if not bool(torch.isfinite(weights[weight]).all()):
            raise BadInput(f'{name}: "{visible(weight[:80])}" is not finite once the adapter is merged.')
    for weight, key in files.replaced.items():
        if tensors[key].shape != weights[weight].shape:
            raise BadInput(
                f'{name} replaces "{visible(weight[:80])}" by a tensor of {tuple(tensors[key].shape)}; the '
                f"base has {tuple(weights[weight].shape)} there."
            )
        weights[weight] = tensors[key]


FORMAT = Adapter()
