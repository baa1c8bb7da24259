"""What an approval is worth today, in a word and a sentence."""

from __future__ import annotations

from typing import NamedTuple

from compliance.basis import lapse
from compliance.models import Review, ReviewState
from compliance.words import day, moment

__all__ = ["Standing", "standing_of"]


class Standing(NamedTuple):
    """`look` and `mark` are the portal's (pass, warn, fail, none; pass, warn, fail, none, open)."""

    key: str
    look: str
    mark: str
    word: str
    sentence: str

    @property
    def valid(self) -> bool:
        return self.key == "valid"


_STATES = {
    ReviewState.SUBMITTED: ("none", "open", "Waits for a reviewer"),
    ReviewState.IN_REVIEW: ("none", "open", "In review"),
    ReviewState.CHANGES: ("warn", "warn", "Changes requested"),
    ReviewState.REJECTED: ("fail", "fail", "Rejected"),
    ReviewState.WITHDRAWN: ("none", "none", "Withdrawn"),
}


def standing_of(review: Review) -> Standing:
    """Never valid past its time, whether or not a sweep has come by. No queries (organisation selected)."""
    if review.state != ReviewState.APPROVED:
        look, mark, word = _STATES[ReviewState(review.state)]
        return Standing(review.state, look, mark, word, "")
    if review.revoked_at is not None:
        when = moment(review.revoked_at, review.organisation)
        return Standing("revoked", "fail", "fail", "Revoked", f"The approval was revoked on {when}.")
    if why := review.stale_reason or lapse(review):
        return Standing("stale", "warn", "warn", "Stale", why)
    until = f" until {day(review.lapses_on)}" if review.lapses_on else ""
    conditions = " with conditions" if review.conditions else ""
    sentence = f"The approval{conditions} holds{until}."
    return Standing("valid", "pass", "pass", f"Approved{conditions}", sentence)
