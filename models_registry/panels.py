"""Places in the registry's pages that apps above fill: the registry knows no audit.

An app registers a provider in its `AppConfig.ready`. A provider gets the ids of what is shown and answers
for all of them at once, in a fixed number of queries.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from accounts.models import Organisation

__all__ = ["Standing", "latest_audits", "provide_latest_audits"]


class Standing(NamedTuple):
    """The latest audit of a system: outcome (fail, insufficient, warn, pass, measured), words, page."""

    outcome: str
    title: str
    url: str


Provider = Callable[[Organisation, Sequence[uuid.UUID]], Mapping[uuid.UUID, Standing]]
_latest_audits: Provider | None = None


def provide_latest_audits(provider: Provider | None) -> None:
    """Say who knows the latest audits: system id -> Standing."""
    global _latest_audits
    _latest_audits = provider


def latest_audits(organisation: Organisation, systems: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, Standing]:
    return _latest_audits(organisation, systems) if _latest_audits is not None and systems else {}
