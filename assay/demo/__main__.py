"""`python -m assay.demo`: the loop without the service, and one sealed report on what the repair did.

The diabetes study (or UCI Adult) is cut into five folds. In each, three parts of the rest train a network and
one part tunes it; the sealed fifth is predicted by the network that never saw it. Performance and fairness
are measured on these pooled predictions of all rows; the other pillars ask the first fold's network about its
own sealed rows. The repair is fine-tuning with groups reweighed, in every fold, judged by the same plan.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

from assay.commands.audit import AuditOptions, run_audit
from assay.demo.folds import FOLDS, Fold, cut, pooled, repaired
from assay.demo.tables import Columns, adult_columns, diabetes_columns, write_table
from assay.errors import AssayError

__all__ = ["main"]


@dataclass(frozen=True)
class Study:
    """What the demo audits."""

    name: str
    title: str
    columns: Columns
    label: str
    favourable: str
    sensitive: tuple[str, ...]
    policy: str
    bins: tuple[str, ...] = ()
    cuts: dict[str, tuple[float, ...]] = field(default_factory=dict)
    train: dict[str, Any] = field(default_factory=dict)
    repair: dict[str, Any] = field(default_factory=dict)

    @property
    def request(self) -> dict[str, Any]:
        """Fields of DataRequest that every reading of the data shares."""
        return {
            "label": self.label,
            "favourable": self.favourable,
            "sensitive": self.sensitive,
            "bins": self.cuts,
        }


def _diabetes() -> Study:
    return Study(
        name="diabetes",
        title="Diabetes progression, a small network",
        columns=diabetes_columns(),
        label="progression",
        favourable="high",
        sensitive=("sex", "age"),
        policy="health-triage",
        bins=("age=50",),
        cuts={"age": (50.0,)},
        train={
            "sizes": {"hidden": [16]},
            "use_sensitive": True,
            "epochs": 80,
            "batch_rows": 32,
            "learning_rate": 0.005,
            "patience": 10,
        },
        repair={
            "epochs": 40,
            "batch_rows": 32,
            "learning_rate": 0.002,
            "patience": 10,
            "reweigh": ["sex", "age"],
        },
    )


def _adult(file: Path | None) -> Study:
    return Study(
        name="adult",
        title="UCI Adult: income over 50K, a small network",
        columns=adult_columns(file),
        label="income",
        favourable=">50K",
        sensitive=("sex", "race"),
        policy="hiring",
        train={"sizes": {"hidden": [64, 32]}, "use_sensitive": True, "epochs": 12},
        repair={"epochs": 8, "reweigh": ["sex"]},
    )


def main() -> NoReturn:
    """Run the loop and say what to do next. Ends with 0 unless an audit itself failed."""
    parser = argparse.ArgumentParser(prog="python -m assay.demo", description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder for the report [out/demo]")
    parser.add_argument("--dataset", choices=("diabetes", "adult"), default="diabetes")
    parser.add_argument("--file", type=Path, help="the UCI Adult file, for --dataset adult")
    chosen = parser.parse_args()
    try:
        study = _diabetes() if chosen.dataset == "diabetes" else _adult(chosen.file)
        with tempfile.TemporaryDirectory(prefix="assay-demo-") as folder:
            code = _loop(study, Path(folder), chosen.out)
    except AssayError as error:
        print(error.message, file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        sys.exit(130)
    print(f"\nNext: .venv/bin/assay verify {chosen.out / 'report.pdf'}")
    print(f"      .venv/bin/assay gate --baseline {chosen.out / 'before'} {chosen.out}")
    # A verdict on the bundled data is an answer, not a failure of the demo.
    sys.exit(0 if code in (0, 1, 3) else code)


def _loop(study: Study, folder: Path, out: Path) -> int:
    folds = cut(study.columns, study.label, folder)
    rows = len(next(iter(study.columns.values())))
    _say(
        f"1. Training {FOLDS} networks on {rows:,} rows of {study.name}, one a fold; each fold seals a fifth"
    )
    before = repaired(folds, "training.from_scratch", study.train, study.request, "before", _tick)
    _say("2. Auditing: performance and fairness on all rows, the rest by asking the first fold's network")
    code = _audit(study, folds, before, out / "before", None)
    if code not in (0, 1, 3):
        return code
    groups = " and ".join(study.repair["reweigh"])
    _say(f"3. Repairing: fine-tuning in every fold, groups of {groups} reweighed")
    after = repaired(folds, "training.fine_tune", study.repair, study.request, "after", _tick, models=before)
    _say("4. Auditing the repaired networks by the same plan, row by row against the first audit")
    code = _audit(study, folds, after, out, out / "before")
    for name, models in (("before", before), ("after", after)):
        target = out / "models" / name
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(models[0], target)
    return code


def _audit(study: Study, folds: list[Fold], models: list[Path], out: Path, baseline: Path | None) -> int:
    """Audit pooled predictions and the first fold's model; `baseline` is the audit to compare with."""
    first = folds[0]
    table = first.folder.parent / f"{study.name}.csv"
    write_table(pooled(study.columns, folds, models, study.request), table)
    options = AuditOptions(
        data=table,
        out=out,
        label=study.label,
        scores="probability",
        favourable=study.favourable,
        sensitive=study.sensitive,
        bins=study.bins,
        policy=study.policy,
        model=models[0],
        asked=first.sealed_file,
        train=first.training_file,
        device="cpu",
        tier="quick",
        title=study.title,
    )
    options = replace(options, baseline=str(baseline) if baseline is not None else None)
    return run_audit(replace(options, command=_typed(options)))


def _typed(options: AuditOptions) -> tuple[str, ...]:
    """The command that does the same, as a user would type it."""
    pairs = [
        ("--data", options.data),
        ("--label", options.label),
        ("--scores", options.scores),
        ("--favourable", options.favourable),
        ("--sensitive", ",".join(options.sensitive)),
        *(("--bins", cut) for cut in options.bins),
        ("--policy", options.policy),
        ("--model", options.model),
        ("--asked", options.asked),
        ("--train", options.train),
        ("--device", options.device),
        ("--tier", options.tier),
        ("--baseline", options.baseline),
    ]
    return ("audit", *(str(word) for pair in pairs if pair[1] is not None for word in pair))


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _tick(done: float) -> None:
    """A line that moves where somebody watches."""
    if sys.stderr.isatty():
        print(f"\r   {done:4.0%}", end="\n" if done >= 1 else "", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
