"""The one-page summary: what was found, in a sentence that is true and no more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from assay.contracts import PILLAR_TITLES, PILLARS, Evidence, Profile, Verdict
from assay.policy.wording import settle_clause
from assay.report import formatting as fmt
from assay.report.document.book import Book, column, id_column, number_column
from assay.report.document.model import Cell, Summary, Table, Tile
from assay.report.document.review import reviewer_tile, signature, standing
from assay.report.untested import untested

__all__ = ["NOT_SIGNED", "opinion", "rule_label", "summary", "verdict_cells", "worst_first"]

NOT_SIGNED = "No reviewer has signed this report."
_ORDER = ("fail", "insufficient", "not_tested", "warn", "pass")
_SEVERITY = ("critical", "high", "medium", "low")


def worst_first(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Failed, undecided, not tested, close, passed; inside each by severity, then as in the policy."""
    return sorted(verdicts, key=lambda v: (_ORDER.index(v.outcome), _SEVERITY.index(v.severity)))


def _join(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def opinion(evidence: Evidence) -> str:
    """Counts of the verdicts in words; never a score, and never more than was judged."""
    policy = evidence.plan.policy
    if policy is None:
        return "No policy was given: measures are shown and nothing was judged."
    tally: Counter[str] = Counter(v.outcome for v in evidence.verdicts)
    words = {
        "fail": "failed",
        "insufficient": "could not be decided with the rows at hand",
        "not_tested": "not tested",
        "warn": "inside the limit but not the stricter target",
        "pass": "passed",
    }
    parts = [f"{tally[key]} {words[key]}" for key in _ORDER if tally[key]]
    if not parts:
        return f"The policy {policy.title} {policy.version} has no rule that applies to what was measured."
    total = fmt.plural(len(evidence.verdicts), "verdict")
    return f"Of {total} under the policy {policy.title} {policy.version}: {_join(parts)}."


def _scope(evidence: Evidence) -> str:
    untested = [PILLAR_TITLES[p].lower() for p in PILLARS if _untested(evidence, p)]
    grade = {
        "supplied": "Predictions were supplied as a file; that they come from the model was not verified.",
        "endpoint": "The model was asked through its endpoint; its inside was not seen.",
        "executed": "The model itself was executed.",
    }[evidence.subject.grade]
    record = evidence.endpoint
    if record is not None and record.canary is not None and record.canary.changed:
        grade += " It did not stay the same model; see what was audited."
    rest = f" Not tested: {_join(untested)}." if untested else ""
    opening = evidence.plan.opening
    opened = f" {opening.sentence}" if opening is not None else ""
    change = evidence.change
    compared = ""
    if change is not None:
        name = change.baseline_model.name if change.baseline_model else change.baseline_title
        compared = f" Compared with {name}: {change.sentence}"
    return grade + rest + opened + compared


def _untested(evidence: Evidence, pillar: str) -> bool:
    return not any(method.pillar == pillar for method in evidence.methods)


def _tile(evidence: Evidence, pillar: str, title: str) -> Tile:
    tally: Counter[str] = Counter(v.outcome for v in evidence.verdicts if v.pillar == pillar)
    total = sum(tally.values())
    if _untested(evidence, pillar):
        return {
            "title": title,
            "outcome": "not_tested",
            "word": "Not tested",
            "detail": "see the last chapter",
        }
    if not total:
        return {
            "title": title,
            "outcome": "shown",
            "word": "Measured",
            "detail": "no rule of the policy judges it",
        }
    words = (
        ("fail", f"{tally['fail']} failed"),
        (
            "insufficient",
            "Undecided" if tally["insufficient"] == total else f"{tally['insufficient']} undecided",
        ),
        ("not_tested", f"{tally['not_tested']} not tested"),
        ("warn", f"{tally['warn']} close"),
        ("pass", "Passed"),
    )
    outcome, word = next((key, word) for key, word in words if tally[key])
    names = {"insufficient": "undecided", "not_tested": "not tested", "warn": "close", "pass": "passed"}
    rest = [f"{tally[key]} {name}" for key, name in names.items() if tally[key] and key != outcome]
    among = f"of {fmt.plural(total, 'verdict')}" if len(rest) < 2 else f"of {total}"
    detail = f"{total} {among}" if outcome == "pass" else " · ".join([among, *rest])
    return {"title": title, "outcome": outcome, "word": word, "detail": detail}


def rule_label(verdict: Verdict) -> str:
    """The rule and the attribute that it was judged over: "Impact ratio, sex"."""
    return f"{verdict.title}, {verdict.over}" if verdict.over else verdict.title


def verdict_cells(book: Book, verdict: Verdict, words: str = "") -> list[Cell | str]:
    """Rule with its mark, value, interval, limit, n, id."""
    rule: Cell = {"text": rule_label(verdict), "outcome": verdict.outcome, "sub": words or verdict.subject}
    return [
        rule,
        fmt.value(verdict.value, verdict.unit),
        fmt.interval(verdict.low, verdict.high, verdict.unit),
        verdict.limit,
        fmt.count(verdict.n),
        book.verdict_id(verdict),
    ]


def _limits(book: Book, most: int = 8) -> Table:
    verdicts = worst_first(book.evidence.verdicts)
    columns = [
        column("Rule and what is quoted"),
        number_column("Value"),
        number_column("Interval"),
        number_column("Limit"),
        number_column("n"),
        id_column(),
    ]
    rows = [verdict_cells(book, v, _quoted(v)) for v in verdicts[:most]]
    left = len(verdicts) - most
    note = f"{fmt.plural(left, 'further verdict')} in chapter {_verdicts_chapter(book)}." if left > 0 else ""
    measures = [book.by_key[v.decisive] for v in verdicts[:most] if v.decisive in book.by_key]
    return book.table("Values against their limits", columns, rows, note, measures)


def _quoted(verdict: Verdict) -> str:
    if verdict.judged <= 1:
        return verdict.subject
    if verdict.outcome == "fail":
        return f"{verdict.subject}, worst of {verdict.judged}; {verdict.failed} failed"
    if verdict.outcome == "insufficient":
        return f"{verdict.subject}, most doubtful of {verdict.judged}; {len(verdict.undecided)} undecided"
    return f"{verdict.subject}, nearest to the limit of {verdict.judged}"


def undecided_sentences(book: Book, most: int, outcomes: Sequence[str]) -> list[str]:
    """For each verdict with open questions, which rows would settle them if the rates stay as they are."""
    found = []
    for verdict in worst_first(book.evidence.verdicts):
        if not verdict.undecided or verdict.outcome not in outcomes:
            continue
        count = ""
        if verdict.judged > 1:
            count = f", {len(verdict.undecided)} of {verdict.judged} undecided"
        found.append(f"{rule_label(verdict)}{count}{settle_clause(verdict.undecided)}.")
    left = len(found) - most
    chapter = _verdicts_chapter(book)
    more = [f"{fmt.plural(left, 'further open question')} in chapter {chapter}."] if left > 0 else []
    return found[:most] + more


def _verdicts_chapter(book: Book) -> int:
    """Verdicts follow the decision, the findings and what was changed, where there are such chapters."""
    return 2 + (book.decision is not None) + (book.evidence.change is not None)


def _model_fact(profile: Profile) -> list[dict[str, str]]:
    model = profile.model
    if model is None:
        return []
    words = f"{model.name}, {fmt.plural(model.parameters, 'parameter')}, sha256 {fmt.short(model.sha256)}"
    return [{"term": "Model", "text": words}]


def summary(book: Book, draft: bool) -> Summary:
    """Everything on the first page."""
    evidence = book.evidence
    profile, policy = evidence.subject, evidence.plan.policy
    named = (
        f"{policy.title} {policy.version}, fixed {fmt.instant(evidence.plan.fixed_at)}" if policy else "none"
    )
    reasons = untested(evidence)
    tiles = [_tile(evidence, pillar, PILLAR_TITLES[pillar]) for pillar in PILLARS]
    decision = book.decision
    if decision is not None:
        tiles.append(reviewer_tile(decision))
    elif draft:
        word, detail = "Unsigned", "nobody has signed"
        tiles.append({"title": "Reviewer", "outcome": "not_tested", "word": word, "detail": detail})
    top = sorted(evidence.findings, key=lambda f: _SEVERITY.index(f.severity))
    signed = NOT_SIGNED if draft else "Who signed stands in the signature panel of the PDF."
    page: Summary = {
        "opinion": opinion(evidence),
        "scope": _scope(evidence),
        "facts": [
            {"term": "Data", "text": f"{profile.test.name}, {fmt.plural(profile.test.rows, 'row')}"},
            *_model_fact(profile),
            {"term": "Grade", "text": profile.grade},
            {"term": "Policy", "text": named},
            {"term": "Measured", "text": fmt.instant(evidence.manifest.finished_at)},
        ],
        "tiles": tiles,
        "limits": _limits(book),
        "verdicts": len(evidence.verdicts),
        "verdicts_chapter": _verdicts_chapter(book),
        "findings": [
            {"id": f.id, "title": f.title, "severity": f.severity, "detail": f.detail} for f in top[:3]
        ],
        "undecided": undecided_sentences(book, 2, ("insufficient",)),
        "not_tested": [f"{', '.join(titles)}: {reason}" for reason, titles in reasons.items()][:3],
        "signature": signed if decision is None else signature(decision),
    }
    if decision is not None:
        page["standing"] = standing(decision)
    return page
