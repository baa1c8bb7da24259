"""What the API of reviews, stages and controls takes and gives."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated, Literal

from ninja import Schema
from pydantic import Field

from compliance.words import MOST

Words = Annotated[str, Field(max_length=MOST)]
Said = Annotated[str, Field(min_length=1, max_length=MOST)]


class PersonOut(Schema):
    id: uuid.UUID
    name: str = Field(examples=["Ada Lovelace"])


class EntryOut(Schema):
    text: str = Field(examples=["Purpose and affected people are described rightly"])
    done: bool


class ReviewOut(Schema):
    """A review and what it is worth today."""

    id: uuid.UUID
    number: int = Field(examples=[12])
    run: uuid.UUID
    run_number: int = Field(examples=[27])
    system: str = Field(examples=["Loan pre-screen"])
    version: str = Field(examples=["scorer 3.2"])
    model_version: uuid.UUID
    snapshot_digest: str = Field(examples=["e8d2" + "0" * 60])
    purpose_stage: str = Field(examples=["deployed"])
    state: str = Field(examples=["in_review"])
    standing: str = Field(
        examples=["valid"], description="`valid`, `stale` or `revoked` for an approval; else the state."
    )
    standing_sentence: str = Field(examples=["The approval holds until 31 March 2027."])
    revision: int = Field(examples=[1], description="Send it with a decision: another one means a conflict.")
    requested_by: PersonOut
    requested_at: dt.datetime
    message: str
    reviewer: PersonOut | None
    taken_at: dt.datetime | None
    checklist: list[EntryOut]
    reason: str
    conditions: str
    valid_until: dt.date | None
    decided_at: dt.datetime | None
    revoked_at: dt.datetime | None
    revoked_reason: str


class ReviewsOut(Schema):
    count: int = Field(examples=[1])
    items: list[ReviewOut]


class SubmitIn(Schema):
    run: uuid.UUID
    message: Words = Field("", examples=["Repaired as agreed; look at F-118 first."])
    purpose_stage: Literal["approved", "deployed"] = "approved"


class TakeIn(Schema):
    over: bool = Field(False, examples=[False], description="Take it over from a colleague who has it.")


class EntryIn(Schema):
    text: Annotated[str, Field(max_length=300)]
    done: bool


class DecisionIn(Schema):
    outcome: Literal["approved", "changes", "rejected"] = Field(examples=["approved"])
    reason: Said = Field(examples=["The repaired version keeps every limit."])
    conditions: Words = ""
    valid_until: dt.date | None = None
    checklist: tuple[EntryIn, ...] = Field((), max_length=30)
    revision: int = Field(examples=[1], description="The revision that was looked at.")


class ReasonIn(Schema):
    reason: Said = Field(examples=["The training data were mislabelled."])


class ReplyIn(Schema):
    run: uuid.UUID
    text: Said = Field(examples=["Known; mended in 3.2."])
    action: Words = Field("", examples=["Deploy 3.2 and watch monthly."])
    due: dt.date | None = None


class ReplyOut(Schema):
    id: uuid.UUID
    run: uuid.UUID
    text: str
    action: str
    due: dt.date | None
    by: PersonOut
    at: dt.datetime


class RepliesOut(Schema):
    count: int
    items: list[ReplyOut]


class StageIn(Schema):
    after: Literal["candidate", "approved", "deployed", "retired"] = Field(examples=["deployed"])
    reason: Words = ""
    former: Literal["retire", "keep"] = Field("retire", description="What becomes of the deployed version.")
    expected: Literal["candidate", "approved", "deployed", "retired"] | None = Field(
        None, description="The stage that was looked at; another one means a conflict."
    )


class StageChangeOut(Schema):
    id: uuid.UUID
    before: str = Field(examples=["approved"])
    after: str = Field(examples=["deployed"])
    review: uuid.UUID | None
    reason: str
    by: PersonOut | None
    at: dt.datetime


class StageChangesOut(Schema):
    stage: str = Field(examples=["deployed"])
    blocked: str = Field(description="Why no approval carries the version now; empty where one does.")
    count: int
    items: list[StageChangeOut]


class FrameworkOut(Schema):
    name: str = Field(examples=["EU AI Act"])
    slug: str = Field(examples=["eu-ai-act"])
    version: str
    controls: int = Field(examples=[33])
    uncertain: int = Field(examples=[1])


class AttestationOut(Schema):
    id: uuid.UUID
    applies: bool
    text: str
    by: PersonOut
    at: dt.datetime
    valid_until: dt.date | None


class ControlOut(Schema):
    id: str = Field(examples=["Art.10(3)"])
    title: str
    asks: str
    evidence: list[str] = Field(examples=[["data_quality", "fairness"]])
    status: str
    uncertain: bool
    note: str
    state: str = Field(examples=["measured"])
    found: list[str]
    lacking: list[str]
    attestation: AttestationOut | None
    attestation_ended: bool


class CoverageOut(Schema):
    """Coverage, never a statement of compliance."""

    framework: FrameworkOut
    runs: list[uuid.UUID]
    counts: dict[str, int] = Field(examples=[{"measured": 3, "attested": 1, "part": 7, "open": 22}])
    sentence: str
    controls: list[ControlOut]


class AttestIn(Schema):
    framework: Annotated[str, Field(max_length=80)] = Field(examples=["EU AI Act"])
    control: Annotated[str, Field(max_length=80)] = Field(examples=["Art.9(2)(a)"])
    text: Said = Field(examples=["The register of risks, kept by credit risk."])
    valid_until: dt.date | None = None
    applies: bool = True
