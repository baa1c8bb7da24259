"""What holds of a report now: a word, its look and a sentence, for lists, pages, API and the public page."""

from __future__ import annotations

from datetime import date
from typing import Literal, NamedTuple

from compliance.models import ReviewState
from reports.models import Document

__all__ = ["Standing", "standing_of"]

Word = Literal[
    "valid",
    "awaiting",
    "withdrawn",
    "refused",
    "draft",
    "stale",
    "expired",
    "superseded",
    "revoked",
    "making",
    "failed",
]


class Standing(NamedTuple):
    """One of these words, and how it looks."""

    word: Word
    look: str
    """pass, warn, fail or none."""
    mark: str
    title: str
    sentence: str
    """Public: no names, no words that people typed."""


def standing_of(document: Document, today: date) -> Standing:
    """The worst that is true: revoked, then superseded, then expired or stale, then what it says itself.

    Needs `superseded_by` and `review` of the document (select_related).

    Args:
        today: the day where the organisation is, by which its approvals end.
    """
    facts = document.facts
    if document.revoked_at is not None:
        why = Document.Category(document.revoked_category or "other").label
        return Standing(
            "revoked",
            "fail",
            "fail",
            "Revoked",
            f"The issuer revoked this report on {document.revoked_at:%Y-%m-%d}: {why}. Do not rely on it.",
        )
    if document.state == Document.State.MAKING:
        return Standing("making", "none", "open", "Being made", "The report is being made.")
    if document.state == Document.State.FAILED:
        return Standing("failed", "fail", "fail", "Not made", "The report could not be made.")
    if document.superseded_by_id is not None:
        return Standing(
            "superseded",
            "none",
            "none",
            "Superseded",
            "A newer edition of this report exists; ask its holder for that one.",
        )
    outcome = facts.get("outcome", "draft")
    if outcome == "draft":
        return Standing(
            "draft", "none", "none", "Draft", "A draft: the issuer has not certified it. Do not rely on it."
        )
    review = document.review
    if review is not None and review.revoked_at is not None and outcome == "approved":
        return Standing(
            "revoked",
            "fail",
            "fail",
            "Revoked",
            f"The approval was revoked on {review.revoked_at:%Y-%m-%d}. Do not rely on it.",
        )
    if review is not None and review.state == ReviewState.WITHDRAWN and outcome == "awaiting":
        return Standing(
            "withdrawn",
            "none",
            "none",
            "Withdrawn",
            "The request for a review was withdrawn; no reviewer has decided. Do not rely on it as approved.",
        )
    found = _said(facts, outcome, today)
    if found.word == "expired" or review is None or outcome != "approved":
        return found  # a sweep notes what has expired as stale, too: that it ended is the better word for it
    if review.stale_at is not None or (review.lapses_on is not None and review.lapses_on < today):
        since = f" since {review.stale_at:%Y-%m-%d}" if review.stale_at is not None else ""
        return Standing(
            "stale",
            "warn",
            "warn",
            "Stale",
            f"The approval no longer holds{since}: the model, its data, the policy or something else that it "
            "rests on changed or ended, or a later decision went against it.",
        )
    return found


def _said(facts: dict[str, object], outcome: str, today: date) -> Standing:
    decided = str(facts.get("decided_at") or "")[:10]
    until = facts.get("valid_until")
    if outcome == "awaiting":
        return Standing(
            "awaiting",
            "none",
            "open",
            "Awaits a reviewer",
            "The issuer certified this report at submission. No reviewer has decided in this edition.",
        )
    if outcome == "approved" and until and str(until) < today.isoformat():
        return Standing(
            "expired", "warn", "warn", "Expired", f"The approval of {decided} was valid until {until}."
        )
    if outcome == "approved":
        end = f" and valid until {until}" if until else ", without an end date"
        terms = " It has conditions; they stand in the report." if facts.get("conditions") else ""
        return Standing(
            "valid", "pass", "pass", "Valid: approved", f"Approved by a reviewer on {decided}{end}.{terms}"
        )
    word = "rejected it" if outcome == "rejected" else "asked for changes"
    title = "Rejected" if outcome == "rejected" else "Changes requested"
    return Standing("refused", "fail", "fail", title, f"A reviewer {word} on {decided}.")
