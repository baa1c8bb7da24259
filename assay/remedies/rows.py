"""Which rows a remedy learns from, and how they become tensors. Rows of the role test are never asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.contracts import DatasetRole, SubjectProtocol
from assay.errors import BadInput
from assay.remedies.reweighing import Reweighing, group_codes
from assay.rng import keyed_rng

if TYPE_CHECKING:
    import torch

    from assay.models.torch_model import TorchModel
    from assay.remedies.training import Encoded, Rows

__all__ = ["Part", "Split", "encode", "encoded_rows", "split_rows", "weighed"]

Places = npt.NDArray[np.int64]
_PIECE = 8_192
"""Rows that are read and encoded at once."""
_FEWEST = 10


class Part(NamedTuple):
    """Rows of one dataset: `places` are 0-based, `labels` class codes int64 or float64 numbers."""

    role: DatasetRole
    places: Places
    labels: npt.NDArray[np.generic]

    def keep(self, member: npt.NDArray[np.bool_]) -> Part:
        return Part(self.role, self.places[member], self.labels[member])


class Split(NamedTuple):
    """Rows to train on, rows to choose the best epoch by, and sentences on how they were chosen."""

    training: Part
    tuning: Part
    notes: tuple[str, ...]


def split_rows(subject: SubjectProtocol, seed: int) -> Split:
    """Training and tuning rows; without tuning rows a keyed tenth of the training rows is set aside.

    Raises BadInput: fewer than 10 labelled training rows, tuning rows without labels.
    """
    notes: list[str] = []
    training = _labelled(subject, "training", notes)
    if len(training.places) < _FEWEST:
        raise BadInput(
            f"There are {len(training.places)} labelled training rows; a remedy needs {_FEWEST} or more."
        )
    if subject.profile.dataset("tuning") is not None:
        tuning = _labelled(subject, "tuning", notes)
        if not len(tuning.places):
            raise BadInput("No tuning row has a label; fill them in, or leave the tuning rows out.")
        return Split(training, tuning, tuple(notes))
    order = keyed_rng(seed, "remedies", "tuning rows").permutation(len(training.places))
    aside = np.zeros(len(order), dtype=bool)
    aside[order[: max(len(order) // 10, 1)]] = True
    notes.append(
        f"No tuning rows were given: a tenth of the training rows ({int(aside.sum()):,}, drawn by the seed) "
        "was set aside to choose the best epoch by."
    )
    return Split(training.keep(~aside), training.keep(aside), tuple(notes))


def _labelled(subject: SubjectProtocol, role: DatasetRole, notes: list[str]) -> Part:
    dataset, label = subject.profile.dataset(role), subject.profile.roles.label
    if dataset is None or label is None or label not in {column.name for column in dataset.columns}:
        named = f' (column "{label}")' if label else ""
        raise BadInput(f"The {role} rows have no usable label{named}; a remedy learns from labelled rows.")
    places = np.arange(dataset.rows, dtype=np.int64)
    labels = subject.labels(role, places)
    known = labels >= 0 if labels.dtype.kind == "i" else np.isfinite(labels)
    if not known.all():
        notes.append(f"{int((~known).sum()):,} {role} row(s) without a label were left out.")
    return Part(role, places, labels).keep(known)


def encode(model: TorchModel, subject: SubjectProtocol, part: Part) -> Encoded:
    """The rows as the network reads them, all at once, on its device."""
    import torch

    pieces = []
    for first in range(0, len(part.places), _PIECE):
        pieces.append(model.encode(subject.inputs(part.role, part.places[first : first + _PIECE])))
    if isinstance(pieces[0], torch.Tensor):
        return torch.cat(pieces)
    from assay.models.text_classifier import TextClassifier

    assert isinstance(model, TextClassifier)
    longest = max(piece["input_ids"].shape[1] for piece in pieces)
    # Some networks find the last token by the padding token, so it must stand there and not a 0.
    fill = {"input_ids": int(model.tokenizer.pad_token_id)}

    def padded(name: str, tensor: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.pad(tensor, (0, longest - tensor.shape[1]), value=fill.get(name, 0))

    return {name: torch.cat([padded(name, piece[name]) for piece in pieces]) for name in pieces[0]}


def encoded_rows(
    model: TorchModel,
    subject: SubjectProtocol,
    part: Part,
    weights: npt.NDArray[np.float32] | None = None,
    teacher: torch.Tensor | None = None,
) -> Rows:
    """Encoded inputs, targets and weights on the model's device."""
    import torch

    from assay.remedies.training import Rows

    kind = np.int64 if part.labels.dtype.kind == "i" else np.float32
    return Rows(
        encode(model, subject, part),
        torch.from_numpy(part.labels.astype(kind)).to(model.device),
        None if weights is None else torch.from_numpy(weights).to(model.device),
        teacher,
    )


def weighed(
    subject: SubjectProtocol, split: Split, attributes: Sequence[str]
) -> tuple[npt.NDArray[np.float32] | None, npt.NDArray[np.float32] | None, tuple[str, ...]]:
    """Reweighing's weights of training and tuning rows (None without attributes), and a sentence on them.

    Raises BadInput: a regression, whose numbers have no classes to balance.
    """
    if not attributes:
        return None, None, ()
    if split.training.labels.dtype.kind != "i":
        raise BadInput("Reweighing balances the classes of groups; a regression has no classes.")
    groups = [group_codes(subject, part.role, part.places, attributes) for part in split[:2]]
    table = Reweighing.fit(groups[0], split.training.labels.astype(np.int64))
    training, tuning = (
        table.weights(codes, part.labels.astype(np.int64))
        for codes, part in zip(groups, (split.training, split.tuning), strict=True)
    )
    note = (
        f"Rows were reweighed over {' × '.join(attributes)}: weights from {training.min():.3g} to "
        f"{training.max():.3g}."
    )
    return training, tuning, (note,)
