"""What was not tested, in as few words as are true: a whole pillar where nothing of it ran for one reason."""

from __future__ import annotations

from assay.contracts import PILLAR_TITLES, PILLARS, Evidence

__all__ = ["untested"]


def untested(evidence: Evidence) -> dict[str, list[str]]:
    """Reason -> titles of methods, or of pillars of which no method ran and all for that reason."""
    ran = {method.pillar for method in evidence.methods}
    found: dict[str, list[str]] = {}
    for pillar in PILLARS:
        mine = [entry for entry in evidence.not_tested if entry.pillar == pillar]
        reasons = {entry.reason for entry in mine}
        if pillar not in ran and len(reasons) == 1:
            found.setdefault(reasons.pop(), []).append(PILLAR_TITLES[pillar])
            continue
        for entry in mine:
            found.setdefault(entry.reason, []).append(entry.title)
    return found
