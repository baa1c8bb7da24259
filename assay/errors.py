"""Errors meant for a reader: what was wrong, where, and what would be right.

Every error that a user can cause is an `AssayError`; the command line prints its
message without a traceback and exits with `exit_code`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = [
    "AssayError",
    "BadInput",
    "BadParams",
    "BadPolicy",
    "Cancelled",
    "ChildFailed",
    "Diverged",
    "EndpointFailed",
    "Internal",
    "LimitReached",
    "NotAReport",
    "by_code",
    "nearest",
    "unknown_setting",
]


class AssayError(Exception):
    """Base of every error shown to a user. `code` is stable and may be matched on."""

    code = "assay"
    exit_code = 2

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class BadInput(AssayError):
    """The data, or how it was described, cannot be audited as asked."""

    code = "bad_input"
    gate: Mapping[str, Any] | None = None
    """Of a model that was turned away: the gate's verdict (`GateVerdict` as JSON), where it had one."""


class BadParams(AssayError):
    """A method's parameters are outside their documented ranges."""

    code = "bad_params"


class BadPolicy(AssayError):
    """A policy file is malformed or names something that does not exist."""

    code = "bad_policy"


class NotAReport(AssayError):
    """A file handed to a reader of reports or evidence is something else."""

    code = "not_a_report"


class ChildFailed(AssayError):
    """The sandboxed child ended before it answered; the message carries its last words."""

    code = "child_failed"
    exit_code = 3


class EndpointFailed(ChildFailed):
    """An endpoint did not answer, or not as its protocol says, after every attempt that it was given."""

    code = "endpoint_failed"


class LimitReached(AssayError):
    """A limit that the user set on requests or spending was reached; what was begun is not a result."""

    code = "limit_reached"
    exit_code = 3


class Diverged(AssayError):
    """A training whose loss became no finite number, or exploded."""

    code = "diverged"
    exit_code = 3


class Cancelled(AssayError):
    """The user stopped the run; nothing was written."""

    code = "cancelled"
    exit_code = 130


class Internal(AssayError):
    """A broken promise inside Assay, never the user's fault."""

    code = "internal"
    exit_code = 3


def by_code(code: str) -> type[AssayError]:
    """The kind of error that has a code, as told by another process; AssayError for none."""
    kinds = [kind for kind in globals().values() if isinstance(kind, type) and issubclass(kind, AssayError)]
    return next((kind for kind in kinds if kind.code == code), AssayError)


def nearest(word: str, candidates: Iterable[str]) -> str:
    """A clause such as ' Columns close to it: "approved".' or '' when nothing is close."""
    names = list(candidates)
    lowered = {name.lower(): name for name in names}
    close = [lowered[m] for m in difflib.get_close_matches(word.lower(), list(lowered), n=3, cutoff=0.6)]
    return ", ".join(f'"{name}"' for name in close)


def unknown_setting(owner: str, word: str, known: Iterable[str]) -> str:
    """A sentence that `owner` has no parameter `word`, with those close to it or else all."""
    names = list(known)
    close = nearest(word, names)
    there = f"Close to it: {close}." if close else f"It has: {', '.join(names)}." if names else "It has none."
    return f'{owner} has no parameter "{word}". {there}'
