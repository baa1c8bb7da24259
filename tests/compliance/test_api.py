"""The API of reviews, stages and controls: the same rules as the pages, with tokens."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from accounts.api_auth import new_token
from accounts.models import Membership, User
from audits.models import Run
from compliance import services
from compliance.models import Review
from tests.compliance.made import answered, approved, findings, in_review, submitted, yes_to_all
from tests.conftest import People


class Api:
    """A client with a token."""

    def __init__(self, user: User, people: People, scopes: list[str]) -> None:
        _token, secret = new_token(user, people.organisation, "test", scopes)
        self._client = Client(headers={"Authorization": f"Bearer {secret}"})

    def get(self, path: str) -> tuple[int, Any]:
        return self._read(self._client.get(f"/api/v1{path}"))

    def post(self, path: str, **body: Any) -> tuple[int, Any]:
        return self._read(
            self._client.post(f"/api/v1{path}", json.dumps(body), content_type="application/json")
        )

    def _read(self, answer: Any) -> tuple[int, Any]:
        return answer.status_code, json.loads(answer.content) if answer.content else None


def api(people: People, role: str, *scopes: str) -> Api:
    return Api(getattr(people, role), people, list(scopes or ("read", "write", "review")))


def test_a_review_goes_its_way(people: People, run: Run) -> None:
    engineer, reviewer = api(people, "engineer"), api(people, "reviewer")
    status, problem = engineer.post("/reviews", run=str(run.pk))
    assert (status, problem["title"]) == (400, "Cannot be done")
    assert "reply comes before" in problem["detail"]
    for finding in services.unanswered(run):
        path = f"/findings/{finding.pk}/replies"
        assert engineer.post(path, run=str(run.pk), text="Known.")[0] == 201
        assert engineer.get(path)[1]["count"] == 1
    status, review = engineer.post("/reviews", run=str(run.pk), purpose_stage="deployed")
    assert (status, review["state"]) == (201, "submitted")
    path = f"/reviews/{review['id']}"
    assert reviewer.post(f"{path}/take")[0] in (200, 422)
    assert reviewer.post(f"{path}/take", over=False)[1]["state"] == "in_review"
    stale = {"outcome": "approved", "reason": "Yes.", "checklist": yes_to_all(run), "revision": 0}
    assert reviewer.post(f"{path}/decision", **stale)[0] == 409
    status, done = reviewer.post(f"{path}/decision", **{**stale, "revision": 1})
    assert (status, done["standing"], done["standing_sentence"]) == (200, "valid", "The approval holds.")
    listed = engineer.get("/reviews?state=approved")[1]
    assert (listed["count"], listed["items"][0]["id"]) == (1, review["id"])
    stages = f"/model-versions/{review['model_version']}/stage-changes"
    assert reviewer.post(stages, after="approved", expected="candidate")[0] == 201
    assert reviewer.post(stages, after="retired", reason="Out.", expected="candidate")[0] == 409
    assert reviewer.get(stages)[1]["stage"] == "approved"
    assert api(people, "owner").post(f"{path}/revoke", reason="Wrong.")[1]["standing"] == "revoked"
    assert reviewer.get(stages)[1]["blocked"].startswith("The approval, Review 1, no longer holds.")


def test_the_requester_is_never_the_reviewer_in_the_api(people: People, run: Run) -> None:
    review = submitted(people, run)
    Membership.objects.of(people.organisation).filter(user=people.engineer).update(role="reviewer")
    caller = api(people, "engineer")
    status, problem = caller.post(f"/reviews/{review.pk}/take", over=True)
    assert (status, "never decides" in problem["detail"]) == (400, True)
    status, _problem = caller.post(
        f"/reviews/{review.pk}/decision", outcome="rejected", reason="No.", revision=0
    )
    assert status == 400
    assert Review.unscoped.get(pk=review.pk).reviewer is None


def test_scopes_and_roles_limit_what_a_token_does(people: People, run: Run) -> None:
    review = in_review(people, run)
    decision = {"outcome": "rejected", "reason": "No.", "revision": 1}
    path = f"/reviews/{review.pk}/decision"
    assert api(people, "reviewer", "read", "write").post(path, **decision)[0] == 403
    assert api(people, "owner").post(path, **decision)[0] == 403
    assert api(people, "auditor").post("/reviews", run=str(run.pk))[0] == 403
    assert api(people, "auditor").get(f"/reviews/{review.pk}")[0] == 200
    assert api(people, "reviewer", "review").post(path, **decision)[0] == 200


def test_another_organisation_has_no_such_thing(people: People, run: Run) -> None:
    review = approved(people, run)
    _token, secret = new_token(people.outsider, people.elsewhere, "test", ["read", "write", "review"])
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    version, finding = run.subject.model_version_id, findings(run)[0].pk
    for path in (
        f"/reviews/{review.pk}", f"/findings/{finding}/replies", f"/systems/{run.system_id}/controls",
        f"/model-versions/{version}/stage-changes",
    ):  # fmt: skip
        assert client.get(f"/api/v1{path}").status_code == 404
    assert json.loads(client.get("/api/v1/reviews").content)["count"] == 0
    body = json.dumps({"run": str(run.pk), "text": "x", "reason": "x"})
    for path in ("/reviews", f"/reviews/{review.pk}/revoke", f"/reviews/{review.pk}/withdraw"):
        answer = client.post(f"/api/v1{path}", body, content_type="application/json")
        assert answer.status_code == 404


def test_a_token_is_no_second_factor(people: People, run: Run, settings: Any) -> None:
    settings.ENV = settings.ENV.model_copy(update={"mfa": "signers"})
    review = in_review(people, run)
    status, problem = api(people, "reviewer").post(
        f"/reviews/{review.pk}/decision", outcome="rejected", reason="No.", revision=1
    )
    assert (status, "second factor" in problem["detail"]) == (400, True)


def test_coverage_is_given_and_attested(people: People, run: Run) -> None:
    owner = api(people, "owner")
    path = f"/systems/{run.system_id}/controls"
    assert len(owner.get("/frameworks")[1]) == 13
    assert owner.get(f"{path}?framework=nonsense")[0] == 404
    status, before = owner.get(path)
    assert (status, before["counts"]["attested"]) == (200, 0)
    word = {"framework": "EU AI Act", "control": "Art.9(2)(a)", "text": "Kept by risk."}
    status, said = owner.post(f"/systems/{run.system_id}/attestations", **word)
    assert status == 201
    assert owner.get(path)[1]["counts"]["attested"] == 1
    assert owner.post(f"/attestations/{said['id']}/withdraw")[0] == 204
    assert owner.get(path)[1]["counts"]["attested"] == 0
    assert owner.post(f"/systems/{run.system_id}/attestations", **{**word, "control": "Art.99"})[0] == 400


@pytest.mark.parametrize("text", ["", "\x00", "x" * 4001])
def test_words_that_cannot_be_stored_are_refused(people: People, run: Run, text: str) -> None:
    answered(run, people.engineer)
    status, _problem = api(people, "engineer").post(
        f"/findings/{findings(run)[0].pk}/replies", run=str(run.pk), text=text
    )
    assert status in (400, 422)
