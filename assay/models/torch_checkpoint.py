"""torch_checkpoint: a file of torch.save with the weights of an architecture that Assay has; class B.

Taken apart without torch or pickle (`assay.intake.torch_saved`), told by names and shapes, and written anew
as a torch_folder. Nothing of what came in is ever loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.contracts import FormatSpec, ImageInput, InputColumn, ModelSignature
from assay.datasets.values import visible
from assay.errors import BadInput, Internal
from assay.intake.model_files import read_signature, the_file
from assay.intake.torch_saved import SavedTensors, looks_like_torch_saved, read_saved

if TYPE_CHECKING:
    import torch

    from assay.intake.torch_pickle import StoredTensor
    from assay.models.architectures.recognise import Recognised
    from assay.models.base import Model

__all__ = ["FORMAT", "TorchCheckpoint", "infer_signature", "tensor_of"]

SIGNATURE = "signature.json"
_OTHERS = ("config.json", "architecture.json")
"""Marks of formats in which a pickle beside the weights stays unopened."""
_SQUARES = {1: 28, 3: 32}
"""Side of the images that a network of that many channels is taken to read: MNIST's and CIFAR's."""


class TorchCheckpoint:
    """Weights in a pickle that is never unpickled."""

    spec = FormatSpec(
        id="torch_checkpoint",
        title="torch checkpoint",
        recognised_by="a file of torch.save (zip with data.pkl, or the layout before torch 1.6) with a state "
        "dict, alone or in a folder beside signature.json",
        trust="B",
        modalities=("table", "image"),
    )

    def recognise(self, path: Path) -> bool:
        return _file(path) is not None

    def clean(self, path: Path, signature: ModelSignature | None, into: Path) -> Sequence[str]:
        from assay.models.architectures import build
        from assay.models.architectures.recognise import recognise
        from assay.models.torch_folder import write_torch_folder

        file = _file(path)
        if file is None:
            raise Internal(f"{path.name} is no torch checkpoint.")
        shown = visible(file.name)
        own = file.parent / SIGNATURE
        beside = read_signature(own) if file != path and own.is_file() else None
        told = signature or beside
        saved = read_saved(file, shown)
        shapes = {name: tensor.shape for name, tensor in saved.tensors.items()}
        found = recognise(shapes, told.image if told is not None else None)
        if found is None:
            raise _unknown(shown, shapes)
        described, inferred = (told, ()) if told is not None else infer_signature(found, shown)
        module = build(found.id, found.config)
        notes = _fill(module, saved, shown)
        write_torch_folder(into, module.eval(), found.id, found.config, described)
        count = sum(parameter.numel() for parameter in module.parameters())
        return (
            f"{len(saved.tensors):,} tensors were read from {shown} without unpickling it and written anew "
            f"as safetensors: {found.id}, {count:,} parameters, in float32.",
            *saved.notes,
            *notes,
            *found.notes,
            *inferred,
        )

    def load(self, path: Path, signature: ModelSignature | None, device: str) -> Model:
        raise Internal("A torch checkpoint is cleaned into a torch_folder, never loaded.")


def _file(path: Path) -> Path | None:
    """The checkpoint at `path`; None where other weights or a transformer's config lie beside it."""
    if path.is_dir() and any(
        member.suffix == ".safetensors" or member.name in _OTHERS for member in path.iterdir()
    ):
        return None
    return the_file(path, looks_like_torch_saved)


def infer_signature(found: Recognised, shown: str) -> tuple[ModelSignature, tuple[str, ...]]:
    """What a network of that architecture reads and answers, as far as its sizes tell, said in sentences.

    Raises BadInput: an architecture whose inputs cannot be told (recurrent networks, autoencoders).
    """
    config = found.config
    if found.id in ("lstm", "gru", "autoencoder"):
        raise BadInput(
            f"{shown} holds the weights of {'a' if found.id == 'gru' else 'an'} {found.id}, which do not "
            "tell what it reads and answers; put a signature.json beside it or pass --signature "
            "(docs/models.md)."
        )
    if config["outputs"] < 2:
        raise BadInput(
            f"{shown} holds a network with one output, which weights do not explain; put a signature.json "
            "beside it or pass --signature (docs/models.md)."
        )
    classes = tuple(str(place) for place in range(config["outputs"]))
    told: dict[str, Any] = {
        "task": "binary" if len(classes) == 2 else "multiclass",
        "output": "logit",
        "classes": classes,
    }
    named = f'Its classes are called "0" to "{len(classes) - 1}" in the order of its outputs'
    correct = "; a signature.json beside it or --signature says otherwise."
    if found.id == "mlp":
        told["columns"] = tuple(
            InputColumn(name=f"f{place}", kind="number", encoding="identity")
            for place in range(config["inputs"])
        )
        reads = f"it is taken to read plain numbers from columns f0 to f{config['inputs'] - 1}"
    else:
        image = _image(found)
        told["image"] = image
        reads = (
            f"it is taken to read images of {image.channels} x {image.height} x {image.width} in [0, 1], "
            "neither centred nor scaled"
        )
    sentence = f"{named}, and {reads}: assumed, for the file does not say{correct}"
    return ModelSignature.model_validate(told), (sentence,)


def _image(found: Recognised) -> ImageInput:
    channels = found.config["channels"]
    if "height" in found.config:
        return ImageInput(
            channels=channels, height=found.config["height"], width=found.config["width"], **_plain(channels)
        )
    side = _SQUARES.get(channels, 32)
    return ImageInput(channels=channels, height=side, width=side, **_plain(channels))


def _plain(channels: int) -> dict[str, Any]:
    return {"mean": (0.0,) * channels, "scale": (1.0,) * channels}


def _fill(module: torch.nn.Module, saved: SavedTensors, shown: str) -> tuple[str, ...]:
    """Copy the weights in, as float32. Raises BadInput for weights that are not finite."""
    import torch

    kinds: set[str] = set()
    wanted = module.state_dict()
    with torch.no_grad():
        for name, target in wanted.items():
            if name not in saved.tensors:
                target.zero_()
                continue
            tensor = tensor_of(saved.tensors[name], saved.read(saved.tensors[name].storage))
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                raise BadInput(
                    f'{shown}: "{visible(name)}" holds NaN or infinite weights; training went wrong.'
                )
            kinds.add(saved.tensors[name].storage.dtype)
            target.copy_(tensor)
            if target.is_floating_point() and not bool(torch.isfinite(target).all()):
                raise BadInput(f'{shown}: "{visible(name)}" holds weights that are too large for float32.')
    lacking = [name for name in wanted if name not in saved.tensors]
    notes = []
    if kinds & {"float16", "bfloat16", "float64"}:
        other = ", ".join(sorted(kinds & {"float16", "bfloat16", "float64"}))
        notes.append(f"Weights in {other} were turned into float32.")
    if lacking:
        notes.append("The counters of batches that batch norm keeps were not in it; answers never use them.")
    return tuple(notes)


def tensor_of(stored: StoredTensor, content: bytes) -> torch.Tensor:
    """The numbers of a tensor, copied out of its storage."""
    import torch

    kind: torch.dtype = getattr(torch, stored.storage.dtype)
    if not stored.elements:
        return torch.zeros(stored.shape, dtype=kind)
    flat = torch.frombuffer(bytearray(content), dtype=kind)
    return flat.as_strided(stored.shape, stored.stride, stored.offset).clone()


def _unknown(shown: str, shapes: Mapping[str, tuple[int, ...]]) -> BadInput:
    from assay.models.architectures import ARCHITECTURES

    names = ", ".join(f'"{visible(name[:40])}"' for name in list(shapes)[:3])
    return BadInput(
        f"{shown} holds {len(shapes):,} tensors ({names}, …) that are not the weights of an architecture "
        f"that Assay has ({', '.join(ARCHITECTURES)}; docs/models.md lists their names). Where you trust the "
        "model, assay convert writes it as ONNX or .pt2."
    )


FORMAT = TorchCheckpoint()
