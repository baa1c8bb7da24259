"""Models that other libraries made, in the service: brought, read, and audited to their evidence."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay import evidence
from models_registry.models import ModelVersion
from tests import factory
from tests.command import write_csv
from tests.conftest import make_people
from tests.models.boosted import WORDS, incomes, pipeline, save_lightgbm, save_onnx_pipeline, save_skops
from tests.models_registry.test_intake import added
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


@pytest.mark.usefixtures("committed")
@pytest.mark.parametrize("came_as", ["onnx", "lightgbm_text"])
def test_a_brought_model_becomes_a_ready_version_with_its_columns(tmp_path: Path, came_as: str) -> None:
    if came_as == "onnx":
        path = save_onnx_pipeline(tmp_path / "model.onnx", pipeline(incomes(200)))
        files = {
            path.name: path.read_bytes(),
            "signature.json": WORDS.model_dump_json(by_alias=True).encode(),
        }
    else:
        save_lightgbm(tmp_path / "m.txt", incomes(200))
        files = {"m.txt": (tmp_path / "m.txt").read_bytes()}
    version = added(make_people(), files)
    factory.run_jobs()
    version.refresh_from_db()
    assert (version.state, version.refusal, version.format) == ("ready", "", came_as)
    assert version.signature is not None
    assert {column["name"] for column in version.signature["columns"]} == {"age", "hours", "job"}
