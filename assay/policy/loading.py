"""Reading policy files: TOML, strict, with the place and the remedy in every refusal.

What a rule may say is checked here; whether its measure exists and its limit fits is `checking`.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, cast, get_args

from assay.contracts import Citation, Limits, MethodSpec, Policy, Rule, Severity
from assay.errors import BadPolicy, nearest
from assay.policy.checking import check_policy
from assay.registry import METHODS

__all__ = ["MAXIMUM_BYTES", "list_packs", "load_policy", "parse_policy"]

MAXIMUM_BYTES = 1_000_000
_PACKS = ("general", "hiring", "credit", "health-triage")
_POLICY_KEYS = ("id", "version", "title", "purpose", "source", "rule")
_RULE_TEXTS = ("id", "title", "measure", "source", "why", "action")
_LIMIT_KEYS = ("minimum", "maximum", "target_minimum", "target_maximum")
_RULE_KEYS = (
    *_RULE_TEXTS,
    *_LIMIT_KEYS,
    "over",
    "slice",
    "at",
    "severity",
    "required",
    "minimum_n",
    "tolerance",
)
_IDENTIFIER = re.compile(r"[a-z][a-z0-9_.\-]{0,120}")


def load_policy(name_or_path: str | Path, specs: Iterable[MethodSpec] | None = None) -> tuple[Policy, bytes]:
    """A policy and the very bytes it was read from (their SHA-256 goes into the plan).

    Args:
        name_or_path: a pack (`hiring`; `health-triage` and `health_triage` are the same) or a TOML file.
            A name that ends in .toml or has a folder in it is always a file.
        specs: the methods whose measures the rules may name; default: all registered ones.

    Raises:
        BadPolicy: no such pack or file, over 1 MB, not UTF-8, not TOML, or any rule that makes no sense;
            the sentence names the file, the rule and what would be right.
    """
    name, data = _read(str(name_or_path))
    policy = parse_policy(data, name)
    check_policy(policy, [method.spec for method in METHODS.all()] if specs is None else specs, name)
    return policy, data


def list_packs() -> tuple[Policy, ...]:
    """The packs that come with Assay, in the order in which they are documented."""
    return tuple(parse_policy(_pack_bytes(pack), f"{pack}.toml") for pack in _PACKS)


def parse_policy(data: bytes, name: str = "policy.toml") -> Policy:
    """The policy in `data`; `name` is how messages call the file. Raises BadPolicy."""
    if len(data) > MAXIMUM_BYTES:
        raise BadPolicy(f"{name} is larger than 1 MB; a policy is a short list of rules.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadPolicy(f"{name}, line {line}, is not UTF-8 text; save the policy as UTF-8.") from error
    try:
        body = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        detail = (
            str(error) if isinstance(error, tomllib.TOMLDecodeError) else "a value is too long or too deep"
        )
        raise BadPolicy(f"{name} is not TOML: {detail}.") from error
    return _policy(body, name)


def _read(name_or_path: str) -> tuple[str, bytes]:
    wanted = name_or_path.strip()
    pack = wanted.lower().replace("_", "-")
    if pack in _PACKS:
        return f"{pack}.toml", _pack_bytes(pack)
    path = Path(wanted)
    try:
        with path.open("rb") as stream:
            return path.name, stream.read(MAXIMUM_BYTES + 1)
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a file name"
        raise BadPolicy(f'The policy "{path.name}" cannot be read: {reason}.') from error
    close = nearest(pack, _PACKS)
    hint = f" Close to it: {close}." if close else ""
    raise BadPolicy(f'There is no policy pack or file "{wanted}".{hint} Packs: {", ".join(_PACKS)}.')


def _pack_bytes(pack: str) -> bytes:
    return (resources.files("assay") / "policies" / f"{pack.replace('-', '_')}.toml").read_bytes()


def _policy(body: Mapping[str, Any], name: str) -> Policy:
    _refuse_unknown(body, _POLICY_KEYS, name)
    sources = []
    for number, entry in enumerate(_tables(body, "source", name), start=1):
        place = f"{name}, source {number}"
        _refuse_unknown(entry, ("text", "url"), place)
        url = _text(entry, "url", place) if "url" in entry else None
        sources.append(Citation(text=_text(entry, "text", place), url=url))
    rules: list[Rule] = []
    for number, entry in enumerate(_tables(body, "rule", name), start=1):
        said = entry.get("id")
        rules.append(
            _rule(entry, f'{name}, rule "{said}"' if isinstance(said, str) else f"{name}, rule {number}")
        )
    if not rules:
        raise BadPolicy(f"{name} has no rules; add at least one [[rule]] table.")
    seen: set[str] = set()
    for rule in rules:
        if rule.id in seen:
            raise BadPolicy(f'{name} has two rules with the id "{rule.id}"; give each its own.')
        seen.add(rule.id)
    return Policy(
        id=_identifier(body, "id", name),
        version=_text(body, "version", name),
        title=_text(body, "title", name),
        purpose=_text(body, "purpose", name),
        sources=tuple(sources),
        rules=tuple(rules),
    )


def _rule(entry: Mapping[str, Any], place: str) -> Rule:
    _refuse_unknown(entry, _RULE_KEYS, place)
    severity = entry.get("severity", "high")
    if severity not in get_args(Severity):
        raise BadPolicy(f"{place}: severity must be one of {', '.join(get_args(Severity))}.")
    required = entry.get("required", True)
    if not isinstance(required, bool):
        raise BadPolicy(f"{place}: required must be true or false.")
    minimum_n = entry.get("minimum_n", 0)
    if not isinstance(minimum_n, int) or isinstance(minimum_n, bool) or minimum_n < 0:
        raise BadPolicy(f"{place}: minimum_n must be a whole number, 0 or more.")
    tolerance = _number(entry, "tolerance", place)
    if tolerance is not None and tolerance < 0:
        raise BadPolicy(f"{place}: tolerance must be 0 or more.")
    return Rule(
        id=_identifier(entry, "id", place),
        title=_text(entry, "title", place),
        measure=_identifier(entry, "measure", place),
        over=_over(entry, place),
        slice=cast("dict[str, str]", _setting(entry, "slice", place, (str,), "texts")),
        at=_setting(entry, "at", place, (str, int, float), "texts or numbers"),
        limits=Limits(**{key: _number(entry, key, place) for key in _LIMIT_KEYS}),
        severity=cast(Severity, severity),
        required=required,
        minimum_n=minimum_n,
        tolerance=tolerance,
        source=_text(entry, "source", place),
        why=_text(entry, "why", place) if "why" in entry else "",
        action=_text(entry, "action", place) if "action" in entry else None,
    )


def _refuse_unknown(entry: Mapping[str, Any], allowed: tuple[str, ...], place: str) -> None:
    for key in entry:
        if key not in allowed:
            close = nearest(key, allowed)
            hint = f"close to it: {close}" if close else f"known: {', '.join(allowed)}"
            raise BadPolicy(f'{place} has an unknown key "{key}"; {hint}.')


def _tables(body: Mapping[str, Any], key: str, name: str) -> list[Mapping[str, Any]]:
    entries = body.get(key, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise BadPolicy(f"{name}: write each {key} as a table of its own, headed [[{key}]].")
    return entries


def _text(entry: Mapping[str, Any], key: str, place: str) -> str:
    value = entry.get(key)
    if value is None:
        raise BadPolicy(f'{place} lacks "{key}".')
    if not isinstance(value, str) or not value.strip():
        raise BadPolicy(f"{place}: {key} must be a text that is not empty.")
    if len(value) > 2_000:
        raise BadPolicy(f"{place}: {key} is longer than 2,000 characters.")
    return value.strip()


def _identifier(entry: Mapping[str, Any], key: str, place: str) -> str:
    value = _text(entry, key, place)
    if not _IDENTIFIER.fullmatch(value):
        raise BadPolicy(
            f'{place}: {key} "{value}" must start with a small letter and hold only small letters, '
            "digits, dots, hyphens and underscores."
        )
    return value


def _number(entry: Mapping[str, Any], key: str, place: str) -> float | None:
    value = entry.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise BadPolicy(f"{place}: {key} must be a number.")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise BadPolicy(f"{place}: {key} must be a finite number.")
    return number


def _over(entry: Mapping[str, Any], place: str) -> tuple[str, ...] | None:
    value = entry.get("over")
    if value is None:
        return None
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(n, str) and n.strip() for n in names):
        raise BadPolicy(
            f'{place}: over must be "*" (each attribute), "* × *" (each intersection) or a list of names '
            'such as ["sex", "race × sex"].'
        )
    return tuple(name.strip() for name in names)


def _setting(
    entry: Mapping[str, Any], key: str, place: str, types: tuple[type, ...], what: str
) -> dict[str, str | int | float]:
    value = entry.get(key, {})
    if not isinstance(value, dict) or not all(
        isinstance(v, types) and not isinstance(v, bool) and v == v and v not in (math.inf, -math.inf)
        for v in value.values()
    ):
        raise BadPolicy(f'{place}: {key} must be a table of {what}, such as {key} = {{ sex = "Female" }}.')
    return value
