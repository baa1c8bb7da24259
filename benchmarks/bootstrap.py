"""Bootstrap of all group rates: from cells against fairlearn's from rows.

Both start from the same arrays of codes and end with percentile intervals of nine rates for each
sex, each race and each pair of both. The data are the 48,842 rows of UCI Adult where ASSAY_REAL_DATA
names a folder that has them, otherwise a synthetic table of the same size, and the result says which.
Predictions come from a fixed rule on years of education and hours a week, so no model is trained.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from assay.stats.bootstrap import multinomial_bootstrap, percentile_interval

__all__ = [
    "RATES",
    "Rows",
    "adult",
    "fairlearn_metrics",
    "group_counts",
    "group_rates",
    "plain_metrics",
    "run",
    "synthetic",
]

Array: TypeAlias = npt.NDArray[Any]

ADULT = Path("adult") / "adults_openml_48842.parquet"
ROWS = 48_842

# numerator and denominator over (true negatives, false positives, false negatives, true positives)
RATES: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "selection_rate": ((1, 3), (0, 1, 2, 3)),
    "true_positive_rate": ((3,), (2, 3)),
    "false_positive_rate": ((1,), (0, 1)),
    "true_negative_rate": ((0,), (0, 1)),
    "false_negative_rate": ((2,), (2, 3)),
    "positive_predictive_value": ((3,), (1, 3)),
    "negative_predictive_value": ((0,), (0, 2)),
    "accuracy": ((0, 3), (0, 1, 2, 3)),
    "base_rate": ((2, 3), (0, 1, 2, 3)),
}


@dataclass(frozen=True)
class Rows:
    """Codes of each row: what a table of predictions boils down to."""

    source: str
    sex: Array
    race: Array
    label: Array
    prediction: Array
    sexes: int
    races: int


def run(replicates: int = 10_000, peer_replicates: int = 2, seed: int = 0) -> dict[str, Any]:
    """Times both bootstraps in this process.

    Args:
        replicates: of ours; the peer's time is measured on fewer and compared per replicate.
        peer_replicates: of fairlearn's MetricFrame, for each of sex, race and both.

    Returns:
        seconds, seconds per replicate and their ratio, with what was measured.
    """
    rows = adult() or synthetic()
    ours = _best(lambda: _ours(rows, replicates, seed), repeats=3)
    each = ours / replicates
    usual = _peer_seconds_per_replicate(rows, fairlearn_metrics(), peer_replicates, seed)
    plain = _peer_seconds_per_replicate(rows, plain_metrics(), peer_replicates, seed)
    return {
        "name": "bootstrap of all group rates: sex, race and sex x race",
        "data": rows.source,
        "rows": len(rows.label),
        "rates": len(RATES),
        "groups": rows.sexes + rows.races + rows.sexes * rows.races,
        "replicates": replicates,
        "seconds": ours,
        "seconds_per_replicate": each,
        "peer": "fairlearn MetricFrame(n_boot=...)",
        "peer_replicates": peer_replicates,
        "peer_seconds_per_replicate": usual,
        "ratio_per_replicate": usual / each,
        "peer_seconds_per_replicate_with_numpy_metrics": plain,
        "ratio_per_replicate_with_numpy_metrics": plain / each,
    }


def adult() -> Rows | None:
    """UCI Adult, or None where ASSAY_REAL_DATA does not name a folder with it."""
    folder = os.environ.get("ASSAY_REAL_DATA")
    if not folder or not (Path(folder) / ADULT).is_file():
        return None
    import pyarrow.parquet as pq

    names = ["sex", "race", "class", "education-num", "hours-per-week"]
    table = pq.read_table(Path(folder) / ADULT, columns=names)
    codes = {}
    for name in names[:3]:
        values, codes[name] = np.unique(table[name].cast("string").to_numpy(), return_inverse=True)
        codes[f"{name} values"] = values
    label = codes["class values"][codes["class"]] == ">50K"
    prediction = _rule(table["education-num"].to_numpy(), table["hours-per-week"].to_numpy())
    return Rows(
        "UCI Adult",
        codes["sex"],
        codes["race"],
        label.astype(np.int64),
        prediction,
        len(codes["sex values"]),
        len(codes["race values"]),
    )


def synthetic(rows: int = ROWS, seed: int = 1) -> Rows:
    """A table of Adult's size with group shares and rates of that order."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(2, rows, p=[0.33, 0.67])
    race = rng.choice(5, rows, p=[0.01, 0.03, 0.10, 0.01, 0.85])
    education, hours = rng.integers(1, 17, rows), rng.integers(10, 80, rows)
    chance = 0.02 + 0.02 * education + 0.1 * sex
    label = (rng.random(rows) < chance).astype(np.int64)
    return Rows("synthetic, of Adult's size", sex, race, label, _rule(education, hours), 2, 5)


def group_counts(rows: Rows) -> dict[str, Array]:
    """Cells (tn, fp, fn, tp) of every group: attribute -> (groups, 4)."""
    cells = _cells(rows)[None]
    return {over: counts[0] for over, counts in _by_attribute(rows, cells).items()}


def group_rates(counts: Array) -> Array:
    """The nine rates of each group: (..., 4) -> (..., 9), NaN without rows below the line."""
    above = np.stack([counts[..., top].sum(axis=-1) for top, _ in RATES.values()], axis=-1)
    below = np.stack([counts[..., bottom].sum(axis=-1) for _, bottom in RATES.values()], axis=-1)
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)


def fairlearn_metrics() -> dict[str, Callable[..., float]]:
    """The same nine rates with fairlearn's and scikit-learn's functions."""
    import fairlearn.metrics as fl
    from sklearn.metrics import accuracy_score, precision_score

    def negative_predictive_value(y_true: Array, y_pred: Array) -> float:
        return float(precision_score(y_true, y_pred, pos_label=0, zero_division=np.nan))

    def positive_predictive_value(y_true: Array, y_pred: Array) -> float:
        return float(precision_score(y_true, y_pred, zero_division=np.nan))

    def base_rate(y_true: Array, y_pred: Array) -> float:
        return float(fl.selection_rate(y_true, y_true))

    return {
        "selection_rate": fl.selection_rate,
        "true_positive_rate": fl.true_positive_rate,
        "false_positive_rate": fl.false_positive_rate,
        "true_negative_rate": fl.true_negative_rate,
        "false_negative_rate": fl.false_negative_rate,
        "positive_predictive_value": positive_predictive_value,
        "negative_predictive_value": negative_predictive_value,
        "accuracy": accuracy_score,
        "base_rate": base_rate,
    }


def plain_metrics() -> dict[str, Callable[..., float]]:
    """The nine rates in bare numpy: the fastest functions that MetricFrame can be given."""

    def rate(top: tuple[int, ...], bottom: tuple[int, ...]) -> Callable[..., float]:
        def metric(y_true: Array, y_pred: Array) -> float:
            counts = np.bincount(2 * np.asarray(y_true) + np.asarray(y_pred), minlength=4)
            below = counts[list(bottom)].sum()
            return float(counts[list(top)].sum() / below) if below else float("nan")

        return metric

    return {name: rate(top, bottom) for name, (top, bottom) in RATES.items()}


def _peer_seconds_per_replicate(
    rows: Rows, metrics: dict[str, Callable[..., float]], replicates: int, seed: int
) -> float:
    """What one more replicate costs: a bootstrapped frame less one without, after a warming call."""
    _fairlearn(synthetic(rows=500), metrics, None, seed)
    without = _best(lambda: _fairlearn(rows, metrics, None, seed), repeats=1)
    with_replicates = _best(lambda: _fairlearn(rows, metrics, replicates, seed), repeats=1)
    return (with_replicates - without) / replicates


def _ours(rows: Rows, replicates: int, seed: int) -> dict[str, Any]:
    drawn = multinomial_bootstrap(_cells(rows), replicates, np.random.default_rng(seed))
    return {
        over: percentile_interval(group_rates(counts)) for over, counts in _by_attribute(rows, drawn).items()
    }


def _fairlearn(
    rows: Rows, metrics: dict[str, Callable[..., float]], replicates: int | None, seed: int
) -> list[Any]:
    from fairlearn.metrics import MetricFrame

    extra = {} if replicates is None else {"n_boot": replicates, "ci_quantiles": [0.025, 0.975]}
    frames = []
    for features in ({"sex": rows.sex}, {"race": rows.race}, {"race": rows.race, "sex": rows.sex}):
        frame = MetricFrame(
            metrics=metrics,
            y_true=rows.label,
            y_pred=rows.prediction,
            sensitive_features=features,
            random_state=seed,
            **extra,
        )
        frames.append(frame.by_group if replicates is None else frame.by_group_ci)
    return frames


def _cells(rows: Rows) -> Array:
    """Rows in each race x sex x label x prediction."""
    code = ((rows.race * rows.sexes + rows.sex) * 2 + rows.label) * 2 + rows.prediction
    return np.bincount(code, minlength=rows.races * rows.sexes * 4)


def _by_attribute(rows: Rows, cells: Array) -> dict[str, Array]:
    """(replicates, cells) -> attribute -> (replicates, groups, 4)."""
    table = cells.reshape(len(cells), rows.races, rows.sexes, 4)
    return {
        "sex": table.sum(axis=1),
        "race": table.sum(axis=2),
        "race × sex": table.reshape(len(cells), rows.races * rows.sexes, 4),
    }


def _rule(education: Array, hours: Array) -> Array:
    return ((education >= 13) | ((education >= 10) & (hours >= 50))).astype(np.int64)


def _best(work: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)
