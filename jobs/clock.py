"""The database's clock, as seconds since 1970: leases are taken and end by it alone."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.db.models import FloatField, Func

__all__ = ["DatabaseSeconds", "database_seconds", "seconds_sql"]

_SQL = {
    "postgresql": "EXTRACT(EPOCH FROM clock_timestamp())::double precision",
    "sqlite": "((julianday('now') - 2440587.5) * 86400.0)",
}


class DatabaseSeconds(Func):
    """Seconds since 1970, evaluated by the database."""

    output_field = FloatField()
    template = ""
    arity = 0

    def as_sql(self, compiler: Any, connection: Any, *_more: Any, **_context: Any) -> Any:
        return _SQL[connection.vendor], ()


def seconds_sql() -> str:
    """The expression for raw SQL on the present connection."""
    return _SQL[connection.vendor]


def database_seconds() -> float:
    """Ask the database what time it is."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {seconds_sql()}")
        return float(cursor.fetchone()[0])
