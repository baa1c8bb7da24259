"""Rows of jobs and shards, and lines of the history, without the mapper's query building.

A worker takes and commits each shard with these; building the same queries anew would cost more than the
database does. What fields mean stays with the models: converters and prepared values are theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.db import connection, models

__all__ = ["columns", "made", "prepared"]


@cache
def columns(kind: type[models.Model], alias: str = "") -> str:
    """The columns of a model in the order in which `made` wants them, for SELECT or RETURNING."""
    return ", ".join(f'{alias}"{field.column}"' for field in kind._meta.concrete_fields)


def made(kind: type[models.Model], values: Sequence[Any]) -> Any:
    """The instance of a row that was read as `columns(kind)`."""
    found = list(values)
    for place, expression, converters in _converters(kind, connection.vendor):
        for convert in converters:
            found[place] = convert(found[place], expression, connection)
    return kind.from_db(connection.alias, _names(kind), found)


def prepared(field: Any, value: Any) -> Any:
    """A value as this database's driver takes it."""
    return field.get_db_prep_value(value, connection, prepared=False)


@cache
def _names(kind: type[models.Model]) -> list[str]:
    return [field.attname for field in kind._meta.concrete_fields]


@cache
def _converters(kind: type[models.Model], vendor: str) -> list[tuple[int, Any, list[Any]]]:
    found: list[tuple[int, Any, list[Any]]] = []
    for place, field in enumerate(kind._meta.concrete_fields):
        expression: Any = field.get_col(kind._meta.db_table)
        converters = [
            *connection.ops.get_db_converters(expression),
            *expression.get_db_converters(connection),
        ]
        if converters:
            found.append((place, expression, converters))
    return found
