"""From a request to a subject: model through its format, data through intake, predictions attached."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from assay.contracts import (
    AdapterFormat,
    Capability,
    ColumnSummary,
    DataRequest,
    DatasetRole,
    Grade,
    ModelReport,
    ModelRequest,
    ModelSignature,
    Profile,
)
from assay.datasets.model_columns import unknown_values
from assay.datasets.subject import Subject
from assay.datasets.table import Table
from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.claims import claims_of
from assay.intake.gate import Admitted, Surroundings, about, let_in
from assay.intake.model_files import read_signature
from assay.intake.table import take_in
from assay.models.base import Model
from assay.models.endpoint import EndpointModel, open_endpoint, probe_rows
from assay.registry import FORMATS
from assay.rng import keyed_rng

__all__ = ["Loaded", "describe_model", "load_model", "load_subject"]

CANARY_ROWS = 8
"""Asked about at the start (twice) and at the end, to notice that an endpoint's model was swapped."""
_CHECKED = 64
"""Rows that the outputs are checked by."""
_ROWS = 8_192
"""Rows asked for at once while predicting; the model cuts them further."""


class Loaded(NamedTuple):
    """A subject, and how many rows a second its model answered (0 without a model)."""

    subject: Subject
    rows_per_second: float


def load_model(request: ModelRequest, surroundings: Surroundings | None = None) -> Model:
    """Let the model in through the gate and load it, in the child only.

    A model behind an address brings no files: the supervisor is asked to ask it.

    Raises:
        BadInput: foreign, truncated or unsafe files, a device that is not there, a signature that fits not.
    """
    if request.endpoint is not None:
        return open_endpoint(request.endpoint, surroundings.ask if surroundings is not None else None)
    from assay.models.torch_model import choose_device

    device = choose_device(request.device)
    admitted = let_in(request, FORMATS.all(), surroundings or Surroundings())
    said = request.signature or admitted.signature
    override = read_signature(Path(said)) if said is not None else None

    def load() -> Model:
        with about(admitted.verdict):
            loaded = _loaded(admitted, override, device)
        loaded.facts = loaded.facts.model_copy(update={"gate": admitted.verdict})
        loaded.batch_rows = min(request.batch_rows, loaded.most_rows)
        return loaded

    start = time.perf_counter()
    model = load()
    model.load_seconds, model.reload = time.perf_counter() - start, load
    return model


def _loaded(admitted: Admitted, signature: ModelSignature | None, device: str) -> Model:
    """What the format makes of it. A library in Rust panics where it should refuse, which is no Exception."""
    try:
        how, base = admitted.format, admitted.base
        if base is not None and isinstance(how, AdapterFormat):
            found: Model = how.load_over(admitted.path, base, signature, device)
        else:
            found = how.load(admitted.path, signature, device)
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        said = visible(str(error).partition("\n")[0][:160]).rstrip(".")
        raise BadInput(
            f"{visible(admitted.path.name)} is damaged: its library gave up on it ({said})."
        ) from None
    return found


def describe_model(request: ModelRequest, surroundings: Surroundings | None = None) -> ModelReport:
    """Load a model by itself and say what it is. Raises BadInput as `load_model` does."""
    model = load_model(request, surroundings)
    if isinstance(model, EndpointModel):
        model.raw_outputs(probe_rows(model.signature))
    claims, trouble = claims_of(Path(request.path)) if request.path else (None, ())
    return ModelReport(
        facts=model.facts,
        signature=model.signature,
        capabilities=tuple(dict.fromkeys(model.capabilities)),
        notes=(*model.notes, *trouble),
        claims=claims,
    )


def load_subject(
    request: DataRequest,
    scratch: Path,
    progress: Callable[[float], None] | None = None,
    surroundings: Surroundings | None = None,
) -> Loaded:
    """Load the model (if any), take in the data, and ask the model about the test rows.

    A request without a test file is a remedy's: the model is loaded and tried on a few training rows.

    Where predictions came with the file, they stay what performance and fairness measure, and the model is
    asked by the other methods only.
    """
    tick = progress or (lambda _share: None)
    if request.model is None:
        return Loaded(take_in(request, scratch, tick), 0.0)
    model = load_model(request.model, surroundings)
    data = take_in(request, scratch, lambda share: tick(share * 0.5), signature=model.signature)
    supplied = data.profile.roles.prediction is not None or data.profile.roles.score is not None
    subject = _with_model(data, model, supplied)
    # Then reading only tries the model: what is asked about is for methods to draw.
    only_tried = supplied or model.signature.task == "generation"
    if isinstance(model, EndpointModel):
        _prepare_endpoint(subject, model, _CHECKED if only_tried else None)
    if request.test is None:
        _check_outputs(subject, "training")
        return Loaded(subject, _speed(subject, "training"))
    speed = _check_outputs(subject, subject.profile.asked_role)
    if only_tried:
        here = model.runs_here
        return Loaded(subject, _speed(subject, subject.profile.asked_role) if here else speed)
    return _predicted(subject, scratch, lambda share: tick(0.5 + share * 0.5))


def _with_model(data: Subject, model: Model, supplied: bool) -> Subject:
    grade: Grade = "supplied" if supplied else "executed" if model.runs_here else "endpoint"
    kept = [c for c in data.profile.capabilities if supplied or c not in ("probabilities", "scores")]
    unknown = [
        sentence
        for dataset in data.profile.datasets
        for sentence in unknown_values(data.dataset(dataset.role), model.signature.columns)
    ]
    profile = data.profile.model_copy(
        update={
            "modality": model.signature.modality,
            "grade": grade,
            "capabilities": tuple(dict.fromkeys([*kept, *model.capabilities])),
            "model": model.facts,
            "model_signature": model.signature,
            "notes": tuple(dict.fromkeys([*data.profile.notes, *unknown, *model.notes])),
        }
    )
    return data.with_model(profile, model)


def _prepare_endpoint(subject: Subject, model: EndpointModel, asked: int | None) -> None:
    """Let the supervisor refuse too many rows before any is asked, and set a few aside as the canary.

    Args:
        asked: most rows that reading the data asks about; None for all.
    """
    profile = subject.profile
    if profile.dataset("test") is None:
        raise BadInput(f"{model.facts.name} is behind an address, so no remedy can change it.")
    rows = profile.asked.rows
    model.foresee(3 * CANARY_ROWS + (rows if asked is None else asked))
    rng = keyed_rng(0, "endpoint.canary", profile.asked.sha256)
    chosen = np.sort(rng.choice(rows, min(CANARY_ROWS, rows), replace=False))
    model.set_canary(subject.inputs(profile.asked_role, chosen))


def _check_outputs(subject: Subject, role: DatasetRole) -> float:
    """Ask about a few rows: finite numbers, of the kind that the signature says. Returns rows a second."""
    model = subject.model
    rows = np.arange(min(_CHECKED, subject.dataset(role).rows))
    start = time.perf_counter()
    found = model.raw_outputs(subject.inputs(role, rows))
    speed = len(rows) / max(time.perf_counter() - start, 1e-6)
    if found.shape != (len(rows), model.outputs):
        raise BadInput(
            f"{model.facts.name} gives {found.shape[-1]} outputs a row; its signature says {model.outputs}."
        )
    if not np.isfinite(found).all():
        raise BadInput(
            f"{model.facts.name} answers with NaN or infinite numbers; its weights may be damaged."
        )
    if model.signature.output == "score":
        return speed
    looks = bool((found >= 0).all() and (np.abs(found.sum(axis=1) - 1) < 1e-3).all())
    if model.signature.output == "probability" and not looks:
        raise BadInput(
            f"{model.facts.name}: its signature says the output is a probability, but rows do not sum to 1 "
            f"(values from {found.min():.3g} to {found.max():.3g}). "
            'Write "output": "logit" in signature.json.'
        )
    if model.signature.output == "logit" and looks:
        raise BadInput(
            f"{model.facts.name}: its signature says the output is a logit, but rows are probabilities "
            'already (they sum to 1). Write "output": "probability" in signature.json.'
        )
    return speed


def _speed(subject: Subject, role: DatasetRole) -> float:
    inputs = subject.inputs(role, np.arange(min(256, subject.dataset(role).rows)))
    start = time.perf_counter()
    subject.model.scores(inputs)
    return len(inputs) / max(time.perf_counter() - start, 1e-6)


def _predicted(subject: Subject, scratch: Path, tick: Callable[[float], None]) -> Loaded:
    """Ask the model about every test row and keep its answers as columns of the test data."""
    model, rows = subject.model, subject.profile.test.rows
    if isinstance(model, EndpointModel):
        model.count_anew()
    scores, seconds = [], 0.0
    for first in range(0, rows, _ROWS):
        inputs = subject.inputs("test", np.arange(first, min(first + _ROWS, rows)))
        start = time.perf_counter()
        scores.append(model.scores(inputs))
        seconds += time.perf_counter() - start
        tick(min(first + _ROWS, rows) / rows)
    answers = np.concatenate(scores)
    if not np.isfinite(answers).all():
        place = int(np.argmax(~np.isfinite(answers).all(axis=1)))
        raise BadInput(f"{model.facts.name} answers row {place + 1:,} with NaN or an infinite number.")
    profile = subject.profile
    names = [column.name for column in profile.test.columns]
    predicted, scored = _free_name("predicted by the model", names), _free_name("score of the model", names)
    columns: list[tuple[ColumnSummary, pa.Array]] = []
    more: list[Capability] = ["predictions"]
    update: dict[str, str] = {"prediction": predicted}
    if profile.signature.task == "regression":
        columns.append(_numbers(predicted, answers[:, 0]))
    else:
        columns.append(_codes(predicted, model.decide(answers), profile.signature.classes))
        if profile.signature.task == "binary" and model.signature.output != "label":
            columns.append(_numbers(scored, answers[:, -1]))
            update["score"] = scored
            more.append("scores")
    table = subject.dataset("test").with_columns(scratch / "test-answers.arrow", columns)
    return Loaded(_replaced(subject, table, update, more), rows / max(seconds, 1e-6))


def _replaced(subject: Subject, table: Table, roles: dict[str, str], more: list[Capability]) -> Subject:
    profile: Profile = subject.profile
    datasets = tuple(table.profile if d.role == "test" else d for d in profile.datasets)
    changed = profile.model_copy(
        update={
            "datasets": datasets,
            "roles": profile.roles.model_copy(update=roles),
            "capabilities": tuple(dict.fromkeys([*profile.capabilities, *more])),
            "notes": tuple(dict.fromkeys([*profile.notes, *subject.model.notes])),
        }
    )
    return subject.with_test(changed, table)


def _free_name(name: str, taken: list[str]) -> str:
    while name in taken:
        name += " (Assay)"
    return name


def _codes(name: str, codes: np.ndarray, classes: tuple[str, ...]) -> tuple[ColumnSummary, pa.Array]:
    counts = np.bincount(codes, minlength=len(classes))
    summary = ColumnSummary(
        name=name,
        kind="category",
        rows=len(codes),
        missing=0,
        distinct=int((counts > 0).sum()),
        categories=classes,
        counts=tuple(int(count) for count in counts),
    )
    return summary, pa.array(codes.astype(np.int32))


def _numbers(name: str, values: np.ndarray) -> tuple[ColumnSummary, pa.Array]:
    summary = ColumnSummary(
        name=name,
        kind="number",
        rows=len(values),
        missing=0,
        distinct=len(np.unique(values)),
        minimum=float(values.min()),
        maximum=float(values.max()),
        mean=float(values.mean()),
    )
    return summary, pa.array(values)
