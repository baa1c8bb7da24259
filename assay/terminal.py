"""What the commands print: the answer first, verdicts with sign and word, never by colour alone.

Every word that came from a file passes through `plain`, so that nothing in the data can move the cursor.
"""

from __future__ import annotations

import sys
import textwrap
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from assay.contracts import (
    PILLAR_TITLES,
    PILLARS,
    AuditPlan,
    Evidence,
    Measure,
    Outcome,
    Pillar,
    Profile,
    Verdict,
)
from assay.policy.wording import settle_clause, subject_of
from assay.report import formatting
from assay.report.untested import untested

__all__ = ["SIGNS", "Terminal", "plain"]

SIGNS: dict[Outcome, tuple[str, str, str]] = {
    # outcome: sign, word, style
    "fail": ("✗", "failed", "bold #d0436b"),
    "warn": ("!", "close to the limit", "#d98e1f"),
    "insufficient": ("?", "insufficient", "#8b93a1"),
    "not_tested": ("–", "not tested", "#8b93a1"),
    "pass": ("✓", "passed", "#4a9ad4"),
}
_SOFT = "dim"
_HEADLINES = 10
"""Measures of one pillar that are printed when there is no policy to say which matter."""
_UNJUDGED = 4
"""Measures that are printed of a pillar for which the policy has no rule."""
_FIRST = (
    "performance.accuracy",
    "performance.auc",
    "performance.precision",
    "performance.recall",
    "performance.mean_absolute_error",
    "performance.r_squared",
    "fairness.selection_rate",
    "fairness.selection_rate_ratio",
    "fairness.true_positive_rate_difference",
    "fairness.auc",
    "explainability.shapley.largest_share",
    "explainability.shapley.deletion_gain",
    "robustness.robust_accuracy",
    "robustness.mean_corruption_error",
    "robustness.clean_accuracy",
    "robustness.gradient_masking_alarms",
    "privacy.membership_auc",
    "privacy.membership_advantage",
    "cost.latency",
    "cost.throughput",
    "cost.parameters",
    "cost.flops_per_row",
    "cost.price_per_1000",
    "cost.energy_per_1000",
    "explainability.shapley.sensitive_share",
    "data_quality.rows",
    "data_quality.smallest_group_rows",
    "data_quality.duplicate_share",
    "data_quality.leaked_share",
)
"""What is printed first of each pillar then."""


def plain(text: str, limit: int = 120) -> str:
    """The text without control characters or direction overrides, cut to `limit` characters."""
    kept = "".join("�" if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn") else c for c in text)
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"


class Terminal:
    """Prints to standard output; colours and boxes only where that is a terminal."""

    def __init__(self, console: Console | None = None) -> None:
        width = None if sys.stdout.isatty() else 110
        self._console = console or Console(highlight=False, soft_wrap=False, width=width)

    def audit(
        self,
        evidence: Evidence,
        folder: Path,
        code: int,
        change: Callable[[Terminal], None] | None = None,
        lost: int = 0,
    ) -> None:
        """The result of an audit: subject, verdicts a pillar, what was not tested, files, exit code.

        `change` prints the comparison with a baseline, after the verdicts; `lost` characters are written
        out in the PDF because no font has them.
        """
        self._head(evidence)
        if evidence.plan.policy is None:
            self._measured(evidence)
        else:
            self._verdicts(evidence)
        if change is not None:
            change(self)
        self._not_tested(evidence)
        self._files(evidence, folder, lost)
        self.line(_ending(evidence, code))

    def plan(self, plan: AuditPlan, profile: Profile) -> None:
        """What would be measured, how many model calls and seconds it takes, and what would not be tested."""
        self.line(Text(f"Plan {plan.plan_sha256[:8]}, tier {plan.tier}, seed {plan.seed}", "bold"))
        rows = [
            (
                planned.id,
                f"{formatting.count(planned.estimate.evaluations)} evaluations",
                f"about {formatting.duration(planned.estimate.seconds)}",
                f"{planned.estimate.memory_bytes / 2**20:,.0f} MB",
            )
            for planned in plan.methods
        ]
        self.rows(rows, right=(1, 2, 3))
        total = sum(planned.estimate.seconds for planned in plan.methods)
        rows_read = formatting.plural(profile.test.rows, "row")
        self.line(f"{rows_read}; about {formatting.duration(total)} in all, reading and report not counted.")
        self.line()
        for entry in plan.not_tested:
            self.line(Text(f"not tested  {plain(entry.title)}: {plain(entry.reason, 300)}", _SOFT))

    def line(self, text: str | Text = "") -> None:
        """One line, no markup read from it."""
        self._console.print(text if isinstance(text, Text) else Text(text))

    def rows(
        self, rows: Iterable[Sequence[str | Text]], *, indent: int = 2, right: Sequence[int] = ()
    ) -> None:
        """Aligned columns without borders; columns named in `right` are right-aligned, the last one wraps."""
        cells = [[c if isinstance(c, Text) else Text(c) for c in row] for row in rows]
        if not cells:
            return
        widths = [max(len(row[i].plain) for row in cells) for i in range(len(cells[0]))]
        used = indent + sum(widths[:-1]) + 2 * (len(widths) - 1)
        last = max(self._console.width - used, 20)
        for row in cells:
            line = Text(" " * indent)
            for number, (cell, width) in enumerate(zip(row[:-1], widths[:-1], strict=True)):
                blank = " " * (width - len(cell.plain))
                line = line + (Text(blank) + cell if number in right else cell + Text(blank)) + Text("  ")
            first, *rest = row[-1].wrap(self._console, last) or [Text()]
            self.line(line + first)
            for more in rest:
                self.line(Text(" " * used) + more)

    def _head(self, evidence: Evidence) -> None:
        test = evidence.subject.test
        aside = f", {formatting.count(test.set_aside)} set aside" if test.set_aside else ""
        model, grade = evidence.subject.model, evidence.subject.grade
        how = {
            "supplied": "predictions supplied",
            "endpoint": "the model was asked over HTTP",
            "executed": "the model itself ran",
        }[grade]
        rows = [
            (
                "Subject",
                f"{plain(test.name)} · {formatting.count(test.rows)} rows{aside} · {how} (grade: {grade})",
            )
        ]
        record = evidence.endpoint
        if record is not None:
            spent = f" · {record.tokens:,} tokens" if record.tokens else ""
            spent += f" · {record.spend:,.4f} spent" if record.spend else ""
            asked = f"{formatting.plural(record.requests, 'request')}{spent}"
            rows.append(("Endpoint", f"{plain(record.host)} · {plain(record.model)} · {asked}"))
            if record.canary is not None and record.canary.changed:
                rows.append(("Swapped", plain(record.canary.sentence)))
        elif model is not None:
            architecture = plain(model.architecture, 60)
            parameters = formatting.count(model.parameters)
            rows.append(
                (
                    "Model",
                    f"{plain(model.name)} · {model.format} · {architecture} · {parameters} parameters · "
                    f"{model.device} (sha256 {formatting.short(model.sha256)}…)",
                )
            )
        policy = evidence.plan.policy
        if policy is not None:
            fixed = evidence.plan.fixed_at[11:19]
            digest = formatting.short(evidence.plan.policy_sha256 or "")
            rows.append(("Policy", f"{policy.id} {policy.version} (sha256 {digest}…, fixed {fixed} UTC)"))
        if evidence.plan.opening is not None:
            rows.append(("Rows", plain(evidence.plan.opening.sentence, 400)))
        rows.extend(("Note", plain(note, 300)) for note in evidence.subject.notes)
        self.rows(rows, indent=0)
        self.line()

    def _verdicts(self, evidence: Evidence) -> None:
        for pillar in PILLARS:
            verdicts = [v for v in evidence.verdicts if v.pillar == pillar and v.outcome != "not_tested"]
            if not verdicts:
                continue
            self.line(Text.assemble((f"{_title(pillar):<16} ", "bold"), _counts(verdicts)))
            order = list(SIGNS)
            for verdict in sorted(verdicts, key=lambda v: order.index(v.outcome)):
                self._verdict(verdict)
        judged = {v.pillar for v in evidence.verdicts if v.outcome != "not_tested"}
        for pillar in PILLARS:
            if pillar not in judged:
                title = Text.assemble(
                    (f"{_title(pillar):<16} ", "bold"), ("measured, no rule judges it", _SOFT)
                )
                self._headlines(evidence, pillar, title, _UNJUDGED)
        skipped = [v for v in evidence.verdicts if v.outcome == "not_tested"]
        for verdict in skipped:
            self.line(Text(f"– {plain(verdict.title)}: {plain(verdict.sentence, 300)}", style=_SOFT))
        self.line()

    def item(self, outcome: tuple[str, str], title: str, numbers: str) -> None:
        """A sign, a title that wraps, and numbers that stay aligned at the right end of the first line."""
        sign, style = outcome
        width = max(self._console.width - len(numbers) - 6, 24)
        first, *rest = textwrap.wrap(title, width) or [""]
        self.line(Text.assemble("  ", (sign, style), f" {first:<{width}}  ", numbers.rstrip()))
        for line in rest:
            self.line(f"    {line}")

    def _verdict(self, verdict: Verdict) -> None:
        """One line a verdict, aligned over all pillars; what would settle an undecided one below it."""
        sign, _, style = SIGNS[verdict.outcome]
        n = "" if verdict.n is None else f"n {formatting.count(verdict.n)}"
        value = formatting.value(verdict.value, verdict.unit)
        interval = _interval(verdict.low, verdict.high, verdict.unit)
        numbers = f"{value:>7} {interval:<18} {'limit ' + verdict.limit:<19} {n:<9}"
        self.item((sign, style), _named(verdict), numbers)
        if verdict.outcome == "insufficient":
            clause = settle_clause(verdict.undecided).lstrip(":; ")
            some = f"{len(verdict.undecided)} of {verdict.judged} undecided; " if verdict.judged > 1 else ""
            for line in textwrap.wrap(plain(some + clause, 300), self._console.width - 6):
                self.line(Text(f"      {line}", style=_SOFT))

    def _measured(self, evidence: Evidence) -> None:
        self.line("No policy was given: measures, no verdicts. `assay policies` lists the packs.")
        self.line()
        for pillar in PILLARS:
            self._headlines(evidence, pillar, Text(_title(pillar), style="bold"), _HEADLINES)
        self.line()

    def _headlines(self, evidence: Evidence, pillar: Pillar, title: Text, most: int) -> None:
        """The pillar's most telling measures, at most `most`; nothing where it measured nothing."""
        specs = {s.id: s for m in evidence.methods if m.pillar == pillar for s in m.measures}
        mine = sorted((m for m in evidence.measures if m.id in specs and _is_headline(m)), key=_prominence)
        if not mine:
            return
        self.line(title)
        self.rows(
            [
                (
                    f"{specs[m.id].title}{_where(m)}",
                    formatting.value(m.value, m.unit) + ("" if m.unit in formatting.BARE else f" {m.unit}"),
                    "" if m.interval_method == "exact" else _interval(m.low, m.high, m.unit),
                    f"n {formatting.count(m.n)}",
                )
                for m in mine[:most]
            ],
            right=(1, 2, 3),
        )
        if len(mine) > most:
            self.line(Text(f"  and {len(mine) - most} more in the report", style=_SOFT))

    def _not_tested(self, evidence: Evidence) -> None:
        reasons = untested(evidence)
        self.rows(
            [
                ("not tested", Text(f"{', '.join(titles).lower()}: {plain(reason, 300)}", style=_SOFT))
                for reason, titles in reasons.items()
            ],
            indent=0,
        )
        if reasons:
            self.line()

    def _files(self, evidence: Evidence, folder: Path, lost: int) -> None:
        written = (
            f"{formatting.plural(lost, 'character')} written out there by code point, for want of a font"
        )
        self.rows(
            [
                ("report", f"{folder / 'report.pdf'}   (sealed; no reviewer has signed)"),
                *([("", f"({written}; ASSAY_FONTS names a folder of more)")] if lost else []),
                ("", f"{folder / 'report.html'}"),
                ("evidence", f"{folder / 'evidence.json'}   result {evidence.result_digest[:12]}…"),
                (
                    "snapshot",
                    f"{evidence.snapshot_digest[:12]}   (kept; assay compare and gate find it by that)",
                ),
            ],
            indent=0,
        )


def _title(pillar: Pillar) -> str:
    return PILLAR_TITLES[pillar]


def _counts(verdicts: Sequence[Verdict]) -> Text:
    counts = Counter(v.outcome for v in verdicts)
    parts = [
        Text(f"{counts[outcome]} {word}", style=style)
        for outcome, (_, word, style) in SIGNS.items()
        if counts[outcome]
    ]
    return Text(" · ").join(parts)


def _named(verdict: Verdict) -> str:
    """The rule, the attribute, and the pair or group that is quoted."""
    over = f", {plain(verdict.over)}" if verdict.over else ""
    who = f": {plain(verdict.subject)}" if verdict.subject != "all rows" else ""
    return f"{plain(verdict.title)}{over}{who}"


def _interval(low: float | None, high: float | None, unit: str) -> str:
    if low is None or high is None:
        return ""
    return f"[{formatting.value(low, unit)}, {formatting.value(high, unit)}]"


def _is_headline(measure: Measure) -> bool:
    """Measured, and of all rows or of a single attribute."""
    return measure.value is not None and len(measure.slice) <= 1 and measure.unit != "p-value"


def _prominence(measure: Measure) -> tuple[int, str, str, tuple[str, ...], list[tuple[float, str]]]:
    rank = _FIRST.index(measure.id) if measure.id in _FIRST else len(_FIRST)
    setting = [
        (0.0, value) if isinstance(value, str) else (float(value), "")
        for _, value in sorted(measure.at.items())
    ]
    return rank, measure.id, "".join(measure.slice), tuple(measure.slice.values()), setting


def _where(measure: Measure) -> str:
    """Rows, comparison and setting of a measure, behind its title."""
    subject = subject_of(measure)
    over = f", over {plain(measure.over)}" if measure.over and not measure.slice else ""
    if subject == "all rows":
        return over
    if subject.startswith("all rows ("):
        return f" {plain(subject.removeprefix('all rows '))}{over}"
    return f", {plain(subject)}{over}"


def _ending(evidence: Evidence, code: int) -> Text:
    counts = Counter(v.outcome for v in evidence.verdicts)
    parts = []
    if counts["fail"]:
        parts.append(f"{formatting.plural(counts['fail'], 'rule')} failed")
    if counts["insufficient"]:
        parts.append(f"{counts['insufficient']} undecided")
    required = sum(v.outcome == "not_tested" and v.required for v in evidence.verdicts)
    if required:
        parts.append(f"{formatting.plural(required, 'required rule')} not tested")
    if evidence.manifest.failed_shards:
        parts.append(f"{formatting.plural(evidence.manifest.failed_shards, 'method')} did not finish")
    reason = ", ".join(parts) or ("no rule failed" if evidence.plan.policy else "measured, not judged")
    style = SIGNS["fail"][2] if code == 1 else SIGNS["insufficient"][2] if code else SIGNS["pass"][2]
    return Text(f"exit {code}: {reason}", style=style)
