"""What a card says is shown as its claim, escaped, and the page says that nobody verified it."""

from __future__ import annotations

from django.urls import reverse

from assay.contracts import ClaimedResult, GateVerdict, ModelClaims
from models_registry.model_words import claims_said, gate_said
from models_registry.models import ModelVersion
from tests.conftest import People
from tests.models_registry.registered import EVIL, Registered, SignIn


def test_claims_and_verdicts_of_hostile_words_are_escaped_and_called_claims(
    people: People, as_user: SignIn
) -> None:
    made = Registered(people)
    claims = ModelClaims(
        sources=("README.md",),
        title=EVIL,
        licence=EVIL,
        tags=(EVIL,),
        intended_use=f"{EVIL}\n\n{EVIL}",
        limitations=EVIL,
        results=(ClaimedResult(metric=EVIL, value=EVIL, dataset=EVIL, task=EVIL),),
        metadata={EVIL: EVIL},
    )
    verdict = GateVerdict(trust="B", came_as="x", sha256="a" * 64, cleaning=(EVIL,), findings=(EVIL,))
    ModelVersion.unscoped.filter(pk=made.version.pk).update(
        state="ready",
        claims=claims.model_dump(mode="json"),
        gate=verdict.model_dump(mode="json"),
        hub={"repo": EVIL, "revision": EVIL},
    )
    url = reverse("models_registry:model_version", args=[made.org, made.version.pk])
    html = as_user(people.auditor).get(url).content.decode()
    assert "<script>alert" not in html
    assert html.count("&lt;script&gt;alert") > 8
    assert "Nobody here verified them" in html
    assert "Intended use, as claimed" in html
    assert "Class B, cleaned" in html


def test_the_class_is_a_word_and_a_sign() -> None:
    version = ModelVersion(state="ready", gate={"trust": "A", "came_as": "torch_folder", "sha256": "a" * 64})
    said = gate_said(version)
    assert said is not None
    assert (said.mark, said.word) == ("pass", "Class A")
    version.state = "refused"
    said = gate_said(version)
    assert said is not None
    assert (said.mark, said.word) == ("fail", "Class A, refused")
    version.gate = {"trust": "C", "came_as": "pickle", "sha256": "a" * 64}
    said = gate_said(version)
    assert said is not None
    assert said.meaning.startswith("Code:")
    assert claims_said(version) is None
