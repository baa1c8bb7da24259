"""What a report carries besides evidence: who asked, who decided what and on which terms, where to check.

The evidence is measured and frozen; a decision is a person's word on it. Both are attached to the report
(evidence.json, decision.json) and bound to each other by the snapshot digest. Text is exact here; each
edition makes what it cannot show visible, as with everything else that people typed.
"""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError

from assay.contracts import Frozen
from assay.evidence import canonical

__all__ = [
    "DECIDED",
    "OUTCOMES",
    "CheckItem",
    "Decision",
    "Person",
    "PublicCheck",
    "Reply",
    "RunListed",
    "dump_decision",
    "load_decision",
    "signed_name",
    "signed_reason",
]

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Instant = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
"""UTC, to the second."""
Day = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\d$")]
Code = Annotated[str, StringConstraints(pattern=r"^[0-9A-HJKMNP-TV-Z]{24}$")]
"""24 digits of base 32 without I, L, O and U: 120 bits."""

Outcome = Literal["draft", "awaiting", "approved", "rejected", "changes"]
DECIDED = ("approved", "rejected", "changes")
"""Outcomes that a reviewer has decided; only these are countersigned."""
OUTCOMES = {
    "draft": "Draft",
    "awaiting": "Awaiting a reviewer",
    "approved": "Approved",
    "rejected": "Rejected",
    "changes": "Changes requested",
}
_MOST_SIGNED = 600
"""Characters of a reason that the countersignature repeats; all of it stands in the report."""


class Person(Frozen):
    """Somebody's name as it is printed, and what they are in the organisation."""

    name: str
    role: str = ""


class CheckItem(Frozen):
    """A line of the reviewer's checklist."""

    text: str
    done: bool


class Reply(Frozen):
    """Management's reply to a finding, given before the opinion."""

    finding: str
    """The number that people use: F-118."""
    title: str
    text: str
    action: str = ""
    due: Day | None = None
    by: str
    at: Instant


class RunListed(Frozen):
    """A run on the audited version; failed and cancelled ones are listed as well as those that passed."""

    number: int
    state: str
    outcome: str = ""
    created_at: Instant
    reason: str = ""
    snapshot_digest: Digest | None = None
    this: bool = False
    """Whether it is the run that this report is about."""


class PublicCheck(Frozen):
    """Where anybody who holds the report can see whether it still stands."""

    url: str
    code: Code


class Decision(Frozen):
    """Attached to a report of the service as decision.json."""

    schema_: Annotated[Literal["assay.decision/1"], Field(alias="schema")] = "assay.decision/1"
    snapshot_digest: Digest
    """What is decided on; void for any other snapshot."""
    outcome: Outcome
    organisation: str
    system: str
    made_at: Instant
    """When this edition was made."""
    review: int | None = None
    """The review's number within the organisation."""
    requester: Person | None = None
    requested_at: Instant | None = None
    message: str = ""
    """What the requester told the reviewer."""
    purpose: str = ""
    """What approval would allow."""
    reviewer: Person | None = None
    decided_at: Instant | None = None
    reason: str = ""
    conditions: str = ""
    valid_until: Day | None = None
    checklist: tuple[CheckItem, ...] = ()
    replies: tuple[Reply, ...] = ()
    runs: tuple[RunListed, ...] = ()
    trail_head: Digest
    """Hash of the last entry of the organisation's trail when this edition was made."""
    trail_length: int = 0
    check: PublicCheck

    @property
    def decided(self) -> bool:
        return self.outcome in DECIDED


def dump_decision(decision: Decision) -> bytes:
    """The bytes of decision.json: canonical JSON (RFC 8785)."""
    return canonical(decision) + b"\n"


def load_decision(data: bytes) -> Decision:
    """Read decision.json, which has one spelling only.

    Raises:
        ValueError: not JSON, not this schema, a decision without reviewer and time, or spelt otherwise.
    """
    try:
        body = json.loads(data)
        decision = Decision.model_validate_json(data)
    except (ValidationError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError("decision.json breaks its schema") from error
    if not isinstance(body, dict) or body.get("schema") != "assay.decision/1":
        raise ValueError("decision.json does not name its schema")
    if dump_decision(decision) != data:
        raise ValueError("decision.json is not in its canonical form")
    if decision.decided and (
        decision.reviewer is None or decision.decided_at is None or decision.review is None
    ):
        raise ValueError("decision.json holds a decision without a reviewer, a review or a time")
    return decision


def signed_reason(decision: Decision) -> str:
    """The reason in the countersignature: the outcome, then what the reviewer gave as reason."""
    reason = " ".join(decision.reason.split()) or "no reason was given"
    if len(reason) > _MOST_SIGNED:
        reason = f"{reason[:_MOST_SIGNED].rstrip()} … (whole reason in the report)"
    return f"{OUTCOMES[decision.outcome].upper()}: {reason}"


def signed_name(decision: Decision) -> str:
    """Whose decision the countersignature records. A service-held key attests the service, not a person."""
    name = decision.reviewer.name if decision.reviewer is not None else "nobody"
    return f"Assay service, on behalf of {name}"
