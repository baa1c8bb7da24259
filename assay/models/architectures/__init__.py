"""The fixed list of architectures that a torch_folder may name. One file each."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from assay.errors import BadInput, nearest, unknown_setting
from assay.intake.limits import MAX_LAYERS

if TYPE_CHECKING:
    import torch

__all__ = ["ARCHITECTURES", "build", "check_config"]

ARCHITECTURES = {
    name: f"assay.models.architectures.{name}"
    for name in ("mlp", "cnn", "resnet", "lstm", "gru", "autoencoder")
}
"""Id -> module with a pydantic `Config` and a `build(config) -> torch.nn.Module`."""


def check_config(name: str, config: dict[str, Any]) -> BaseModel:
    """The architecture's sizes, checked. Raises BadInput for an unknown id or sizes out of range."""
    if name not in ARCHITECTURES:
        close = nearest(name, ARCHITECTURES)
        raise BadInput(
            f'There is no architecture "{name}"; there are {", ".join(ARCHITECTURES)}.'
            + (f" Close to it: {close}." if close else "")
        )
    for key, value in config.items():
        if isinstance(value, list | tuple) and len(value) > MAX_LAYERS:
            raise BadInput(f"architecture {name}: {key}: at most {MAX_LAYERS:,} layers are built.")
    checked: type[BaseModel] = import_module(ARCHITECTURES[name]).Config
    try:
        return checked.model_validate(config)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "config"
        if first["type"] == "extra_forbidden":
            raise BadInput(unknown_setting(f"architecture {name}", where, checked.model_fields)) from error
        raise BadInput(f"architecture {name}: {where}: {first['msg']}.") from error


def build(name: str, config: dict[str, Any]) -> torch.nn.Module:
    """A network of that architecture with fresh weights (seed torch before)."""
    checked = check_config(name, config)
    module: torch.nn.Module = import_module(ARCHITECTURES[name]).build(checked)
    return module
