"""A transformer and its tokenizer from checked files: no code of theirs, no network, no pickle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.huggingface_files import HuggingFaceFiles

if TYPE_CHECKING:
    import torch

__all__ = ["first_line", "load_network", "load_tokenizer"]


def load_network(files: HuggingFaceFiles, name: str) -> Any:
    """The network with the folder's weights. Raises BadInput where they do not fill it."""
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForSequenceClassification
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    from transformers.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # likewise
    try:
        config = CONFIG_MAPPING[files.model_type].from_dict(files.config)
        network: Any = AutoModelForSequenceClassification._model_mapping[type(config)]
    except KeyError:
        raise BadInput(
            f'{name}: transformers ships no text classifier of type "{visible(files.model_type[:60])}".'
        ) from None
    except Exception as error:
        raise BadInput(f"{name}/config.json is no sound configuration: {first_line(error)}.") from error
    if network.__name__ != files.architecture:
        raise BadInput(
            f"{name}: a {visible(files.model_type[:60])} classifier is a {network.__name__} in transformers, "
            f"not a {visible(files.architecture[:80])}."
        )
    weights: dict[str, torch.Tensor] = {}
    for path in files.weights:
        weights.update(load_file(path))
    for key, tensor in weights.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor.float()).all()):
            raise BadInput(f'{name}: "{visible(key)}" holds NaN or infinite weights; training went wrong.')
    try:
        module, report = network.from_pretrained(
            None,
            config=config,
            state_dict=weights,
            attn_implementation="eager",
            dtype=torch.float32,
            local_files_only=True,
            output_loading_info=True,
        )
    except Exception as error:
        raise BadInput(f"{name}: its weights do not fit its config.json: {first_line(error)}.") from error
    missing = sorted(report["missing_keys"])
    if missing:
        raise BadInput(
            f'{name}: its weights lack "{visible(missing[0])}", so these are not weights of this '
            f"{files.architecture}. A head that was never trained must not be audited."
        )
    foreign = sorted(report["unexpected_keys"])
    if foreign:
        raise BadInput(
            f'{name}: its weights have "{visible(foreign[0])}", which a {files.architecture} has not.'
        )
    return module


def load_tokenizer(folder: Path, config: Any, name: str) -> Any:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            str(folder.resolve()),
            config=config,
            local_files_only=True,
            trust_remote_code=False,
            use_fast=True,
        )
    except Exception as error:
        raise BadInput(f"{name}: its tokenizer cannot be loaded: {first_line(error)}.") from error
    if not tokenizer.is_fast:
        raise BadInput(f"{name}: its tokenizer is a slow one; save it with a tokenizer.json.")
    if tokenizer.pad_token is None:
        if tokenizer.eos_token is None:
            raise BadInput(f"{name}: its tokenizer has neither a padding token nor an end token.")
        tokenizer.pad_token = tokenizer.eos_token
    if config.pad_token_id is None:
        config.pad_token_id = tokenizer.pad_token_id
    return tokenizer


def first_line(error: BaseException) -> str:
    """The first line of a library's message, fit to be printed."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return visible((lines[0] if lines else type(error).__name__)[:200]).rstrip(".:")
