"""What the zoo's trainings share: rows read through the real intake, one thread, the engine's own loop."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.contracts import DataRequest, DatasetRole, FileRequest, InputColumn, ModelSignature
from assay.datasets.subject import Subject
from assay.intake.table import take_in
from benchmarks.zoo.recipe import SEED

if TYPE_CHECKING:
    import torch

    from assay.models.base import Inputs
    from assay.remedies.training import Rows

__all__ = ["Labelled", "encoded", "input_columns", "one_thread", "read_rows", "seeded", "trained"]


class Labelled(NamedTuple):
    """What a model reads of some rows, in original units, and their class codes (rows,)."""

    inputs: Inputs
    labels: npt.NDArray[np.int64]


def read_rows(path: Path, signature: ModelSignature, request: Mapping[str, Any]) -> Labelled:
    """Every row of a data file as a model of that signature reads it."""
    with tempfile.TemporaryDirectory(prefix="assay-zoo-") as scratch:
        asked = DataRequest(test=FileRequest(path=str(path)), **request)
        data = take_in(asked, Path(scratch), signature=signature)
        profile = data.profile.model_copy(
            update={"model_signature": signature, "modality": signature.modality}
        )
        role: DatasetRole = "test"
        subject = Subject(profile, {role: data.dataset(role)})
        rows = np.arange(profile.test.rows)
        return Labelled(subject.inputs(role, rows), subject.labels(role, rows))


def input_columns(
    columns: Mapping[str, Sequence[str]],
    numbers: Sequence[str],
    categories: Sequence[str],
    *,
    for_trees: bool = False,
) -> tuple[InputColumn, ...]:
    """Input columns with the ranges, means and categories of these (training) rows; "?" is missing.

    Numbers are standardised and categories one-hot; for trees, numbers stay and categories are coded.
    """
    found = []
    for name in numbers:
        values = np.array([float(text) for text in columns[name]])
        found.append(
            InputColumn(
                name=name,
                kind="number",
                encoding="identity" if for_trees else "standard",
                mean=0.0 if for_trees else float(values.mean()),
                scale=1.0 if for_trees else float(values.std()),
                minimum=float(values.min()),
                maximum=float(values.max()),
                integer=bool((values == values.round()).all()),
            )
        )
    for name in categories:
        known = tuple(sorted(set(columns[name]) - {"?"}))
        encoding = "code" if for_trees else "one_hot"
        found.append(InputColumn(name=name, kind="category", encoding=encoding, categories=known))
    return tuple(found)


def encoded(signature: ModelSignature, inputs: Inputs) -> torch.Tensor:
    """What a network of that signature reads, float32; see `assay.models.torch_model.ArrayNetwork`."""
    import torch

    from assay.models.encoding import TableEncoder
    from assay.models.torch_model import normalise

    rows = np.asarray(inputs)
    if signature.image is not None:
        return normalise(torch.from_numpy(np.ascontiguousarray(rows, dtype=np.float32)), signature.image)
    return torch.from_numpy(TableEncoder(signature.columns).encode(rows))


def trained(
    architecture: str,
    config: Mapping[str, Any],
    signature: ModelSignature,
    training: Labelled,
    tuning: Labelled,
    settings: Mapping[str, Any],
    *,
    seed: int = SEED,
    perturb: Callable[[torch.nn.Module], Callable[[Rows], Any]] | None = None,
) -> torch.nn.Module:
    """A fresh network, trained by the engine's own loop; the epoch with the lowest tuning loss is kept.

    Args:
        settings: fields of `assay.remedies.params.TrainingParams`.
        perturb: given the network, what puts other inputs in place of a batch's own (attacks).
    """
    import torch

    from assay.remedies.params import TrainingParams
    from assay.remedies.training import Rows, classification, reconstruction, train

    module = seeded(architecture, config, seed)
    first, second = (
        Rows(encoded(signature, rows.inputs), torch.from_numpy(np.asarray(rows.labels, dtype=np.int64)))
        for rows in (training, tuning)
    )
    objective = reconstruction() if architecture == "autoencoder" else classification()
    with one_thread():
        train(
            module,
            first,
            second,
            TrainingParams.model_validate(settings),
            objective,
            seed=seed,
            perturb=perturb(module) if perturb else None,
        )
    return module.eval()


def seeded(architecture: str, config: Mapping[str, Any], seed: int) -> torch.nn.Module:
    """A network whose first weights hang on the seed alone; torch's own generator is left as it was."""
    import torch

    from assay.models.architectures import build

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build(architecture, dict(config))


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread inside torch: sums are then taken in one order, whatever machine this is."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
