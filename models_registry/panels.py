"""Places in the registry's pages that apps above fill: the registry knows no audit.

An app registers a provider in its `AppConfig.ready`. A provider gets the ids of what is shown and answers
for all of them at once, in a fixed number of queries.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from accounts.models import Organisation

__all__ = [
    "Comparable",
    "Standing",
    "comparable_runs",
    "latest_audits",
    "provide_comparable_runs",
    "provide_latest_audits",
]


class Standing(NamedTuple):
    """The latest audit of a system: outcome (fail, insufficient, warn, pass, measured), words, page."""

    outcome: str
    title: str
    url: str


class Comparable(NamedTuple):
    """Two audits on the same data, one of each of two model versions, and the page that compares them."""

    title: str
    url: str


CompareProvider = Callable[[Organisation, uuid.UUID, uuid.UUID], Sequence[Comparable]]
_comparable_runs: CompareProvider | None = None

Provider = Callable[[Organisation, Sequence[uuid.UUID]], Mapping[uuid.UUID, Standing]]
_latest_audits: Provider | None = None


def provide_latest_audits(provider: Provider | None) -> None:
    """Say who knows the latest audits: system id -> Standing."""
    global _latest_audits
    _latest_audits = provider


def latest_audits(organisation: Organisation, systems: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, Standing]:
    return _latest_audits(organisation, systems) if _latest_audits is not None and systems else {}


def provide_comparable_runs(provider: CompareProvider | None) -> None:
    """Say who knows the audits of two model versions (before, after) on the same data."""
    global _comparable_runs
    _comparable_runs = provider


def comparable_runs(organisation: Organisation, before: uuid.UUID, after: uuid.UUID) -> Sequence[Comparable]:
    return _comparable_runs(organisation, before, after) if _comparable_runs is not None else ()
