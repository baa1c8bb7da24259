"""More rows of every kind beside those that are there: for tests of what grows with them."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from django.apps import apps
from django.db import models

from accounts.tenancy import TenantModel
from tests.everything import Everything
from trail.services import record

__all__ = ["multiply"]

_APPS = "accounts jobs models_registry audits remediations compliance reports".split()  # noqa: SIM905
_NUMBERS = count(1_000)
"""Small enough for every column, and beyond what tests number."""
_ONCE = ("Organisation", "IdempotentRequest", "Worker")
"""Kinds that belong to no organisation, or are it."""


def multiply(rows: Everything, times: int) -> dict[str, int]:
    """Add `times` copies of each row, with the same parents; where a pair of parents is unique, with a copy
    of one of them.

    Args:
        rows: name of the model class -> the row that is copied; rows of no organisation are looked up.

    Returns:
        How many copies of each kind there are.
    """
    copies: dict[type[models.Model], list[Any]] = {}
    for kind in _in_order():
        row = rows.get(kind.__name__) or _child(kind, rows)
        if row is None:
            continue
        fresh = [_copy(row, place, copies) for place in range(times)]
        manager: Any = getattr(kind, "unscoped", kind.objects)  # type: ignore[attr-defined]
        copies[kind] = manager.bulk_create(fresh)
    organisation = rows["AISystem"].organisation_id
    for target in ("AISystem", "Run", "Finding", "Review"):
        for _ in range(times):
            record(organisation, "run.started", target.lower(), rows[target].pk, payload={"words": "x"})
    return {kind.__name__: len(made) for kind, made in copies.items()}


def _in_order() -> list[type[models.Model]]:
    """Kinds, parents before children."""
    kinds = [k for a in _APPS for k in apps.get_app_config(a).get_models() if k.__name__ not in _ONCE]
    found: list[type[models.Model]] = []

    def add(kind: type[models.Model]) -> None:
        if kind in found or kind not in kinds:
            return
        for field in kind._meta.concrete_fields:
            parent = field.related_model
            if isinstance(parent, type) and parent is not kind:
                add(parent)
        found.append(kind)

    for kind in kinds:
        add(kind)
    return found


def _child(kind: type[models.Model], rows: Everything) -> Any:
    """A row without organisation, of a row that has one."""
    if issubclass(kind, TenantModel):
        return None
    if kind.__name__ == "User":
        return rows["Membership"].user
    for field in kind._meta.concrete_fields:
        parent = rows.get(getattr(field.related_model, "__name__", ""))
        if parent is not None:
            found = kind.objects.filter(**{field.name: parent}).first()  # type: ignore[attr-defined]
            if found is not None:
                return found
    return None


def _copy(row: Any, place: int, copies: dict[type[models.Model], list[Any]]) -> Any:
    kind = type(row)
    values = {f.attname: getattr(row, f.attname) for f in kind._meta.concrete_fields}
    key = kind._meta.pk
    values[key.attname] = uuid.uuid4() if isinstance(key, models.UUIDField) else None
    unique: list[tuple[str, ...]] = [
        (f.name,) for f in kind._meta.concrete_fields if f.unique and f is not key
    ]
    unique += [
        tuple(c.fields)
        for c in kind._meta.constraints
        if isinstance(c, models.UniqueConstraint) and _applies(c, row)
    ]
    for names in unique:
        fields = [kind._meta.get_field(name) for name in names]
        own = next((f for f in fields if not f.is_relation and not getattr(f, "choices", None)), None)
        if own is not None:
            values[own.attname] = _other(own, values[own.attname])
            continue
        parents = [f for f in fields if f.related_model in copies]
        parent = parents[place % len(parents)]
        values[parent.attname] = copies[parent.related_model][place].pk  # type: ignore[index]
    return kind(**values)


def _applies(constraint: models.UniqueConstraint, row: Any) -> bool:
    if constraint.condition is None:
        return True
    manager = getattr(type(row), "unscoped", type(row).objects)
    return bool(manager.filter(pk=row.pk).filter(constraint.condition).exists())


def _other(field: Any, value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, datetime):
        return value - timedelta(hours=uuid.uuid4().int % 100_000)
    if isinstance(value, uuid.UUID):
        return uuid.uuid4()
    if isinstance(value, int):
        return next(_NUMBERS)
    text = uuid.uuid4().hex * 2
    return f"{text[:20]}@example.org" if isinstance(field, models.EmailField) else text[: field.max_length]
