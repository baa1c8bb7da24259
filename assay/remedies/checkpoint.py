"""Checkpoints of a training: safetensors for every tensor, state.json for the rest, nothing pickled.

The tensors of an epoch are written first, under a name of their own; the rename of state.json, which names
them, is what makes the epoch count. Whatever kills the process leaves the last whole epoch behind. Epochs of
a second or more are flushed to disk too, so that they outlive a power cut; flushing shorter ones would cost
more than they are worth, and what a power cut leaves of them is known by its digest.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from assay.errors import BadInput

if TYPE_CHECKING:
    import torch

__all__ = [
    "STATE",
    "Checkpoints",
    "EpochRecord",
    "State",
    "Tensors",
    "adopt",
    "epochs_done",
    "write_whole",
]

Tensors = dict[str, "torch.Tensor"]
STATE = "state.json"
_SCHEMA = "assay.training/1"
_MAX_STATE = 16 * 1024 * 1024
_WORTH_FLUSHING = 1.0
"""Seconds of work."""


class EpochRecord(NamedTuple):
    """Losses of one epoch (counted from 1), and the share of tuning rows answered rightly."""

    epoch: int
    training: float
    tuning: float
    accuracy: float | None


@dataclass(frozen=True)
class State:
    """Where a training stands after its last whole epoch.

    Attributes:
        epochs: how many were asked for.
        before: loss and accuracy on the tuning rows before the first step.
        records: one an epoch.
        best_epoch: the one with the lowest tuning loss, counted from 1; 0 = none yet.
    """

    epochs: int
    before: tuple[float, float | None]
    records: tuple[EpochRecord, ...] = ()
    best_epoch: int = 0

    @property
    def epoch(self) -> int:
        """Whole epochs done."""
        return len(self.records)

    def with_record(self, record: EpochRecord, *, best_epoch: int) -> State:
        return replace(self, records=(*self.records, record), best_epoch=best_epoch)


class Checkpoints:
    """The checkpoint of one training in one folder.

    Args:
        folder: made when it is not there.
        request: digest of what is trained; a checkpoint of another one is refused.
    """

    def __init__(self, folder: Path, request: str) -> None:
        self._folder = folder
        self._request = request
        self._saved_at = time.monotonic()
        folder.mkdir(parents=True, exist_ok=True)

    def save(
        self, state: State, part: torch.nn.Module, best: Tensors, optimizer: torch.optim.Optimizer
    ) -> None:
        """Keep the epoch just done, whole or not at all; the epoch before it is removed."""
        from safetensors.torch import save

        tensors = {f"part.{name}": tensor for name, tensor in part.state_dict().items()}
        if state.best_epoch != state.epoch:
            tensors.update({f"best.{name}": tensor for name, tensor in best.items()})
        for place, kept in optimizer.state_dict()["state"].items():
            tensors.update({f"optimizer.{place}.{name}": t for name, t in kept.items() if t is not None})
        # A copy of each: safetensors refuses tensors that share memory.
        content = save({name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()})
        name = f"epoch-{state.epoch}.safetensors"
        flush = time.monotonic() - self._saved_at >= _WORTH_FLUSHING
        write_whole(self._folder / name, content, flush=flush)
        document = {
            "schema": _SCHEMA,
            "request": self._request,
            "epoch": state.epoch,
            "epochs": state.epochs,
            "before": list(state.before),
            "best_epoch": state.best_epoch,
            "records": [list(record) for record in state.records],
            "tensors": name,
            "tensors_sha256": hashlib.sha256(content).hexdigest(),
        }
        write_whole(self._folder / STATE, json.dumps(document, allow_nan=False).encode(), flush=flush)
        self._saved_at = time.monotonic()
        for old in self._folder.glob("epoch-*.safetensors"):
            if old.name != name:
                old.unlink(missing_ok=True)

    def load(self, optimizer: torch.optim.Optimizer, part: torch.nn.Module) -> tuple[State, Tensors] | None:
        """Fill `part` and `optimizer` as they were after the last whole epoch; None where there is none.

        Raises BadInput: the checkpoint is of another training, or damaged.
        """
        from safetensors.torch import load

        document = _read(self._folder)
        if document is None:
            return None
        if document.get("request") != self._request:
            raise BadInput(
                f"{self._folder.parent.name} holds the training of another request; remove it, or give "
                "another --out."
            )
        try:
            content = (self._folder / str(document["tensors"])).read_bytes()
            if hashlib.sha256(content).hexdigest() != document["tensors_sha256"]:
                raise ValueError("the tensors do not have their digest")
            tensors = load(content)
            state = _state(document)
            part.load_state_dict(_under(tensors, "part."))
            best = _under(tensors, "best.")
            _fill_optimizer(optimizer, _under(tensors, "optimizer."))
        except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise BadInput(
                f"{self._folder.parent.name} holds a damaged checkpoint ({str(error)[:120]}); remove the "
                "folder to start over."
            ) from error
        device = next(part.parameters()).device
        here = part.state_dict()
        kept = {name: tensor.to(device) for name, tensor in best.items()}
        return state, kept or {name: tensor.detach().clone() for name, tensor in here.items()}


def epochs_done(folder: Path) -> tuple[int, int] | None:
    """Epochs done and asked for of the training in `folder`; None where there is no whole checkpoint."""
    with contextlib.suppress(BadInput, KeyError, TypeError, ValueError):
        document = _read(folder)
        if document is not None:
            return int(document["epoch"]), int(document["epochs"])
    return None


def adopt(source: Path, target: Path) -> tuple[int, int] | None:
    """Begin in the folder `target` where the training in `source` stands, whoever may still be writing there.

    The tensors are linked, not copied: they are written once under a name of their own.

    Returns:
        Epochs done and asked for; None where `source` holds no whole checkpoint, and then `target` has none.
    """
    for _attempt in range(3):
        with contextlib.suppress(BadInput, OSError, KeyError, TypeError, ValueError):
            document = _read(source)
            if document is None:
                return None
            name = Path(str(document["tensors"])).name
            target.mkdir(parents=True, exist_ok=True)
            kept = target / name
            kept.unlink(missing_ok=True)
            os.link(source / name, kept)
            if hashlib.sha256(kept.read_bytes()).hexdigest() != document["tensors_sha256"]:
                kept.unlink()
                return None
            write_whole(target / STATE, json.dumps(document, allow_nan=False).encode())
            return int(document["epoch"]), int(document["epochs"])
    return None


def write_whole(path: Path, content: bytes, *, flush: bool = True) -> None:
    """Write beside the place, flush to disk, then rename: the file is whole or not there.

    Raises BadInput: it cannot be written.
    """
    beside = path.with_name(f".{path.name}.part")
    try:
        with beside.open("wb") as file:
            file.write(content)
            if flush:
                file.flush()
                os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise BadInput(f"{path.name} could not be written: {error.strerror or error}.") from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()


def _read(folder: Path) -> dict[str, Any] | None:
    path = folder / STATE
    try:
        if path.stat().st_size > _MAX_STATE:
            raise ValueError("too long")
        document = json.loads(path.read_bytes())
        if not isinstance(document, dict) or document.get("schema") != _SCHEMA:
            raise ValueError("no checkpoint")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(
            f"{folder.parent.name} holds a damaged checkpoint ({str(error)[:120]}); remove the folder to "
            "start over."
        ) from error
    return document


def _state(document: Mapping[str, Any]) -> State:
    loss, accuracy = document["before"]
    return State(
        epochs=int(document["epochs"]),
        before=(float(loss), None if accuracy is None else float(accuracy)),
        records=tuple(EpochRecord(*record) for record in document["records"]),
        best_epoch=int(document["best_epoch"]),
    )


def _under(tensors: Mapping[str, torch.Tensor], prefix: str) -> Tensors:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def _fill_optimizer(optimizer: torch.optim.Optimizer, tensors: Tensors) -> None:
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, tensor in tensors.items():
        place, _, name = key.partition(".")
        state.setdefault(int(place), {})[name] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
