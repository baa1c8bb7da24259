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
    from assay.models.torch_model import ArrayNetwork
    from assay.remedies.training import Rows

__all__ = ["Labelled", "input_columns", "one_thread", "read_rows", "trained", "write"]


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


def trained(
    architecture: str,
    sizes: Mapping[str, Any],
    signature: ModelSignature,
    training: Labelled,
    tuning: Labelled,
    settings: Mapping[str, Any],
    *,
    perturb: Callable[[torch.nn.Module], Callable[[Rows], Any]] | None = None,
) -> ArrayNetwork:
    """A fresh network, trained by the engine's own loop; the epoch with the lowest tuning loss is kept.

    Args:
        sizes: of the architecture; inputs and outputs follow from the signature.
        settings: fields of `assay.remedies.params.TrainingParams`.
        perturb: given the network, what puts other inputs in place of a batch's own (attacks).
    """
    import torch

    from assay.remedies.params import TrainingParams
    from assay.remedies.train import fresh_network
    from assay.remedies.training import Rows, classification, reconstruction, train

    network = fresh_network(signature, architecture, sizes, device="cpu", seed=SEED)
    first, second = (
        Rows(network.encode(rows.inputs), torch.from_numpy(np.asarray(rows.labels, dtype=np.int64)))
        for rows in (training, tuning)
    )
    with one_thread():
        train(
            network.module,
            first,
            second,
            TrainingParams.model_validate(settings),
            reconstruction() if architecture == "autoencoder" else classification(),
            seed=SEED,
            perturb=perturb(network.module) if perturb else None,
        )
    network.module.eval()
    return network


def write(network: ArrayNetwork, folder: Path) -> Path:
    """As a torch_folder; what made it is the code here, so there is no lineage to claim."""
    from assay.models.torch_folder import write_torch_folder

    return write_torch_folder(folder, network.module, network.architecture, network.config, network.signature)


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
