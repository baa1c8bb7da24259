"""A pipeline of another library, audited by the service from the command line."""

from __future__ import annotations

from assay import evidence
from models_registry.models import ModelVersion
from tests.command import write_csv
from tests.models.boosted import incomes, save_skops
from tests.remote.test_service_commands import Place
from tests.remote.test_service_commands import place as place  # the fixture


def test_a_pipeline_is_brought_audited_and_answered_with_evidence(place: Place) -> None:
    save_skops(place.folder / "m.skops", incomes(300))
    write_csv(place.folder / "words.csv", incomes(200, seed=1))
    ran = place.assay(
        "audit",
        *("--data", place.folder / "words.csv", "--label", "income", "--sensitive", "sex"),
        *("--model", place.folder / "m.skops", "--tier", "quick", "--server", "--system", "Incomes"),
        *("--methods", "performance.classification", "--out", place.folder / "out"),
        token=place.token,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = evidence.load(place.folder / "out" / "evidence.json")
    assert found.subject.model is not None
    assert found.subject.model.format == "skops"
    accuracy = next(m for m in found.measures if m.id == "performance.accuracy")
    assert (accuracy.grade, accuracy.n) == ("executed", 200)
    version = ModelVersion.objects.of(place.people.organisation).get(format="skops")
    assert (version.state, version.sha256) == ("ready", found.subject.model.sha256)
