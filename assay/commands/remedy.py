"""`assay remedy` and `assay remedies`: from options to a new model, and what there is."""

from __future__ import annotations

import csv
import io
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_origin

from assay.commands.audit import model_request
from assay.commands.data_options import RowOptions, file_request
from assay.commands.kept import find_evidence
from assay.commands.records import name_candidate
from assay.contracts import DataRequest, Profile, Remedy
from assay.errors import BadInput

if TYPE_CHECKING:
    from assay.engine import Listener
    from assay.repair import Repaired
    from assay.terminal import Terminal

__all__ = ["RemedyOptions", "list_remedies", "read_settings", "run_remedy"]


@dataclass(frozen=True, kw_only=True)
class RemedyOptions(RowOptions):
    """The options of `assay remedy`, as typed."""

    remedy: str
    out: Path
    data: Path | None = None
    model: Path | None = None
    base: Path | None = None
    signature: Path | None = None
    device: str = "auto"
    settings: tuple[str, ...] = ()
    seed: int = 0
    baseline: str | None = None
    """The audit whose sealed test rows the new model is to be measured on, as its named candidate."""
    time_limit: float = 604_800.0

    def data_request(self) -> DataRequest:
        """The rows to learn from. Test rows are no part of it: a file of them is never opened."""
        if self.train is not None and self.roles is not None and self.data is not None:
            raise BadInput("Training rows come from --train or from --data with --roles; give one of them.")
        if self.train is None and (self.data is None or self.roles is None):
            raise BadInput(
                "A remedy learns from training rows: give --train FILE, or --data FILE with --roles COLUMN."
            )
        if self.model is None and (self.base or self.signature or self.text):
            raise BadInput("--base, --signature and --text belong to --model, which is not given.")
        self.check_joins()
        leading = self.train or self.data
        assert leading is not None
        return DataRequest(
            training=file_request(leading, self.header),
            tuning=file_request(self.tuning, self.header) if self.tuning else None,
            model=model_request(self.model, self.base, self.signature, self.device),
            attributes=file_request(self.attributes, None) if self.attributes else None,
            **self.columns(),
        )


def run_remedy(options: RemedyOptions, listener: Listener | None = None) -> int:
    """Make the new model and say what came of it; 0, or an AssayError with its exit code."""
    from assay.progress import progress_bar
    from assay.registry import REMEDIES
    from assay.repair import RepairRequest, repair
    from assay.runner.supervisor import Supervisor
    from assay.terminal import Terminal, plain

    remedy = REMEDIES.get(options.remedy)
    request = RepairRequest(
        remedy=options.remedy,
        out=options.out,
        params=read_settings(remedy, options.settings),
        seed=options.seed,
        device=options.device,
    )
    data = options.data_request()
    # Read before hours of work depend on it.
    baseline = find_evidence(options.baseline) if options.baseline is not None else None

    def started(profile: Profile, seconds: float, done: tuple[int, int] | None) -> None:
        rows = " and ".join(f"{d.rows:,} {d.role} rows" for d in profile.datasets)
        print(f"{remedy.spec.id}: {rows}, about {seconds:,.0f} s.", file=sys.stderr)
        notes = list(profile.notes)
        if options.data is not None and options.train is not None:
            notes.append(f"{options.data.name} was not opened: a remedy never reads test rows.")
        for note in notes:
            print(f"Note: {plain(note, 300)}", file=sys.stderr)
        if done is not None:
            print(f"Goes on after epoch {done[0]} of {done[1]}.", file=sys.stderr)

    with progress_bar(listener) as watching, Supervisor(data, time_limit=options.time_limit) as supervisor:
        made = repair(request, supervisor, on_progress=watching.progress, on_start=started)
    named = baseline is not None and name_candidate(baseline, made.sha256)
    _print(Terminal(), made, options)
    if baseline is not None and not named:
        print(
            "Note: that audit opened no sealed rows for a model, so no candidate was named.", file=sys.stderr
        )
    return 0


def read_settings(remedy: Remedy, texts: tuple[str, ...]) -> dict[str, Any]:
    """--set as typed: JSON where it is JSON, names joined by commas otherwise; a dot goes one level down.

    Raises BadInput: no `=`, a key given twice.
    """
    found: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise BadInput(
                f'--set "{text}" cannot be read; write a parameter and its value, such as epochs=20.'
            )
        name, _, below = key.partition(".")
        place = found.setdefault(name, {}) if below else found
        if not isinstance(place, dict) or (below or name) in place:
            raise BadInput(f'--set gives "{key}" twice; give it once.')
        place[below or name] = _value(value, _takes_several(remedy, name) and not below)
    return found


def _takes_several(remedy: Remedy, name: str) -> bool:
    field = remedy.Params.model_fields.get(name)
    return field is not None and get_origin(field.annotation) is tuple


def _value(text: str, several: bool) -> Any:
    if several and not text.startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return json.loads(text)
    except ValueError:
        return text


def list_remedies() -> None:
    """Every remedy with what it needs and the parameters it takes."""
    from rich.text import Text

    from assay.planning import needs_in_words
    from assay.registry import REMEDIES
    from assay.terminal import Terminal

    terminal = Terminal()
    for remedy in REMEDIES.all():
        spec = remedy.spec
        terminal.line(Text.assemble((spec.id, "bold"), f"  {spec.title}, version {spec.version}"))
        sensitive = {
            "none": "not read",
            "training": "read in training only, never by the new model unless asked for",
            "inference": "read by the new model",
        }
        terminal.rows(
            [
                ("", spec.summary),
                ("needs", ", ".join(needs_in_words(spec.needs))),
                ("for", ", ".join(spec.modalities)),
                ("sensitive", sensitive[spec.uses_sensitive_at]),
            ]
        )
        terminal.rows(
            [
                (f"{name}={_shown(field.get_default(call_default_factory=True))}", field.description or "")
                for name, field in remedy.Params.model_fields.items()
            ],
            indent=4,
        )
        terminal.line()


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, tuple | Mapping) and not value:
        return ""
    return "null" if value is None else str(value)


def _print(terminal: Terminal, made: Repaired, options: RemedyOptions) -> None:
    """What was made, what it came to, and the command that measures it."""
    from assay.report import formatting
    from assay.terminal import plain

    figures = made.lineage.figures
    terminal.line(f"{made.lineage.remedy} {made.lineage.version} → {made.path}")

    def change(name: str, unit: str) -> str:
        before, after = figures.get(f"{name}_before"), figures.get(f"{name}_after")
        shown = formatting.value(after, unit)
        return shown if before is None else f"{formatting.value(before, unit)} → {shown}"

    rows = [("model", f"{made.format}, sha256 {made.sha256[:12]}…")]
    for title, name, unit in (
        ("parameters", "parameters", "count"),
        ("tuning loss", "tuning_loss", "score"),
        ("tuning accuracy", "tuning_accuracy", "share"),
        ("  without attack", "tuning_accuracy_clean", "share"),
    ):
        if f"{name}_after" in figures:
            rows.append((title, change(name, unit)))
    rows.append(("epochs", f"{figures['epochs']:.0f}, the best is {figures['best_epoch']:.0f}"))
    learnt = made.lineage.rows
    rows.append(("rows", ", ".join(f"{count:,} {role}" for role, count in learnt.items()) + "; no test row"))
    rows.extend(("note", plain(note, 300)) for note in made.lineage.notes)
    terminal.rows(rows)
    terminal.line()
    # Unwrapped, so that it can be copied.
    print(f"next  {plain(_next(options, made.profile), 4_000)}")


def _next(options: RemedyOptions, profile: Profile) -> str:
    """The audit of the new model, with what is known of the rows."""
    words = ["assay", "audit", "--model", str(options.out)]
    words += ["--data", str(options.data) if options.data is not None else "TEST_FILE"]
    for name, value in (
        ("--train", options.train),
        ("--tuning", options.tuning),
        ("--roles", options.roles),
        ("--label", profile.roles.label),
        ("--text", profile.roles.text),
        ("--sensitive", _joined(options.sensitive) if options.sensitive else None),
        ("--id", options.identifier),
        ("--cluster", options.cluster),
        ("--header", _joined(options.header) if options.header else None),
        ("--missing", _joined(options.missing) if options.missing else None),
        ("--baseline", options.baseline),
    ):
        words += [name, str(value)] if value is not None else []
    for cuts in options.bins:
        words += ["--bins", cuts]
    words += ["--allow-missing"] if options.allow_missing else []
    return shlex.join([*words, "--out", f"{options.out}-audit"])


def _joined(names: Sequence[str]) -> str:
    """Names as one option takes them: joined by commas, those with a comma or a quote in double quotes."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(names)
    return line.getvalue()
