"""Models that other libraries made, through the service's API: brought, audited, their evidence fetched."""

from __future__ import annotations

from assay import evidence
from models_registry.models import ModelVersion
from tests.command import write_csv
from tests.models.boosted import WORDS, incomes, save_lightgbm, save_onnx_pipeline, save_skops
from tests.remote.test_service_commands import Place
from tests.remote.test_service_commands import place as place  # the fixture


def test_each_format_is_brought_audited_and_answered_with_evidence(place: Place) -> None:
    fitted = save_skops(place.folder / "m.skops", incomes(300))
    (place.folder / "onnx").mkdir()
    save_onnx_pipeline(place.folder / "onnx" / "model.onnx", fitted)
    (place.folder / "onnx" / "signature.json").write_text(WORDS.model_dump_json(by_alias=True))
    save_lightgbm(place.folder / "m.txt", incomes(300))
    test = incomes(200, seed=1)
    write_csv(place.folder / "words.csv", test)
    write_csv(
        place.folder / "coded.csv", {**test, "income": [int(value == "more") for value in test["income"]]}
    )
    for model, data, came_as in (
        ("m.skops", "words.csv", "skops"),
        ("onnx", "words.csv", "onnx"),
        ("m.txt", "coded.csv", "lightgbm_text"),
    ):
        out = place.folder / f"out-{came_as}"
        ran = place.assay(
            "audit",
            *("--data", place.folder / data, "--label", "income", "--sensitive", "sex"),
            *("--model", place.folder / model, "--tier", "quick", "--server"),
            *("--system", came_as, "--methods", "performance.classification", "--out", out),
            token=place.token,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        found = evidence.load(out / "evidence.json")
        assert found.subject.model is not None
        assert found.subject.model.format == came_as
        accuracy = next(m for m in found.measures if m.id == "performance.accuracy")
        assert (accuracy.grade, accuracy.n) == ("executed", 200)
        version = ModelVersion.objects.of(place.people.organisation).get(format=came_as)
        assert (version.state, version.sha256) == ("ready", found.subject.model.sha256)
