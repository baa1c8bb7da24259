"""Two runs measured by the real methods on the same rows, with their row-level results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from assay.annex import RunRows
from assay.contracts import Evidence, Policy
from assay.datasets.row_arrays import row_arrays
from assay.evidence import result_digest, snapshot_digest
from assay.execution import run_method
from assay.policy import judge
from assay.registry import METHODS
from assay.runner.rows import checked_rows
from tests.compare.builders import run
from tests.support import table_subject

__all__ = ["applicants", "measured"]

_FAST: dict[str, dict[str, Any]] = {
    "performance.classification": {"replicates": 1_000, "score_replicates": 200},
    "fairness.group_rates": {"replicates": 1_000},
    "fairness.scores": {"replicates": 1_000},
}


def applicants(rows: int, seed: int = 1) -> tuple[dict[str, Sequence[Any]], np.ndarray, np.ndarray]:
    """Columns without scores, the merit that scores are made of, and which rows are women."""
    rng = np.random.default_rng(seed)
    female = rng.random(rows) < 0.5
    merit = rng.normal(size=rows)
    label = rng.random(rows) < 1 / (1 + np.exp(-1.5 * merit))
    columns = {
        "number": np.arange(rows).tolist(),
        "sex": np.where(female, "f", "m").tolist(),
        "label": np.where(label, "yes", "no").tolist(),
    }
    return columns, merit, female


def measured(
    folder: Path,
    columns: Mapping[str, Sequence[Any]],
    score: np.ndarray,
    *,
    policy: Policy | None = None,
    methods: Sequence[str] = tuple(_FAST),
    **request: Any,
) -> tuple[Evidence, RunRows]:
    """Evidence of one run on `columns` with `score`, and its rows."""
    folder.mkdir(parents=True, exist_ok=True)
    asked = {"label": "label", "scores": "score", "favourable": "yes", "sensitive": ("sex",), **request}
    subject = table_subject(folder, {**columns, "score": score.round(6).tolist()}, **asked)
    chosen = [METHODS.get(name) for name in methods]
    measures = [
        measure
        for method in chosen
        for measure in run_method(method, subject, _FAST.get(method.spec.id)).measures
    ]
    specs = tuple(method.spec for method in chosen)
    verdicts, findings = judge(policy, measures, specs) if policy else ((), ())
    evidence = run([], policy).model_copy(
        update={
            "subject": subject.profile,
            "methods": specs,
            "measures": tuple(measures),
            "verdicts": verdicts,
            "findings": findings,
            "result_digest": result_digest(measures, specs),
        }
    )
    evidence = evidence.model_copy(update={"snapshot_digest": snapshot_digest(evidence)})
    return evidence, checked_rows(row_arrays(subject), subject.profile)
