"""The policy as it was fixed, how the statistics are to be read, and what was not tested."""

from __future__ import annotations

from assay.contracts import PILLAR_TITLES, PILLARS, Limits, Rule
from assay.report import formatting as fmt
from assay.report.document.book import Book, column, number_column
from assay.report.document.endpoint import endpoint_limits
from assay.report.document.model import Block, Cell, Section, bullets, facts, heading, section, text

__all__ = ["limits_section", "policy_section", "reading_section"]


def _limit(limits: Limits) -> str:
    parts = [(limits.minimum, "≥"), (limits.maximum, "≤")]
    return ", ".join(f"{sign} {value:g}" for value, sign in parts if value is not None)


def _target(limits: Limits) -> str:
    parts = [(limits.target_minimum, "≥"), (limits.target_maximum, "≤")]
    return ", ".join(f"{sign} {value:g}" for value, sign in parts if value is not None) or "–"


def policy_section(book: Book) -> Section:
    """Rules, limits and sources, with the digest that shows they were fixed before any result."""
    plan = book.evidence.plan
    if plan.policy is None:
        body = "No policy was given. Measures are shown without verdicts; nothing here is a pass."
        return section("policy", "Policy and thresholds", [text(body)])
    policy = plan.policy
    rows: list[list[Cell | str]] = [
        [_rule(r), _limit(r.limits), _target(r.limits), r.source] for r in policy.rules
    ]
    columns = [column("Rule", 1.3), number_column("Limit"), number_column("Target"), column("Source", 1.1)]
    blocks: list[Block] = [
        text(policy.purpose),
        facts(
            [
                ("Policy", f"{policy.title} {policy.version} ({policy.id})"),
                ("Fixed", f"{fmt.instant(plan.fixed_at)}, before any result was visible"),
                ("SHA-256", plan.policy_sha256 or "none"),
                ("Plan", plan.plan_sha256),
            ],
            mono=("SHA-256", "Plan"),
        ),
        book.table("Rules of the policy", columns, rows),
    ]
    if policy.sources:
        blocks.append(heading("Sources of the thresholds"))
        blocks.append(bullets([c.text + (f", {c.url}" if c.url else "") for c in policy.sources]))
    return section("policy", "Policy and thresholds", blocks)


def _rule(rule: Rule) -> Cell:
    parts = [f"{rule.measure}, {rule.severity}", "" if rule.required else "not required"]
    if rule.over:
        parts.append(f"over {', '.join(rule.over)}")
    if rule.minimum_n:
        parts.append(f"groups of {fmt.count(rule.minimum_n)} rows and more")
    why = f". {rule.why}" if rule.why else ""
    return {"text": rule.title, "sub": ", ".join(p for p in parts if p) + why}


def reading_section(book: Book) -> Section:
    """How to read intervals, families of pairs and the word undecided."""
    used = dict.fromkeys(m.interval_method for m in book.evidence.measures if m.interval_method)
    levels = sorted({m.level for m in book.evidence.measures if m.level is not None})
    families = [m.family for m in book.evidence.measures if m.family > 1]
    blocks: list[Block] = [
        text(
            "Every value is an estimate from the rows at hand and is printed with the interval of values "
            "that these rows leave open, and with n, the rows that it rests on."
        ),
        facts(
            [
                ("Levels", ", ".join(f"{level:.0%}" for level in levels) or "none"),
                ("Intervals", ", ".join(str(method) for method in used) or "none"),
                ("Seed", str(book.evidence.plan.seed)),
            ]
        ),
        heading("Many groups, many comparisons"),
        text(
            "The gap between the highest and the lowest of many groups is large by chance alone, so it is "
            "shown and never judged. Groups are judged pair by pair, with intervals that hold for all pairs "
            "of an attribute together"
            + (f" (here up to {max(families)} pairs)." if families else ".")
            + " A rule fails only if some pair is wholly beyond the limit, and passes only if every pair is "
            "wholly inside."
        ),
        heading("What undecided means"),
        text(
            "Undecided is neither a pass nor a failure. The interval lies on both sides of the limit; more "
            "rows of the group that is named would narrow it. The number of rows printed assumes that the "
            "rates stay as they are."
        ),
    ]
    return section("reading", "How to read the numbers", blocks, opens=False)


def limits_section(book: Book) -> Section:
    """What was not tested, and what this audit cannot show."""
    evidence = book.evidence
    profile = evidence.subject
    ran = {m.pillar for m in evidence.methods}
    rows = [[PILLAR_TITLES[e.pillar], e.title, e.reason] for e in evidence.not_tested]
    named = {e.pillar for e in evidence.not_tested}
    rows += [
        [PILLAR_TITLES[p], PILLAR_TITLES[p], "no method of this area was part of the plan"]
        for p in PILLARS
        if p not in ran | named
    ]
    blocks: list[Block] = []
    if rows:
        columns = [column("Area", 0.7), column("What", 1), column("Why not", 2)]
        blocks.append(book.table("Not tested", columns, rows, "Not tested is neither a pass nor a failure."))
    limits = [
        f"The results hold for {profile.test.name} ({fmt.plural(profile.test.rows, 'row')}) and for people "
        "like those in it; other populations and later times need their own audit.",
        "The audit measures what the columns say. It cannot show whether the labels are right or fair.",
        "A passed rule means that one measured value is inside one limit. It is not a clearance of the "
        "system and not a statement that any law is met.",
    ]
    if profile.grade == "supplied":
        limits.insert(
            0,
            "Predictions were supplied. It was not verified that they come from the model, or from which "
            "version of it.",
        )
    limits[:0] = endpoint_limits(evidence)
    if evidence.plan.opening is not None:
        limits.append(evidence.plan.opening.sentence)
    if profile.test.set_aside:
        limits.append(
            f"{fmt.plural(profile.test.set_aside, 'row')} without label or prediction were set aside."
        )
    if evidence.manifest.failed_shards:
        limits.append(
            f"{fmt.plural(evidence.manifest.failed_shards, 'part')} of the work failed; see the manifest."
        )
    blocks += [heading("Limits of this audit"), bullets(limits)]
    return section("not-tested", "What was not tested, and limits", blocks, opens=False)
