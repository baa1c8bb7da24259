"""The loop from a broken model to a proven repair, on the zoo, with the commands that a user types.

Audit, remedy, the same audit with `--baseline`, gate. What is claimed is read off the sealed test rows, of
which no remedy has seen one.

- reweighing: on the Adult model that was trained on labels unfair to women, the gap between men and women is
  cut by half or more; the same remedy without reweighing shows that it is the reweighing that does it.
- distillation: a student with at most half the parameters keeps at least 97 % of its teacher's accuracy.
- traded robustness: fine-tuning a model that was trained against attacks, without attacks, keeps accuracy and
  loses robustness; the gate stops it, and does not stop the model that goes on training under attack.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from assay import evidence
from assay.contracts import Comparison, Evidence
from assay.loading import load_subject
from benchmarks import zoo

__all__ = ["Loop", "distil", "reweigh", "run", "trade_robustness"]

_Z = 1.959964
FAIR = ("performance.classification", "fairness.group_rates")
ROBUST = ("performance.classification", "robustness.pgd")
GAPS = {
    "demographic parity": "fairness.selection_rate_difference",
    "equal opportunity": "fairness.true_positive_rate_difference",
}
REWEIGHINGS: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
    (
        "fine-tuning with reweighing",
        "training.fine_tune",
        {"reweigh": "sex", "epochs": 6, "learning_rate": 1e-3},
    ),
    (
        "training from scratch with reweighing",
        "training.from_scratch",
        {"reweigh": "sex", "epochs": 6, "learning_rate": 3e-3, "sizes.hidden": "[64,32]"},
    ),
    ("fine-tuning without reweighing", "training.fine_tune", {"epochs": 6, "learning_rate": 1e-3}),
)


@dataclass(frozen=True)
class Loop:
    """Commands in one working folder with an installation of their own."""

    folder: Path

    def assay(self, *arguments: str | Path, codes: Sequence[int] = (0,)) -> int:
        """Run `assay`; any exit code but those raises."""
        ran = subprocess.run(
            [sys.executable, "-m", "assay", *map(str, arguments)],
            env={**os.environ, "ASSAY_HOME": str(self.folder / "home")},
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode not in codes:
            raise RuntimeError(f"assay {arguments[0]} gave {ran.returncode}: {ran.stdout}{ran.stderr}")
        return ran.returncode

    def audit(self, made: zoo.ZooModel, out: str, methods: Sequence[str], *more: str | Path) -> Evidence:
        """Audit a model on its data."""
        chosen = ("--methods", ",".join(methods))
        self.assay("audit", *made.arguments(), *chosen, *more, "--out", self.folder / out, codes=(0, 1, 3))
        return evidence.load(self.folder / out)

    def repaired(self, made: zoo.ZooModel, remedy: str, settings: Mapping[str, Any]) -> zoo.ZooModel:
        """The new model on the same data. Test rows are not given along."""
        with_model = remedy != "training.from_scratch"
        given = made.arguments("training", "tuning", with_model=with_model)
        chosen = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        self.assay("remedy", remedy, *given, *chosen, "--out", self.folder / "repaired")
        return replace(made, path=self.folder / "repaired")

    def again(self, repaired: zoo.ZooModel, methods: Sequence[str]) -> Evidence:
        """The audit of `before` again, of the new model, with the first one named as its baseline."""
        return self.audit(repaired, "after", methods, "--baseline", self.folder / "before")

    def gate(self) -> int:
        """Exit code of `assay gate`."""
        baseline = ("--baseline", self.folder / "before")
        return self.assay("gate", self.folder / "after", *baseline, codes=(0, 1, 2, 3))


def _gap(found: Evidence, measure: str) -> dict[str, float]:
    """Absolute gap between men and women with the ends of its interval (0 where that holds 0)."""
    one = next(m for m in found.measures if m.id == measure and m.over == "sex")
    assert one.value is not None
    assert one.low is not None
    assert one.high is not None
    ends = sorted((abs(one.low), abs(one.high)))
    low = 0.0 if one.low < 0 < one.high else ends[0]
    return {"value": abs(one.value), "low": low, "high": ends[1], "n": one.n}


def _change(found: Evidence, measure: str) -> Comparison | None:
    assert found.change is not None
    listed = (*found.change.decisive, *found.change.moved)
    return next((c for c in listed if c.id == measure and c.over in (None, "sex") and not c.at), None)


def _change_in_figures(change: Comparison | None) -> dict[str, Any] | None:
    if change is None:
        return None
    names = ("before", "after", "change", "low", "high", "interval_method", "reading")
    return {name: getattr(change, name) for name in names}


def reweigh(made: zoo.ZooModel) -> list[dict[str, Any]]:
    """Each remedy against the biased model: gaps before and after, and what accuracy it cost."""
    rows = []
    for title, remedy, settings in REWEIGHINGS:
        with tempfile.TemporaryDirectory() as folder:
            loop = Loop(Path(folder))
            before = loop.audit(made, "before", FAIR)
            after = loop.again(loop.repaired(made, remedy, settings), FAIR)
        gaps = {}
        for name, measure in GAPS.items():
            first, second = _gap(before, measure), _gap(after, measure)
            gaps[name] = {
                "before": first,
                "after": second,
                "remaining": second["value"] / first["value"],
                "remaining_at_most": second["high"] / first["low"],
                "halved": second["high"] <= first["low"] / 2,
            }
        accuracy = _change_in_figures(_change(after, "performance.accuracy"))
        rows.append(
            {"title": title, "remedy": remedy, "params": dict(settings), "gaps": gaps, "accuracy": accuracy}
        )
    return rows


def _right(made: zoo.ZooModel) -> tuple[npt.NDArray[np.bool_], int]:
    """Which sealed rows the model decides rightly, and its parameters."""
    with tempfile.TemporaryDirectory() as scratch:
        subject = load_subject(made.data_request("test"), Path(scratch)).subject
        rows = np.arange(subject.profile.test.rows)
        decided = subject.model.decide(subject.model.scores(subject.inputs("test", rows)))
        return decided == subject.labels("test", rows), subject.model.facts.parameters


def _kept(teacher: npt.NDArray[np.bool_], student: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    """Student's accuracy / teacher's with a 95 % interval of the ratio of paired means (delta method)."""
    ratio = float(student.mean() / teacher.mean())
    spread = float(np.std(student - ratio * teacher, ddof=1))
    half = _Z * spread / (math.sqrt(len(teacher)) * float(teacher.mean()))
    return ratio, ratio - half, ratio + half


def distil(made: zoo.ZooModel, settings: Mapping[str, Any]) -> dict[str, Any]:
    """A student of the model: parameters, and the share of its accuracy that is kept."""
    with tempfile.TemporaryDirectory() as folder:
        teacher, parameters = _right(made)
        student, student_parameters = _right(
            Loop(Path(folder)).repaired(made, "distillation.student", settings)
        )
    ratio, low, high = _kept(teacher, student)
    return {
        "teacher": made.name,
        "params": dict(settings),
        "teacher_parameters": parameters,
        "student_parameters": student_parameters,
        "teacher_accuracy": float(teacher.mean()),
        "student_accuracy": float(student.mean()),
        "n": len(teacher),
        "kept": ratio,
        "low": low,
        "high": high,
        "holds": student_parameters <= parameters / 2 and low >= 0.97,
    }


def trade_robustness(made: zoo.ZooModel) -> list[dict[str, Any]]:
    """What the gate says of further training without attacks, and of further training under attack."""
    plain = {"epochs": 30, "learning_rate": 3e-3, "patience": "null"}
    attacked = {"epochs": 10, "batch_rows": 64, "eps": 0.15, "steps": 5}
    rows = []
    for title, remedy, settings, stopped in (
        ("fine-tuning without attacks", "training.fine_tune", plain, True),
        ("further training under attack", "adversarial.training", attacked, False),
    ):
        with tempfile.TemporaryDirectory() as folder:
            loop = Loop(Path(folder))
            loop.audit(made, "before", ROBUST)
            after = loop.again(loop.repaired(made, remedy, settings), ROBUST)
            code = loop.gate()
        assert after.change is not None
        under_attack = [
            {"eps": c.at["eps"], **(_change_in_figures(c) or {})}
            for c in (*after.change.decisive, *after.change.moved)
            if c.id == "robustness.robust_accuracy" and "eps" in c.at
        ]
        worse = any(one["reading"] == "worse" for one in under_attack)
        rows.append(
            {
                "title": title,
                "remedy": remedy,
                "params": dict(settings),
                "gate": code,
                "sentence": after.change.sentence,
                "accuracy": _change_in_figures(_change(after, "performance.accuracy")),
                "under_attack": under_attack,
                "holds": (code == 1 and worse) if stopped else (code != 1 and not worse),
            }
        )
    return rows


def run() -> dict[str, Any]:
    """Every claim; needs UCI Adult."""
    halved = {"epochs": 15, "learning_rate": 3e-3, "schedule": "cosine"}
    return {
        "reweighing": reweigh(zoo.model("adult_mlp_biased")),
        "distillation": [
            distil(zoo.model("adult_mlp"), halved),
            distil(zoo.model("digits_cnn"), {**halved, "epochs": 30, "batch_rows": 64}),
        ],
        "traded_robustness": trade_robustness(zoo.model("digits_cnn_pgd")),
    }
