"""`assay push --signature`, `assay signature` and `assay diff` against a real server and worker."""

from __future__ import annotations

import json

import pytest

from models_registry.models import ModelVersion
from tests.remote.test_service_commands import Place, place

__all__ = ["place"]


@pytest.fixture
def at(place: Place) -> Place:
    return place


def test_a_signature_is_brought_corrected_and_compared(at: Place) -> None:
    said = json.loads((at.folder / "linear" / "signature.json").read_text())
    corrected = at.folder / "corrected.json"
    corrected.write_text(json.dumps({**said, "threshold": 0.7}))
    (at.folder / "linear" / "README.md").write_text("---\nlicense: mit\n---\n# Linear\n")
    linear = ("push", "--system", "Loans", "--model", at.folder / "linear")
    pushed = at.assay(*linear, "--signature", corrected, token=at.token)
    assert pushed.returncode == 0, pushed.stderr
    assert "class A, came in as torch_folder" in pushed.stdout
    assert "claims of README.md are kept with it, as claims" in pushed.stdout
    first = ModelVersion.objects.of(at.people.organisation).get()
    assert first.signature["threshold"] == 0.7

    shown = at.assay("signature", str(first.pk), token=at.token)
    assert json.loads(shown.stdout)["threshold"] == 0.7
    corrected.write_text(json.dumps({**said, "classes": ["no", "no"]}))
    wrong = at.assay("signature", str(first.pk), "--file", corrected, token=at.token)
    assert wrong.returncode == 2
    assert 'The class "no" stands twice' in wrong.stderr
    own = at.assay("signature", str(first.pk), "--own", token=at.token)
    assert own.returncode == 0, own.stderr
    assert "read again with this signature" in own.stdout

    (at.folder / "linear" / "README.md").unlink()
    assert at.assay(*linear, token=at.token).returncode == 0
    second = ModelVersion.objects.of(at.people.organisation).get(number=2)
    compared = at.assay("diff", str(first.pk), str(second.pk), token=at.token)
    assert compared.returncode == 0, compared.stderr
    assert "removed  README.md" in compared.stdout
    assert "signature" not in compared.stdout.partition("\n")[2]
    assert at.assay("diff", "1", "2", token=at.token).returncode == 2
    hub = at.assay("push", "--system", "Loans", "--hub", "org/name", token=at.token)
    assert hub.returncode == 2
    assert "the operator has not set ASSAY_HUB" in hub.stderr
