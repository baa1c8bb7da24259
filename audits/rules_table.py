"""A policy's rules as the lines of a table: measure, over, limit, target, severity, source, why."""

from __future__ import annotations

from typing import NamedTuple

from assay.contracts import PILLAR_TITLES, PILLARS, Policy, Rule
from assay.policy.checking import measure_specs, pillar_of
from assay.policy.wording import limit_text, target_text
from assay.registry import METHODS

__all__ = ["RuleLine", "RuleTable", "rule_tables"]


class RuleLine(NamedTuple):
    """One rule in words."""

    rule: Rule
    measure: str
    over: str
    limit: str
    target: str
    untested: str
    """Why it will not be judged in a given audit; "" where it will, or where no audit is meant."""


class RuleTable(NamedTuple):
    """The rules of one pillar."""

    pillar: str
    lines: tuple[RuleLine, ...]


def rule_tables(policy: Policy, untested: dict[str, str] | None = None) -> list[RuleTable]:
    """The rules by pillar, in the order of pillars.

    Args:
        untested: measure id -> why no planned method measures it.
    """
    specs = measure_specs([method.spec for method in METHODS.all()])
    by_pillar: dict[str, list[RuleLine]] = {pillar: [] for pillar in PILLARS}
    for rule in policy.rules:
        spec = specs.get(rule.measure)
        unit = spec.unit if spec else ""
        limits = rule.limits
        aimed = limits.target_minimum is not None or limits.target_maximum is not None
        by_pillar[pillar_of(rule.measure)].append(
            RuleLine(
                rule,
                spec.title if spec else rule.measure,
                _over(rule),
                limit_text(limits, unit),
                target_text(limits, unit) if aimed else "",
                (untested or {}).get(rule.measure, ""),
            )
        )
    return [RuleTable(PILLAR_TITLES[p], tuple(by_pillar[p])) for p in PILLARS if by_pillar[p]]


def _over(rule: Rule) -> str:
    names = {"*": "each attribute", "* × *": "each intersection"}
    over = ", ".join(names.get(name, name) for name in rule.over or ())
    rows = ", ".join(f"{key} {value}" for key, value in {**rule.slice, **rule.at}.items())
    return "; ".join(part for part in (over, rows) if part) or "all rows"
