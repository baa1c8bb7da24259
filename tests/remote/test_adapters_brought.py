"""An adapter and its base, brought to the service from the command line."""

from __future__ import annotations

from assay import evidence
from models_registry.models import ModelVersion
from tests.command import write_csv
from tests.models.transformers_made import chain_folder, chain_texts, lora
from tests.remote.test_service_commands import Place
from tests.remote.test_service_commands import place as place  # the fixture


def test_an_adapter_goes_with_its_base_which_is_brought_once(place: Place) -> None:
    base = chain_folder(place.folder / "base")
    adapter = place.folder / "adapter"
    lora(adapter, base, "AutoModelForCausalLM", task_type="CAUSAL_LM", target_modules=["v_proj", "o_proj"])
    write_csv(place.folder / "notes.csv", {"note": chain_texts(20, 1)})
    ran = place.assay(
        *("audit", "--data", place.folder / "notes.csv", "--text", "note"),
        *(
            "--model",
            adapter,
            "--base",
            base,
            "--tier",
            "quick",
            "--methods",
            "performance.language_modelling",
        ),
        *("--server", "--system", "Notes", "--out", place.folder / "out"),
        token=place.token,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    model = evidence.load(place.folder / "out" / "evidence.json").subject.model
    below, above = ModelVersion.objects.of(place.people.organisation).order_by("created_at")
    assert model is not None
    assert model.base is not None
    assert (model.sha256, model.base.sha256) == (above.sha256, below.sha256)
    assert (above.base_id, above.format) == (below.pk, "huggingface_adapter")

    push = ("push", "--system", "Notes", "--model", adapter, "--base")
    for named in ("base@1", base):
        again = place.assay(*push, named, token=place.token)
        assert (again.returncode, "already there as version 1" in again.stdout) == (0, True), again.stderr
    unknown = place.assay(*push, "base@7", token=place.token)
    assert (unknown.returncode, 'no model version "base@7"' in unknown.stderr) == (2, True), unknown.stderr
    assert ModelVersion.objects.of(place.people.organisation).count() == 2
