"""Shapley values at equal error: the ladder of explainability.shapley against shap's explainers.

One model, one background and the same explained rows for all, in one run on one thread; each asks the model
through the same function. The error is ||phi - exact|| / ||exact|| over all rows, exact by enumeration (which
equals shap.ExactExplainer). Ours is timed at the coarsest of a few settings whose measured error is no larger
than the peer's, with all that one shard needs (background answered, coalitions drawn). Times are those of the
processor, which other programs disturb least, the best of a few repeats in turns.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.methods.explainability.interventional import InterventionalShapley, background_of
from assay.rng import keyed_rng
from benchmarks.zoo import NotHere, fitting

if TYPE_CHECKING:
    from assay.models.base import Model

__all__ = ["run"]

Floats = npt.NDArray[np.float64]

BACKGROUND = 100
ROWS = 20
REPEATS = 3
SETTINGS = (0.1, 0.09, 0.08, 0.07, 0.06, 0.05, 0.04, 0.03, 0.02, 0.015, 0.01, 0.0075, 0.005)
"""Relative standard errors at which sampling stops; after them, exact."""
ADULT_NUMBERS = ("age", "education-num", "capital-gain", "capital-loss", "hours-per-week")
ADULT_CATEGORIES = (
    *("workclass", "education", "marital-status", "occupation", "relationship", "race", "sex"),
    "native-country",
)


class _Case(NamedTuple):
    name: str
    model: Model
    background: Floats
    rows: Floats


class _Counted:
    """The model's score, counting the rows that it answered."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.rows = 0

    def __call__(self, inputs: Any) -> Floats:
        self.rows += len(inputs)
        return self._model.favourable_score(np.asarray(inputs, dtype=np.float64))


class _Timed(NamedTuple):
    """Of one explainer over all rows."""

    values: Floats
    seconds: float
    evaluations: int


def run(rows: int = ROWS) -> dict[str, Any]:
    """Time and error of each, on 12 synthetic numbers and, where there is UCI Adult, on 13 of its columns."""
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as folder, fitting.one_thread():
        cases = [_case(case, rows) for case in _cases(Path(folder), rows)]
    return {"rows": rows, "background": BACKGROUND, "cases": cases}


def _case(case: _Case, rows: int) -> dict[str, Any]:
    exact = _ours(case, None)
    settings: list[float | None] = [*SETTINGS, None]
    ours = {setting: _ours(case, setting) for setting in settings}
    found: dict[str, Any] = {"name": case.name, "features": case.rows.shape[1], "peers": []}
    for name, peer in _peers(case):
        timed = peer()
        error = _error(timed.values, exact.values)
        setting = next(s for s in settings if s is None or _error(ours[s].values, exact.values) <= error)
        for _ in range(REPEATS - 1):
            ours[setting] = _better(ours[setting], _ours(case, setting))
            timed = _better(timed, peer())
        ours[setting] = _better(ours[setting], _ours(case, setting))
        found["peers"].append(
            {
                "name": name,
                "defaults": "(" not in name,
                **_figures(timed, exact.values, rows),
                "ours": {"setting": _said(setting), **_figures(ours[setting], exact.values, rows)},
                "ratio": timed.seconds / ours[setting].seconds,
            }
        )
    found["ours"] = [{"setting": _said(s), **_figures(ours[s], exact.values, rows)} for s in settings]
    return found


def _better(one: _Timed, other: _Timed) -> _Timed:
    return one if one.seconds <= other.seconds else other


def _said(setting: float | None) -> str:
    return "exact" if setting is None else f"relative error {setting:g}"


def _figures(timed: _Timed, exact: Floats, rows: int) -> dict[str, float]:
    return {
        "error": _error(timed.values, exact),
        "milliseconds_a_row": 1000 * timed.seconds / rows,
        "evaluations_a_row": timed.evaluations / rows,
    }


def _error(values: Floats, exact: Floats) -> float:
    return float(np.linalg.norm(values - exact) / np.linalg.norm(exact))


def _ours(case: _Case, error: float | None) -> _Timed:
    """`error` None: every row by enumeration."""
    score = _Counted(case.model)

    def scores(inputs: Floats) -> Floats:
        return score(inputs)[:, None]

    start = time.process_time()
    known = background_of(case.background, scores)
    ladder = InterventionalShapley(
        scores,
        known,
        lambda players: keyed_rng(0, "benchmark", players),
        exact_evaluations=10**9 if error is None else 0,
        most_evaluations=2**20,
        relative_error=error or 1.0,
    )
    answers = scores(case.rows)
    found = ladder.explain(case.rows, answers, np.zeros(len(answers), dtype=np.int64))
    return _Timed(found.values, time.process_time() - start, score.rows)


def _peers(case: _Case) -> Iterator[tuple[str, Callable[[], _Timed]]]:
    import shap

    masker = shap.maskers.Independent(case.background, max_samples=len(case.background))

    def timed(explain: Callable[[_Counted], Callable[[Floats], Any]]) -> _Timed:
        score = _Counted(case.model)
        explainer = explain(score)
        # numba compiles at the first call
        explainer(case.rows[:1])
        score.rows = 0
        start = time.process_time()
        found = explainer(case.rows)
        seconds = time.process_time() - start
        return _Timed(np.asarray(getattr(found, "values", found)), seconds, score.rows)

    def kernel(score: _Counted) -> Callable[[Floats], Any]:
        made = shap.KernelExplainer(score, case.background)
        return lambda rows: made.shap_values(rows, silent=True)

    def kernel_without(score: _Counted) -> Callable[[Floats], Any]:
        made = shap.KernelExplainer(score, case.background)
        return lambda rows: made.shap_values(rows, silent=True, l1_reg=False)

    def permutation(score: _Counted) -> Callable[[Floats], Any]:
        made = shap.PermutationExplainer(score, masker, seed=0)
        return lambda rows: made(rows, silent=True)

    np.random.seed(0)  # shap's kernel explainer draws from the global generator
    yield "shap.KernelExplainer", lambda: timed(kernel)
    yield "shap.PermutationExplainer", lambda: timed(permutation)
    yield "shap.KernelExplainer(l1_reg=False)", lambda: timed(kernel_without)


def _cases(folder: Path, rows: int) -> Iterator[_Case]:
    yield _synthetic(folder, rows)
    adult = _adult(folder, rows)
    if adult is not None:
        yield adult


def _synthetic(folder: Path, rows: int) -> _Case:
    """12 numbers that all differ from the background: nothing can be saved by what agrees."""
    import torch

    from assay.contracts import InputColumn, ModelSignature
    from assay.models.architectures import build
    from assay.models.torch_folder import write_torch_folder

    features = 12
    torch.manual_seed(0)
    config: dict[str, Any] = {"inputs": features, "hidden": (64, 32), "outputs": 2}
    module = build("mlp", config)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(2)
    signature = ModelSignature(
        task="binary",
        output="logit",
        classes=("no", "yes"),
        favourable="yes",
        columns=tuple(InputColumn(name=f"x{i}", kind="number", encoding="standard") for i in range(features)),
    )
    model = _loaded(write_torch_folder(folder / "synthetic", module, "mlp", config, signature))
    rng = np.random.default_rng(0)
    return _Case(
        "synthetic, 12 numbers, mlp 64-32 of random weights",
        model,
        rng.normal(size=(BACKGROUND, features)),
        rng.normal(size=(rows, features)),
    )


def _adult(folder: Path, rows: int) -> _Case | None:
    """All of Adult's columns but the sampling weight, trained on the spot; None where Adult is not here."""
    import csv

    from assay.contracts import ModelSignature
    from benchmarks.zoo.adult import REQUEST
    from benchmarks.zoo.catalogue import data_files

    try:
        files = data_files("adult")
    except NotHere:
        return None
    with files["training"].open(newline="") as file:
        table = {name: list(values) for name, *values in zip(*csv.reader(file), strict=True)}
    columns = fitting.input_columns(table, ADULT_NUMBERS, ADULT_CATEGORIES)
    signature = ModelSignature(
        task="binary", output="logit", classes=("<=50K", ">50K"), favourable=">50K", columns=columns
    )
    training, tuning = (fitting.read_rows(files[role], signature, REQUEST) for role in ("training", "tuning"))
    settings = {"epochs": 3, "learning_rate": 3e-3, "patience": None}
    network = fitting.trained("mlp", {"hidden": (64, 32)}, signature, training, tuning, settings)
    model = _loaded(fitting.write(network, folder / "adult"))
    rng = np.random.default_rng(0)
    background = np.asarray(training.inputs)[rng.choice(len(training.labels), BACKGROUND, replace=False)]
    explained = np.asarray(tuning.inputs)[rng.choice(len(tuning.labels), rows, replace=False)]
    return _Case("UCI Adult, 13 columns, mlp 64-32", model, background, explained)


def _loaded(path: Path) -> Model:
    from assay.contracts import ModelRequest
    from assay.loading import load_model

    return load_model(ModelRequest(path=str(path), device="cpu"))


if __name__ == "__main__":
    import json

    print(json.dumps(run(), indent=1))
