"""torch_folder: model.safetensors + signature.json + architecture.json (+ lineage.json)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from assay.contracts import FormatSpec, Frozen, Identifier, Lineage, ModelFacts, ModelSignature
from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.model_files import folder_digest, read_json, read_lineage, read_signature
from assay.intake.safetensors_header import check_safetensors

if TYPE_CHECKING:
    import torch

    from assay.models.torch_model import ArrayNetwork

__all__ = ["FORMAT", "Architecture", "TorchFolder", "write_torch_folder"]

WEIGHTS, SIGNATURE, ARCHITECTURE, LINEAGE = (
    "model.safetensors",
    "signature.json",
    "architecture.json",
    "lineage.json",
)


class Architecture(Frozen):
    """architecture.json: an id from the fixed list (`assay.models.architectures`) and its sizes."""

    schema_id: Literal["assay.architecture/1"] = Field("assay.architecture/1", alias="schema")
    id: Identifier
    config: Mapping[str, Any]
    parameters: Annotated[int, Field(ge=0)] | None = None

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True, serialize_by_alias=True
    )


class TorchFolder:
    """A folder of safetensors whose code Assay itself has: nothing in it can run."""

    spec = FormatSpec(
        id="torch_folder",
        title="torch folder",
        recognised_by=f"a folder with {WEIGHTS}, {SIGNATURE} and {ARCHITECTURE}",
        trust="A",
        modalities=("table", "image"),
    )

    def recognise(self, path: Path) -> bool:
        return (path / ARCHITECTURE).is_file() and (path / WEIGHTS).is_file()

    def load(self, path: Path, signature: ModelSignature | None, device: str) -> ArrayNetwork:
        from safetensors.torch import load_file

        from assay.models.architectures import build
        from assay.models.torch_model import ArrayNetwork, count_parameters

        architecture = _architecture(path)
        found = signature or read_signature(path / SIGNATURE)
        tensors = check_safetensors(path / WEIGHTS)
        _check_shapes(architecture, {key: shape for key, (_, shape) in tensors.items()}, path.name)
        module = build(architecture.id, dict(architecture.config))
        _fill(module, load_file(path / WEIGHTS), path.name)
        parameters, trainable, size = count_parameters(module)
        facts = ModelFacts(
            name=path.name,
            format="torch_folder",
            sha256=folder_digest(path),
            architecture=_in_words(architecture),
            parameters=parameters,
            trainable_parameters=trainable,
            weight_bytes=size,
            dtype="float32",
            device=device,
            lineage=read_lineage(path / LINEAGE),
        )
        model = ArrayNetwork(module, found, facts, architecture=architecture.id, config=architecture.config)
        _try_one_row(model, path.name)
        return model


def write_torch_folder(
    folder: Path,
    module: torch.nn.Module,
    architecture: str,
    config: Mapping[str, Any],
    signature: ModelSignature,
    lineage: Lineage | None = None,
) -> Path:
    """Write a network as a torch_folder (into an existing or new `folder`); returns the folder."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
    save_file(tensors, folder / WEIGHTS)
    count = sum(parameter.numel() for parameter in module.parameters())
    document = Architecture(id=architecture, config=dict(config), parameters=count)
    (folder / ARCHITECTURE).write_text(document.model_dump_json(indent=1, by_alias=True) + "\n")
    (folder / SIGNATURE).write_text(signature.model_dump_json(indent=1, by_alias=True) + "\n")
    if lineage is not None:
        (folder / LINEAGE).write_text(lineage.model_dump_json(indent=1) + "\n")
    return folder


def _architecture(path: Path) -> Architecture:
    try:
        return Architecture.model_validate(read_json(path / ARCHITECTURE))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        raise BadInput(f"{path.name}/{ARCHITECTURE}: {where}: {first['msg']}.") from error


def _check_shapes(architecture: Architecture, tensors: Mapping[str, tuple[int, ...]], name: str) -> None:
    """The weights are those of the architecture: said before any memory of its size is taken.

    Raises BadInput for missing, foreign and misshapen ones.
    """
    import torch

    from assay.models.architectures import build

    with torch.device("meta"):
        wanted = build(architecture.id, dict(architecture.config)).state_dict()
    lacking, foreign = sorted(set(wanted) - set(tensors)), sorted(set(tensors) - set(wanted))
    if lacking or foreign:
        what = (
            f'lacks "{lacking[0]}"'
            if lacking
            else f'has "{visible(foreign[0])}", which the architecture has not'
        )
        raise BadInput(f"{name}/{WEIGHTS} {what}; these are not weights of this {architecture.id}.")
    for key, shape in tensors.items():
        if shape != tuple(wanted[key].shape):
            raise BadInput(
                f'{name}/{WEIGHTS}: "{key}" has shape {shape}; the {architecture.id} that {ARCHITECTURE} '
                f"describes needs {tuple(wanted[key].shape)}."
            )


def _fill(module: torch.nn.Module, tensors: dict[str, torch.Tensor], name: str) -> None:
    """Put the weights in. Raises BadInput for non-finite ones."""
    import torch

    for key, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise BadInput(f'{name}/{WEIGHTS}: "{key}" holds NaN or infinite weights; training went wrong.')
    module.load_state_dict(tensors)


def _try_one_row(model: ArrayNetwork, name: str) -> None:
    """One row of zeros through the network: the signature's width must fit its first layer, and its last."""
    import torch

    signature = model.signature
    if model.encoder is not None:
        shape: tuple[int, ...] = (1, model.encoder.width)
    else:
        assert signature.image is not None
        shape = (1, signature.image.channels, signature.image.height, signature.image.width)
    try:
        with torch.inference_mode():
            found = model.logits(torch.zeros(shape, device=model.device))
    except (RuntimeError, ValueError, IndexError) as error:
        raise BadInput(
            f"{name}: the network cannot take an input of shape {shape[1:]}, which its signature describes "
            f"({str(error).splitlines()[0][:160]})."
        ) from error
    expected = 1 if signature.output == "score" else len(signature.classes)
    if found.shape != (1, expected):
        raise BadInput(
            f"{name}: the network gives {found.shape[-1]} outputs a row, its signature describes {expected} "
            f"({'one score' if signature.output == 'score' else ', '.join(signature.classes[:6])})."
        )


def _in_words(architecture: Architecture) -> str:
    sizes = json.dumps(dict(architecture.config), separators=(", ", " "))
    return f"{architecture.id} {sizes}".replace('"', "")


FORMAT = TorchFolder()
