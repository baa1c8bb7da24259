"""A realistic evidence document for the tests of the report: counts of a hiring screen by sex and race.

All rates, intervals and verdict outcomes are computed from the counts here; nothing is a fixed result.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assay import contracts as c
from assay.evidence import digest, measure_key, result_digest, snapshot_digest
from tests.report.sample_measures import (
    SEXES,
    data_quality,
    fairness,
    performance,
    total,
)
from tests.report.sample_measures import (
    profile as profile_of,
)
from tests.report.sample_measures import (
    series as series_of,
)

REASON = "needs a model that can be asked; only predictions were supplied"
RACES = ("White", "Black", "Asian-Pac-Islander", "Amer-Indian-Eskimo", "Other")
ROWS = {"White": (9290, 4656), "Black": (760, 801), "Asian-Pac-Islander": (316, 164)}
ROWS |= {"Amer-Indian-Eskimo": (103, 56), "Other": (82, 53)}
RATES = {"White": (0.268, 0.085), "Black": (0.165, 0.052), "Asian-Pac-Islander": (0.297, 0.11)}
RATES |= {"Amer-Indian-Eskimo": (0.126, 0.071), "Other": (0.159, 0.057)}


def spec(id_: str, title: str, pillar: str, measures: Sequence[tuple[str, str, str, str]]) -> c.MethodSpec:
    return c.MethodSpec(
        id=id_, version="1", title=title, pillar=pillar, needs=("predictions", "labels"),  # type: ignore[arg-type]
        summary=f"{title}: computed from the counts of labels and predictions, streamed once over the rows.",
        tasks=("binary",), deterministic=True,
        measures=tuple(
            c.MeasureSpec(id=m, title=t, unit=u, direction="none", judging=j, description=f"{t}, as a {u}.")  # type: ignore[arg-type]
            for m, t, u, j in measures
        ),
        citations=(
            c.Citation(text="Hardt, Price and Srebro 2016, Equality of opportunity in supervised learning"),
            c.Citation(text="29 CFR 1607.4 (D), Uniform Guidelines", url="https://www.ecfr.gov/current/title-29"),
        ),
    )  # fmt: skip


def side(limits: c.Limits, measure: c.Measure) -> str:
    """ "inside", "beyond" or "open": where the whole interval lies."""
    low, high = measure.low or 0.0, measure.high or 0.0
    if limits.minimum is not None:
        return "inside" if low >= limits.minimum else "beyond" if high < limits.minimum else "open"
    most = limits.maximum or 0.0
    return "inside" if high <= most else "beyond" if low > most else "open"


def judge(
    rule: c.Rule, rows: Sequence[c.Measure], measure: c.Measure, subject: str, pillar: str
) -> c.Verdict:
    limits, low, high = rule.limits, measure.low or 0.0, measure.high or 0.0
    sides = [side(limits, m) for m in rows]
    if limits.minimum is not None:
        text, aim = f"≥ {limits.minimum:.2f}", limits.target_minimum is None or low >= limits.target_minimum
    else:
        text, aim = f"≤ {limits.maximum:.2f}", limits.target_maximum is None or high <= limits.target_maximum
    outcome = (
        "fail" if "beyond" in sides else "insufficient" if "open" in sides else "pass" if aim else "warn"
    )
    words = {"pass": "is inside", "warn": "is inside the limit but not the target of", "fail": "is beyond"}
    undecided = tuple(
        c.PairUndecided(slice=m.slice, against=str(m.at.get("against")), rows_needed=4 * m.n,
                        group=", ".join(m.slice.values()))
        for m, at in zip(rows, sides, strict=True) if at == "open"
    )  # fmt: skip
    return c.Verdict(
        rule=rule.id, title=rule.title, pillar=pillar, measure=measure.id, over=measure.over,  # type: ignore[arg-type]
        slice=measure.slice, outcome=outcome, value=measure.value, low=measure.low, high=measure.high,  # type: ignore[arg-type]
        n=measure.n, decisive=measure_key(measure), subject=subject, limit=text, limits=limits,
        unit=measure.unit, level=0.95, judged=len(rows), failed=sides.count("beyond"), undecided=undecided,
        shown_only=("Female, Other",) if len(rows) > 20 else (),
        sentence=f"{rule.title}: {subject} {words.get(outcome, 'cannot be decided against')} {text}.",
        severity=rule.severity, required=rule.required, source=rule.source,
    )  # fmt: skip


def evidence(
    title: str = "Hiring screen 3.1 on Adult",
    sexes: Sequence[str] = SEXES,
    races: Sequence[str] = RACES,
    columns: Sequence[str] = ("sex", "race"),
    note: str = "Two rows had stray blanks around a group name; they were trimmed.",
    with_policy: bool = True,
    with_scores: bool = True,
    further: int = 0,
) -> c.Evidence:
    """One evidence document; `further` adds that many attributes of twelve groups each."""
    sex, race = columns
    cells = {
        (r, s): (round(ROWS[k][j] * RATES[k][j]), ROWS[k][j])
        for k, r in zip(RACES, races, strict=True)
        for j, s in enumerate(sexes)
    }
    by: dict[str, dict[str, tuple[int, int]]] = {
        sex: {s: total(v for (r, t), v in cells.items() if t == s) for s in sexes},
        race: {r: total(v for (q, t), v in cells.items() if q == r) for r in races},
        f"{sex} × {race}": {f"{s}, {r}": v for (r, s), v in cells.items()},
    }
    for number in range(1, further + 1):
        by[f"region {number}"] = {f"Region {i + 1}": (30 + i, 300 + 7 * i + number) for i in range(12)}
    x, n = total(cells.values())
    measures = performance(x, n, with_scores)
    for over, groups in by.items():
        measures += fairness(over, groups)
    measures += data_quality(by, columns, n)
    series = series_of(n) if with_scores else ()
    methods = _methods(with_scores)
    policy = _policy() if with_policy else None
    verdicts = _verdicts(policy, measures) if policy else ()
    findings = tuple(_finding(v, policy) for v in verdicts if policy and v.outcome == "fail")
    profile = profile_of(columns, by, n, note, with_scores)
    not_tested = tuple(
        c.NotTested(pillar=p, title=c_title, reason=REASON)
        for p, c_title in (("explainability", "Explainability"), ("robustness", "Robustness"),
                           ("privacy", "Privacy"), ("cost", "Cost"))
    )  # fmt: skip
    planned = tuple(
        c.PlannedMethod(id=m.id, version="1", params={"level": 0.95, "replicates": 10000},
                        estimate=c.Estimate(evaluations=0, seconds=0.4, memory_bytes=90_000_000))
        for m in methods
    )  # fmt: skip
    plan = c.AuditPlan(
        methods=planned, not_tested=not_tested, policy=policy,
        policy_sha256=digest(policy) if policy else None,
        tier="standard", seed=7, profile_sha256=digest(profile), datasets={"test": "ab" * 32},
        fixed_at="2026-11-22T09:12:03+00:00", plan_sha256="cd" * 32,
    )  # fmt: skip
    manifest = c.Manifest(
        assay_version="0.1.0", code_sha256="ef" * 32,
        command=("assay", "audit", "--data", "adult.csv", "--label", "income",
                 "--sensitive", f"{sex},{race}"),
        packages={"numpy": "2.3.5", "pyarrow": "22.0.0", "typst": "0.15.2", "scipy": "1.16.3"},
        python="3.11.2", platform="Linux-6.1-x86_64", hardware={"cpu": "2 cores", "memory": "16 GB"},
        sandbox=c.SandboxReport(
            layers={"rlimits": True, "no_new_privs": True, "minimal environment": True, "landlock": False},
            notes=("This kernel has no Landlock; only class A formats may be loaded.",),
        ),
        started_at="2026-11-22T09:12:04+00:00", finished_at="2026-11-22T09:12:06+00:00",
        seconds={"intake": 0.41, "methods": 0.72, "judge": 0.02}, shards=4, failed_shards=0,
    )  # fmt: skip
    body = c.Evidence(
        schema="assay.evidence/1", title=title, subject=profile, plan=plan, methods=methods,
        measures=tuple(measures), series=tuple(series), notes={"fairness.group_rates": (note,)},
        verdicts=verdicts, findings=findings, not_tested=not_tested, manifest=manifest,
        result_digest=result_digest(measures, methods), snapshot_digest="0" * 64,
    )  # fmt: skip
    return body.model_copy(update={"snapshot_digest": snapshot_digest(body)})


def _methods(with_scores: bool) -> tuple[c.MethodSpec, ...]:
    scores = [
        ("accuracy", "Accuracy"), ("precision", "Precision"), ("recall", "Recall"),
        ("base_rate", "Base rate"),
        ("selection_rate", "Selection rate"),
    ]  # fmt: skip
    if with_scores:
        scores += [
            ("auc", "AUC"),
            ("brier_score", "Brier score"),
            ("calibration_error", "Calibration error"),
        ]
    rates = [
        ("selection_rate", "Selection rate"), ("true_positive_rate", "True positive rate"),
        ("false_positive_rate", "False positive rate"),
        ("positive_predictive_value", "Positive predictive value"),
        ("negative_predictive_value", "Negative predictive value"),
    ]  # fmt: skip
    rows = [(f"fairness.{i}", t, "share", "single") for i, t in rates]
    rows += [
        ("fairness.selection_rate_ratio", "Impact ratio", "ratio", "pairs"),
        ("fairness.true_positive_rate_difference", "Equal opportunity difference", "difference", "pairs"),
        ("fairness.selection_rate_range", "Selection rate range", "difference", "shown"),
        (
            "fairness.selection_rate_ratio_bound",
            "Impact ratio if unknown groups were known",
            "ratio",
            "shown",
        ),
    ]
    quality = [
        ("data_quality.rows", "Rows", "count", "single"),
        ("data_quality.duplicate_share", "Duplicates", "share", "single"),
        ("data_quality.missing_share", "Missing values", "share", "single"),
        ("data_quality.group_share", "Share of a group", "share", "shown"),
    ]  # fmt: skip
    return (
        spec("performance.classification", "Classification performance", "performance",
             [(f"performance.{i}", t, "share", "single") for i, t in scores]),
        spec("fairness.group_rates", "Rates by group", "fairness", rows),
        spec("data_quality.basics", "Quality of the data", "data_quality", quality),
    )  # fmt: skip


def _policy() -> c.Policy:
    def rule(id_: str, title: str, measure: str, limits: c.Limits, **more: Any) -> c.Rule:
        return c.Rule(id=id_, title=title, measure=measure, limits=limits, **more)

    return c.Policy(
        id="hiring", version="1.2", title="Hiring and promotion",
        purpose="Screens that rank or filter applicants.",
        sources=(c.Citation(text="29 CFR 1607 Uniform Guidelines"),
                 c.Citation(text="NYC Local Law 144 of 2021")),
        rules=(
            rule("impact-ratio", "Impact ratio", "fairness.selection_rate_ratio",
                 c.Limits(minimum=0.8, target_minimum=0.9),
                 over=("*",), source="29 CFR 1607.4 (D): four-fifths rule, a screen", severity="critical",
                 why="A lower selection rate for a group is evidence of adverse impact.",
                 action="Compare thresholds and features by group; audit the "
                        " repaired version with this plan."),
            rule("impact-ratio-intersections", "Impact ratio, intersections", "fairness.selection_rate_ratio",
                 c.Limits(minimum=0.8), over=("* × *",),
                 source="NYC Local Law 144, 6 RCNY 5-301", severity="high"),
            rule("equal-opportunity", "Equal opportunity", "fairness.true_positive_rate_difference",
                 c.Limits(maximum=0.1), over=("*",), source="Hardt et al. 2016", severity="high"),
            rule("accuracy", "Accuracy", "performance.accuracy", c.Limits(minimum=0.8),
                 source="Team's own limit"),
            rule("precision", "Precision", "performance.precision",
                 c.Limits(minimum=0.7, target_minimum=0.75),
                 source="Team's own limit", severity="medium"),
            rule("calibration", "Calibration error", "performance.calibration_error", c.Limits(maximum=0.05),
                 source="Van Calster et al. 2019", severity="medium", required=False),
            rule("duplicates", "Duplicated rows", "data_quality.duplicate_share", c.Limits(maximum=0.01),
                 source="Team's own limit", severity="low"),
        ),
    )  # fmt: skip


def _verdicts(policy: c.Policy, measures: Sequence[c.Measure]) -> tuple[c.Verdict, ...]:
    found = []
    for rule in policy.rules:
        pillar = rule.measure.partition(".")[0]
        overs = dict.fromkeys(m.over for m in measures if m.id == rule.measure)
        if not overs:
            found.append(
                c.Verdict(rule=rule.id, title=rule.title, pillar=pillar, measure=rule.measure,  # type: ignore[arg-type]
                          outcome="not_tested", subject="all rows", limit="≤ 0.05", limits=rule.limits,
                          sentence=f"{rule.title} was not measured.", severity=rule.severity,
                          required=rule.required, source=rule.source)
            )  # fmt: skip
        for over in overs:
            crossed = over is not None and "×" in over
            if rule.over and crossed != (rule.over == ("* × *",)):
                continue
            rows = [m for m in measures if m.id == rule.measure and m.over == over]
            low = rule.limits.minimum is not None
            worst = sorted(rows, key=lambda m: (m.high if low else -(m.low or 0)) or 0)[0]
            subject = f"{', '.join(worst.slice.values())} / {worst.at['against']}" if over else "all rows"
            found.append(judge(rule, rows, worst, subject, pillar))
    return tuple(found)


def _finding(verdict: c.Verdict, policy: c.Policy) -> c.Finding:
    rule = next(r for r in policy.rules if r.id == verdict.rule)
    return c.Finding(
        id=f"f-{digest([verdict.rule, verdict.over])[:10]}", title=f"{verdict.title}: {verdict.subject}",
        pillar=verdict.pillar, severity=verdict.severity, criterion=f"{verdict.limit}, {verdict.source}",
        detail=verdict.sentence, action=rule.action, rule=rule.id,
        measures=(verdict.decisive,) if verdict.decisive else (),
    )  # fmt: skip
