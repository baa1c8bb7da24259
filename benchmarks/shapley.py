"""Shapley values at equal error: explainability.shapley's ladder against shap's explainers with their defaults.

One model, one background and the same explained rows for all, in one run; each asks the model through the same
function. The error is ||phi - exact|| / ||exact|| over all rows, exact by enumeration (which equals
shap.ExactExplainer). Ours is timed at the coarsest of a few settings whose measured error is no larger than the
peer's, with all that one shard needs (background answered, coalitions drawn).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.methods.explainability.coalitions import CoalitionDesign
from assay.methods.explainability.interventional import InterventionalShapley, background_of

if TYPE_CHECKING:
    from assay.models.base import Model

__all__ = ["run"]

Floats = npt.NDArray[np.float64]

BACKGROUND = 100
ROWS = 20
SETTINGS = (0.3, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02)
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
    """Time and error of each, on 12 synthetic numbers and, where ASSAY_REAL_DATA is set, on 13 columns of Adult."""
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as folder:
        cases = [_case(case, rows) for case in _cases(Path(folder), rows)]
    return {"rows": rows, "background": BACKGROUND, "cases": cases}


def _case(case: _Case, rows: int) -> dict[str, Any]:
    exact = _ours(case, None)
    settings: list[tuple[str, _Timed]] = [(f"relative error {s:g}", _ours(case, s)) for s in SETTINGS]
    settings.append(("exact", exact))
    found: dict[str, Any] = {"name": case.name, "features": case.rows.shape[1], "peers": [], "ours": []}
    for name, timed in settings:
        found["ours"].append({"setting": name, **_figures(timed, exact.values, rows)})
    for name, peer in _peers(case):
        timed = peer()
        figures = _figures(timed, exact.values, rows)
        setting, equal = next(
            (s, t) for s, t in settings if _error(t.values, exact.values) <= max(figures["error"], 1e-12)
        )
        # timed again beside the peer, the better of two
        seconds = min(equal.seconds, _again(case, setting).seconds)
        found["peers"].append(
            {
                "name": name,
                **figures,
                "our_setting": setting,
                "our_error": _error(equal.values, exact.values),
                "our_milliseconds_a_row": 1000 * seconds / rows,
                "our_evaluations_a_row": equal.evaluations / rows,
                "ratio": timed.seconds / seconds,
            }
        )
    return found


def _again(case: _Case, setting: str) -> _Timed:
    return _ours(case, None if setting == "exact" else float(setting.rpartition(" ")[2]))


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

    start = time.perf_counter()
    known = background_of(case.background, scores)
    design = None if error is None else CoalitionDesign(case.rows.shape[1], 4_096, np.random.default_rng(0))
    ladder = InterventionalShapley(scores, known, design, 0, error or 0.05)
    answers = scores(case.rows)
    values = [ladder.explain(row, answer, 0).values for row, answer in zip(case.rows, answers, strict=True)]
    return _Timed(np.stack(values), time.perf_counter() - start, score.rows)


def _peers(case: _Case) -> Iterator[tuple[str, Callable[[], _Timed]]]:
    import shap

    masker = shap.maskers.Independent(case.background, max_samples=len(case.background))

    def timed(explain: Callable[[_Counted], Callable[[Floats], Any]]) -> _Timed:
        score = _Counted(case.model)
        explainer = explain(score)
        # numba compiles at the first call
        explainer(case.rows[:1])
        score.rows = 0
        start = time.perf_counter()
        found = explainer(case.rows)
        seconds = time.perf_counter() - start
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
    from benchmarks.zoo import NotHere, fitting
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
