"""The one training loop: every network that a remedy changes or makes is trained here.

Rows are encoded once and stay on the model's device; an epoch is a keyed permutation of them, so that no
state of a random generator has to be kept and a resumed training takes exactly the steps of one that was
never stopped.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from assay.contracts import Series, SeriesColumn
from assay.errors import BadInput, Diverged
from assay.remedies.checkpoint import Checkpoints, EpochRecord, State, Tensors
from assay.remedies.determinism import deterministic, seed_torch
from assay.remedies.objective import (
    Encoded,
    Evaluated,
    Objective,
    RowLoss,
    Rows,
    classification,
    classification_of_probabilities,
    evaluate,
    reconstruction,
    regression,
)
from assay.remedies.optimizer import Rates, make_optimizer
from assay.remedies.params import TrainingParams
from assay.rng import keyed_rng

__all__ = [
    "Encoded",
    "Evaluated",
    "Objective",
    "RowLoss",
    "Rows",
    "Trained",
    "classification",
    "classification_of_probabilities",
    "deterministic",
    "evaluate",
    "loss_curve",
    "reconstruction",
    "regression",
    "train",
]

_TICK = 0.3
"""Seconds between two looks at the loss; each one waits for the device."""
_EXPLODED = 100.0
"""A loss so many times the loss before the first step (or 1, where that is larger) has exploded."""


@dataclass(frozen=True)
class Trained:
    """What a training came to; the module holds the best epoch's weights.

    Attributes:
        before: on the tuning rows, before the first step.
        after: on the tuning rows, with the best weights.
        epochs: one record each epoch that ran.
        best_epoch: counted from 1.
        resumed_after: epochs that an earlier, stopped run had done; 0 = none.
    """

    before: Evaluated
    after: Evaluated
    epochs: tuple[EpochRecord, ...]
    best_epoch: int
    resumed_after: int = 0


def train(
    module: nn.Module,
    training: Rows,
    tuning: Rows,
    params: TrainingParams,
    objective: Objective,
    *,
    seed: int,
    part: nn.Module | None = None,
    forward: Callable[[Encoded], torch.Tensor] | None = None,
    perturb: Callable[[Rows], Encoded] | None = None,
    work: Path | None = None,
    request: str = "",
    progress: Callable[[float, str], None] | None = None,
) -> Trained:
    """Train `module` in place and leave the weights of the epoch with the lowest tuning loss in it.

    Args:
        module: the network; the caller's own copy.
        part: what trains (a head); everything else stays as it is, to the bit. Default: all of it.
        forward: encoded rows -> outputs (rows, classes); default: the module itself.
        perturb: gives the inputs that the network is trained and tuned on in place of the batch's own
            (an attack); it may draw from torch's generator, which is keyed.
        work: folder for a checkpoint after every epoch; a training of the same `request` found there goes on.
        request: what tells one training from another (a digest).
        progress: called with the done share and a sentence, several times a second; may raise to stop.

    Raises:
        Diverged: the loss is no finite number, or exploded.
        BadInput: fewer than 2 training rows, no tuning row, inputs that are no finite numbers, a batch that
            does not fit into memory, a work folder of another training.
    """
    _check(training, tuning)
    device = training.targets.device
    run = _Run(module, part or module, forward or module, training, tuning, params, objective, perturb)
    with deterministic(device), _only(module, run.part):
        try:
            return run.through(seed, Checkpoints(work, request) if work else None, progress)
        except (MemoryError, torch.OutOfMemoryError) as error:
            raise BadInput(
                f"Memory ran out on {device} while training on {params.batch_rows:,} rows at once; "
                "set a smaller batch_rows."
            ) from error


def loss_curve(trained: Trained, remedy: str) -> Series:
    """Training and tuning loss of every epoch, thinned to 2,000 points."""
    thin = -(-len(trained.epochs) // 2_000)
    kept = [e for e in trained.epochs if e.epoch % thin == 0 or e.epoch == trained.best_epoch][:2_000]
    columns = [
        SeriesColumn(name="epoch", unit="count", values=tuple(e.epoch for e in kept)),
        SeriesColumn(name="training loss", unit="loss", values=tuple(e.training for e in kept)),
        SeriesColumn(name="tuning loss", unit="loss", values=tuple(e.tuning for e in kept)),
    ]
    if trained.before.accuracy is not None:
        columns.append(
            SeriesColumn(name="tuning accuracy", unit="share", values=tuple(e.accuracy for e in kept))
        )
    return Series(
        id="training.loss",
        title="Loss of every epoch",
        method=remedy,
        columns=tuple(columns),
        note=f"The weights of epoch {trained.best_epoch} were kept: its tuning loss is the lowest.",
    )


@contextmanager
def _only(module: nn.Module, part: nn.Module) -> Iterator[None]:
    """Nothing but `part` takes gradients; flags and mode are as before afterwards."""
    flags = [(parameter, parameter.requires_grad) for parameter in module.parameters()]
    mode = module.training
    trained = {id(parameter) for parameter in part.parameters()}
    for parameter, _ in flags:
        parameter.requires_grad_(id(parameter) in trained)
    try:
        yield
    finally:
        for parameter, flag in flags:
            parameter.requires_grad_(flag)
        module.zero_grad(set_to_none=True)
        module.train(mode)


def _check(training: Rows, tuning: Rows) -> None:
    if len(training) < 2:
        raise BadInput(f"There are {len(training)} rows to train on; training needs two or more.")
    if not len(tuning):
        raise BadInput("There is no tuning row to choose the best epoch by.")
    for name, rows in (("training", training), ("tuning", tuning)):
        inputs = rows.inputs
        for tensor in [inputs] if isinstance(inputs, torch.Tensor) else inputs.values():
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                raise BadInput(
                    f"Some {name} rows hold values that are no finite numbers once encoded; give missing "
                    "numbers a value, or the encoding standard, which puts the mean there."
                )


@dataclass(frozen=True)
class _Run:
    """One training: its network, rows and settings."""

    module: nn.Module
    part: nn.Module
    forward: Callable[[Encoded], torch.Tensor]
    training: Rows
    tuning: Rows
    params: TrainingParams
    objective: Objective
    perturb: Callable[[Rows], Encoded] | None

    def through(
        self, seed: int, checkpoints: Checkpoints | None, progress: Callable[[float, str], None] | None
    ) -> Trained:
        """Every epoch that is left, then the best weights."""
        params = self.params
        optimizer = make_optimizer(self.part, params)
        found = checkpoints.load(optimizer, self.part) if checkpoints else None
        if found is None:
            state = State(epochs=params.epochs, before=self._on_tuning(seed))
            best: Tensors = {}
            if not math.isfinite(state.before[0]):
                raise Diverged(
                    "The loss is no finite number before the first step, so the network's weights or the "
                    "targets are not sound; start from other weights, or check the label column."
                )
        else:
            state, best = found
        resumed = state.epoch
        tell = _Teller(progress, params.epochs, resumed)
        while state.epoch < params.epochs and not _tired(state, params):
            loss = self._epoch(state.epoch, seed, optimizer, state.before[0], tell)
            tuning = self._on_tuning(seed)
            self._refuse_divergence(state.epoch, tuning.loss, state.before[0])
            record = EpochRecord(state.epoch + 1, loss, tuning.loss, tuning.accuracy)
            if not state.records or tuning.loss < state.records[state.best_epoch - 1].tuning:
                best = _copy(self.part)
                state = state.with_record(record, best_epoch=record.epoch)
            else:
                state = state.with_record(record, best_epoch=state.best_epoch)
            if checkpoints is not None:
                checkpoints.save(state, self.part, best, optimizer)
            tell.epoch_done(record)
        self.part.load_state_dict(best)
        kept = state.records[state.best_epoch - 1]
        return Trained(
            Evaluated(*state.before),
            Evaluated(kept.tuning, kept.accuracy),
            state.records,
            state.best_epoch,
            resumed,
        )

    def _epoch(
        self, epoch: int, seed: int, optimizer: torch.optim.Optimizer, before: float, tell: _Teller
    ) -> float:
        """One pass over the training rows; the mean loss a row while it went."""
        rows, device, clip = len(self.training), self.training.targets.device, self.params.clip_norm
        seed_torch(seed, "network", epoch)
        order = torch.from_numpy(keyed_rng(seed, "training", "order", epoch).permutation(rows)).to(device)
        batches = _batches(order, self.params.batch_rows)
        trained = [parameter for parameter in self.part.parameters() if parameter.requires_grad]
        rates = Rates(self.params, len(batches))
        mean = _Mean()
        self.module.eval()
        self.part.train()
        for step, places in enumerate(batches):
            batch = self.training.take(places)
            inputs = batch.inputs if self.perturb is None else self.perturb(batch)
            losses = self.objective.loss(self.forward(inputs), batch)
            loss = (losses if batch.weights is None else losses * batch.weights).mean()
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            if clip is not None:
                nn.utils.clip_grad_norm_(trained, clip)
            rates.set(optimizer, epoch * len(batches) + step)
            optimizer.step()
            mean.add(loss.detach(), len(places))
            if tell.due():
                self._refuse_divergence(epoch, mean.value(), before)
                tell.step_done(epoch, (step + 1) / len(batches), mean.value())
        self._refuse_divergence(epoch, mean.value(), before)
        return mean.value()

    def _on_tuning(self, seed: int) -> Evaluated:
        seed_torch(seed, "tuning")
        self.module.eval()
        return evaluate(
            self.forward,
            self.tuning,
            self.objective,
            batch_rows=max(256, self.params.batch_rows),
            perturb=self.perturb,
        )

    def _refuse_divergence(self, epoch: int, loss: float, before: float) -> None:
        if math.isfinite(loss) and loss <= _EXPLODED * max(before, 1.0):
            return
        what = f"reached {loss:.3g}" if math.isfinite(loss) else f"became {loss}"
        rate = self.params.learning_rate
        raise Diverged(
            f"Training diverged in epoch {epoch + 1} of {self.params.epochs}: the loss {what} "
            f"(it began at {before:.3g}). Set a learning_rate below {rate:g}, such as {rate / 10:g}."
        )


def _tired(state: State, params: TrainingParams) -> bool:
    """Whether the tuning loss has not fallen for `patience` epochs."""
    return params.patience is not None and state.epoch - state.best_epoch >= params.patience > 0


def _copy(part: nn.Module) -> Tensors:
    return {name: tensor.detach().clone() for name, tensor in part.state_dict().items()}


class _Mean:
    """Mean loss a row over the batches so far; the device is waited for only when the value is asked for."""

    def __init__(self) -> None:
        self._losses: list[torch.Tensor] = []
        self._rows: list[int] = []

    def add(self, loss: torch.Tensor, rows: int) -> None:
        self._losses.append(loss)
        self._rows.append(rows)

    def value(self) -> float:
        losses = torch.stack(self._losses).double().cpu()
        rows = torch.tensor(self._rows, dtype=torch.float64)
        return float(losses @ rows / rows.sum())


def _batches(order: torch.Tensor, batch_rows: int) -> tuple[torch.Tensor, ...]:
    """Consecutive pieces; a last piece of one row joins the one before (batch norm needs two rows)."""
    pieces: tuple[torch.Tensor, ...] = torch.split(order, batch_rows)
    if len(pieces) > 1 and len(pieces[-1]) == 1:
        return (*pieces[:-2], torch.cat(pieces[-2:]))
    return pieces


class _Teller:
    """Says how far training is, at most a few times a second."""

    def __init__(self, listener: Callable[[float, str], None] | None, epochs: int, resumed: int) -> None:
        self._listener = listener or (lambda _done, _note: None)
        self._epochs = epochs
        self._next = 0.0
        if resumed:
            self._listener(resumed / epochs, f"Goes on after epoch {resumed} of {epochs}")

    def due(self) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + _TICK
        return True

    def step_done(self, epoch: int, share: float, loss: float) -> None:
        self._listener((epoch + share) / self._epochs, self._note(epoch + 1, f"loss {loss:.4g}"))

    def epoch_done(self, record: EpochRecord) -> None:
        self._listener(
            record.epoch / self._epochs, self._note(record.epoch, f"tuning loss {record.tuning:.4g}")
        )

    def _note(self, epoch: int, what: str) -> str:
        return f"epoch {epoch} of {self._epochs}, {what}"
