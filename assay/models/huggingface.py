"""huggingface: transformers that transformers itself ships, as safetensors; no code of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from assay.contracts import BaseModelFacts, FormatSpec, ModelFacts, ModelSignature
from assay.datasets.values import visible
from assay.intake.huggingface_files import HEADS, check_huggingface, is_transformer
from assay.intake.model_files import folder_digest, read_lineage, read_signature
from assay.models.image_classifier import image_classifier
from assay.models.language_model import language_model
from assay.models.text_classifier import text_classifier
from assay.models.torch_model import TorchModel, count_parameters
from assay.models.transformer import Weights, in_words, load_network

if TYPE_CHECKING:
    import torch

__all__ = ["FORMAT", "Change", "HuggingFace", "load_transformer"]

CONFIG, SIGNATURE, LINEAGE = "config.json", "signature.json", "lineage.json"


class Change(Protocol):
    """Alters weights in the network or, where this names them otherwise (False), as the files name them,
    before the network takes them."""

    def in_network(self, module: torch.nn.Module) -> bool: ...

    def in_files(self, weights: Weights) -> None: ...


class HuggingFace:
    """A folder with config.json, safetensors and what its kind of input needs; no code of its own."""

    spec = FormatSpec(
        id="huggingface",
        title="Hugging Face folder",
        recognised_by=f"a folder with {CONFIG} naming a …{', …'.join(head.suffixes[0] for head in HEADS)}, "
        "*.safetensors, and a tokenizer or preprocessor_config.json",
        trust="A",
        modalities=("text", "image"),
    )

    def recognise(self, path: Path) -> bool:
        return is_transformer(path)

    def load(self, path: Path, signature: ModelSignature | None, device: str) -> TorchModel:
        return load_transformer(path, signature, device)


def load_transformer(
    path: Path,
    signature: ModelSignature | None,
    device: str,
    *,
    adapter: Path | None = None,
    change: Change | None = None,
) -> TorchModel:
    """The transformer at `path`, as the kind of model that its head makes it.

    Args:
        adapter, change: a folder beside it that alters its weights, and how: the facts are then its own.

    Raises:
        BadInput: what `check_huggingface`, `load_network` and the kinds refuse.
    """
    folder = path if adapter is None else adapter
    name = visible(folder.name)
    files = check_huggingface(path)
    module = load_network(files, visible(path.name))
    if change is not None and not change.in_network(module):
        module = load_network(files, visible(path.name), change.in_files)
    said = [signature, *(_own(place / SIGNATURE) for place in dict.fromkeys((folder, path)))]
    found = next((one for one in said if one is not None), None)
    config: Any = module.config
    parameters, trainable, size = count_parameters(module)
    facts = ModelFacts(
        name=name,
        format="huggingface" if adapter is None else "huggingface_adapter",
        sha256=folder_digest(folder),
        architecture=in_words(files.architecture, config),
        parameters=parameters,
        trainable_parameters=trainable,
        weight_bytes=size,
        dtype="float32",
        device=device,
        lineage=read_lineage(folder / LINEAGE),
        base=None
        if adapter is None
        else BaseModelFacts(name=visible(path.name), format="huggingface", sha256=folder_digest(path)),
    )
    model = _KINDS[files.head.kind](module, path, found, facts)
    model.notes.extend(files.notes)
    if found is None and model.signature.task != "generation":
        model.notes.append(
            f"{name} came without a signature: its classes {', '.join(model.signature.classes) or 'none'} "
            f"are those of {CONFIG}; --signature says otherwise."
        )
    return model


def _own(path: Path) -> ModelSignature | None:
    return read_signature(path) if path.is_file() else None


_KINDS: dict[str, Callable[..., TorchModel]] = {
    "text": text_classifier,
    "image": image_classifier,
    "language": language_model,
}
FORMAT = HuggingFace()
