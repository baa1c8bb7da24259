"""Django's database from ASSAY_DATABASE_URL."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit

from config.env import Environment, WrongSetting

__all__ = ["database"]

_OPTIONS = (
    "application_name",
    "channel_binding",
    "connect_timeout",
    "gssencmode",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "options",
    "passfile",
    "sslcert",
    "sslcrl",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "target_session_attrs",
    "tcp_user_timeout",
)
"""What may follow the question mark: PostgreSQL's own words for a connection, handed on as they are."""


def database(environment: Environment) -> dict[str, object]:
    """The settings of the one database.

    Raises:
        WrongSetting: why not, without a part of the address, which may be of the password.
    """
    url = environment.database_url or f"sqlite:///{environment.home / 'assay.sqlite3'}"
    if url.startswith("sqlite:"):
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": url.removeprefix("sqlite:///"),
            # A file, as in use: threads and processes of the tests' jobs meet in it.
            "TEST": {"NAME": str(environment.home / "test.sqlite3")},
            # Opening it anew reads the whole schema, and closing it last folds the log in: 10 ms a request.
            "CONN_MAX_AGE": 60,
            "OPTIONS": {
                "timeout": 30,
                # A write transaction takes its lock when it begins, so it never fails half-way as busy.
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
            },
        }
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgres"):
        raise WrongSetting("ASSAY_DATABASE_URL begins with neither postgresql:// nor sqlite:///.")
    options = parse_qs(parts.query, keep_blank_values=True)
    if any(name not in _OPTIONS or len(values) > 1 for name, values in options.items()):
        raise WrongSetting(
            "ASSAY_DATABASE_URL has an option behind its question mark that stands there twice or is none of "
            f"{', '.join(_OPTIONS)}; a question mark in the password has to be percent-encoded (%3F)."
        )
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {name: values[0] for name, values in options.items()},
    }
