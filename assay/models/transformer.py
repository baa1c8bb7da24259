"""A transformer and its tokenizer from checked files: no code of theirs, no network, no pickle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.huggingface_files import HuggingFaceFiles

if TYPE_CHECKING:
    import torch

__all__ = ["Weights", "first_line", "in_words", "load_network", "load_tokenizer", "read_tensors"]

Weights = dict[str, "torch.Tensor"]


def load_network(
    files: HuggingFaceFiles, name: str, change: Callable[[Weights], None] | None = None
) -> torch.nn.Module:
    """The network with the folder's weights, in float32, evaluated plainly (eager attention).

    Weights are mapped from their files, so that memory holds them once, as the network's own.

    Args:
        change: alters the weights before the network takes them (an adapter).

    Raises:
        BadInput: a type or architecture that transformers does not ship, weights that do not fill it, have a
            foreign one among them, or are not finite.
    """
    import torch
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    from transformers.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # likewise
    head, kind = files.head, visible(files.model_type[:60])
    try:
        config = CONFIG_MAPPING[files.model_type].from_dict(files.config)
        listed: Any = getattr(transformers, head.auto)._model_mapping[type(config)]
    except KeyError:
        raise BadInput(f'{name}: transformers ships no {head.what} of type "{kind}".') from None
    except Exception as error:
        raise BadInput(f"{name}/config.json is no sound configuration: {first_line(error)}.") from error
    shipped = listed if isinstance(listed, tuple) else (listed,)
    network = next((found for found in shipped if found.__name__ == files.architecture), None)
    if network is None:
        raise BadInput(
            f"{name}: a {kind} as a {head.what} is a {shipped[0].__name__} in transformers, not a "
            f"{visible(files.architecture[:80])}."
        )
    weights = read_tensors(files.weights, name)
    if change is not None:
        change(weights)
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
    found: torch.nn.Module = module
    return found


def read_tensors(files: dict[str, Path], name: str) -> Weights:
    """Every tensor, mapped from its file. Raises BadInput for NaN and infinite ones."""
    import torch
    from safetensors import safe_open

    weights: Weights = {}
    for path in dict.fromkeys(files.values()):
        with safe_open(path, framework="pt") as opened:
            for key in opened.keys():  # noqa: SIM118  # not a mapping
                weights[key] = opened.get_tensor(key)
    for key, tensor in weights.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor.float()).all()):
            raise BadInput(f'{name}: "{visible(key)}" holds NaN or infinite weights; training went wrong.')
    return weights


def load_tokenizer(folder: Path, config: Any, name: str) -> Any:
    """transformers' own tokenizer of the folder. Raises BadInput where there is no fast one."""
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


def in_words(architecture: str, config: Any) -> str:
    """The architecture and its sizes, as far as the configuration says them."""
    sizes = [
        f"{word} {getattr(config, key):,}"
        for word, key in (
            *(("layers", "num_hidden_layers"), ("hidden", "hidden_size")),
            *(("heads", "num_attention_heads"), ("vocabulary", "vocab_size")),
        )
        if isinstance(getattr(config, key, None), int)
    ]
    return f"{architecture}: {', '.join(sizes)}" if sizes else architecture


def first_line(error: BaseException) -> str:
    """The first line of a library's message, fit to be printed."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return visible((lines[0] if lines else type(error).__name__)[:200]).rstrip(".:")
