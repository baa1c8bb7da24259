"""Every format of `assay formats`, end to end: over the API with the real child, and by `assay audit`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from assay.commands.audit import AuditOptions, run_audit
from assay.intake.model_files import model_files
from assay.registry import FORMATS
from tests import factory
from tests.audits.test_kinds_of_data import Desk
from tests.conftest import make_people
from tests.models.every_format import MODELS, Brought

CLEANED = {"torch_checkpoint": "torch_folder"}
"""What came in -> what it is loaded as, where cleaning writes another format."""
ELSEWHERE = {
    "CSV, TSV, Parquet, JSON Lines, attributes and predictions apart: API": (
        "tests/audits/test_kinds_of_data.py",
        "test_a_table_gives_the_same_result_in_every_format_and_in_files_apart",
    ),
    "the same: CLI": (
        "tests/commands/test_audit_of_every_kind.py",
        "test_a_table_gives_the_same_result_in_every_format",
    ),
    "attributes and predictions apart: CLI": (
        "tests/commands/test_audit_of_every_kind.py",
        "test_attributes_and_predictions_from_files_of_their_own",
    ),
    "a zip of images: API": ("tests/audits/test_kinds_of_data.py", "test_pictures_in_a_zip_are_audited"),
    "a zip of images: CLI": ("tests/commands/test_audit_of_every_kind.py", "test_pictures_in_a_zip"),
    "an endpoint: service": (
        "tests/models_registry/test_endpoints.py",
        "test_an_endpoint_is_asked_audited_and_noticed_when_it_is_swapped",
    ),
    "an endpoint: CLI": (
        "tests/endpoints/test_end_to_end.py",
        "test_executed_and_asked_the_same_model_measures_the_same",
    ),
}
"""What is not a format of model files, and the tests that audit it end to end."""


def test_no_format_is_left_out() -> None:
    assert {came_as for came_as, _make in MODELS.values()} == set(FORMATS), "give the format a row in MODELS"


@pytest.mark.parametrize("what", ELSEWHERE)
def test_the_other_ways_in_have_their_tests(what: str) -> None:
    file, name = ELSEWHERE[what]
    assert f"def {name}(" in (Path(__file__).parents[2] / file).read_text()


@pytest.mark.usefixtures("committed")
@pytest.mark.parametrize("name", MODELS)
def test_a_format_is_audited_over_the_api_and_by_the_command(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    came_as, make = MODELS[name]
    brought = make(tmp_path)
    served, version = _by_api(brought)
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    local = _by_command(brought, tmp_path)
    assert version["gate"]["came_as"] == came_as
    assert version["format"] == CLEANED.get(came_as, came_as)
    for evidence in (served, local):
        model = evidence["subject"]["model"]
        assert (model["format"], model["sha256"]) == (version["format"], version["sha256"])
        assert model["gate"]["came_as"] == came_as
        assert (model["base"] is not None) == (brought.base is not None)
        _told_right(_measured(evidence))
    assert _measured(served) == _measured(local), "both take one path through the engine"


def _measured(evidence: dict[str, Any]) -> dict[str, float]:
    """Values by measure and slice; every one of the model itself."""
    found = [m for m in evidence["measures"] if m["status"] == "measured"]
    assert {m["grade"] for m in found} == {"executed"}
    return {f"{m['id']} {m['slice']}": m["value"] for m in found}


def _told_right(values: dict[str, float]) -> None:
    accuracy, perplexity = values.get("performance.accuracy {}"), values.get("performance.perplexity {}")
    assert (accuracy is None) != (perplexity is None), values
    if accuracy is not None:
        assert accuracy > 0.6, "half, or a tenth of ten classes, is chance"
    if perplexity is not None:
        assert perplexity < 3.5, "four letters that are equally likely have 4"


def _method(brought: Brought) -> str:
    return "performance.language_modelling" if brought.label is None else "performance.classification"


def _by_api(brought: Brought) -> tuple[dict[str, Any], dict[str, Any]]:
    desk = Desk(make_people())
    container = desk.post(f"/systems/{desk.system}/models", {"name": "model"})["id"]
    base = _version(desk, container, brought.base)["id"] if brought.base is not None else None
    said = json.loads(brought.signature.read_text()) if brought.signature is not None else None
    version = _version(desk, container, brought.model, base=base, signature=said)
    described = {"label": brought.label, "text": brought.text}
    data = desk.data({"test": (brought.data.name, brought.data.read_bytes())}, **described)
    return desk.audited(version["id"], data, _method(brought)), version


def _version(desk: Desk, container: str, path: Path, **said: Any) -> dict[str, Any]:
    members = [(path.name, path)] if path.is_file() else model_files(path)
    files = [{**desk.upload(Path(name).name, file.read_bytes()), "path": name} for name, file in members]
    made = desk.post(f"/models/{container}/versions", {"files": files, **said})
    factory.run_jobs()
    found: dict[str, Any] = desk.get(f"/model-versions/{made['id']}")
    assert found["state"] == "ready", found["refusal"]
    return found


def _by_command(brought: Brought, folder: Path) -> dict[str, Any]:
    out = folder / "out"
    asked = AuditOptions(
        data=brought.data,
        out=out,
        model=brought.model,
        base=brought.base,
        signature=brought.signature,
        label=brought.label,
        text=brought.text,
        tier="quick",
        methods=(_method(brought),),
        keep_rows=False,
    )
    assert run_audit(asked) == 0
    found: dict[str, Any] = json.loads((out / "evidence.json").read_text())
    return found
