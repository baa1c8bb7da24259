"""An audit of a language model behind an address: perplexity equals the local one, a swap is seen."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assay import evidence
from assay.commands.audit import AuditOptions, run_audit
from assay.commands.endpoint import EndpointOptions
from assay.contracts import DataRequest, Evidence, FileRequest, Measure, ModelRequest
from assay.engine import AuditRequest, audit
from assay.errors import AssayError
from assay.runner.supervisor import Supervisor
from tests.command import Ran, assay, write_csv
from tests.endpoint_server import EndpointServer, served
from tests.endpoints.asked import asker, request
from tests.endpoints.test_likelihoods import GENERATION
from tests.endpoints.writer import Writer, byte_writer, stories_writer
from tests.models.transformers_made import byte_llama, stories

METHOD = "performance.language_modelling"


class Place:
    """A language model in a folder and behind an address, and a file of notes."""

    def __init__(self, folder: Path, model: Path, writer: Writer, server: EndpointServer) -> None:
        self.folder, self.model, self.server, self.writer = folder, model, server, writer
        server.echo = writer
        self.signature = folder / "signature.json"
        self.signature.write_text(json.dumps({"task": "generation", "output": "score", "text": {}}))
        self.data = self.notes([f"note {n}, of day {n * n % 31}" for n in range(90)])

    def notes(self, texts: list[str]) -> Path:
        return write_csv(self.folder / "notes.csv", {"note": texts, "kind": ["a", "b"] * (len(texts) // 2)})

    def command(self, *more: str) -> Ran:
        """The real command, asking the endpoint."""
        data = ("--data", self.data, "--text", "note", "--tier", "quick", "--methods", METHOD)
        named = ("--endpoint", f"{self.server.url}/v1", "--endpoint-protocol", "openai_completions")
        limits = ("--endpoint-limit", "requests_per_second=9999", "--allow-private")
        said = ("--endpoint-model", "tiny", "--signature", self.signature)
        return assay(self.folder / "home", "audit", *data, *named, *said, *limits, *more, "--out", self.out)

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def options(self, *methods: str, limits: tuple[str, ...] = (), **more: Any) -> AuditOptions:
        """The same as options, in this process."""
        values = {"model": "tiny", "private": True, "protocol": "openai_completions", **more}
        named = EndpointOptions(
            f"{self.server.url}/v1", limits=("requests_per_second=9999", *limits), **values
        )
        return AuditOptions(
            data=self.data,
            out=self.out,
            text="note",
            endpoint=named,
            signature=self.signature,
            methods=methods,
            tier="quick",
        )

    def here(self) -> Evidence:
        """The audit of the model itself."""
        return self._audit(ModelRequest(path=str(self.model), device="cpu"))

    def there(self, kept: Path | None = None) -> Evidence:
        asked = request(self.server, GENERATION, "openai_completions", timeout=20)
        return self._audit(ModelRequest(endpoint=asked), asker=asker(asked, kept=kept))

    def _audit(self, model: ModelRequest, **more: Any) -> Evidence:
        data = DataRequest(test=FileRequest(path=str(self.data)), model=model, text="note")
        with Supervisor(data, **more) as supervisor:
            return audit(AuditRequest("t", (), chosen=(METHOD,), tier="quick"), supervisor, _Silent())


class _Silent:
    def planned(self, plan: object, profile: object) -> None:
        pass

    def progress(self, doing: str, done: float) -> None:
        pass


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with served() as server:
        model = byte_llama(tmp_path / "bytes", max_position_embeddings=64)
        yield Place(tmp_path, model, byte_writer(model), server)


def _measured(found: Evidence) -> dict[str, Measure]:
    return {measure.id.partition(".")[2]: measure for measure in found.measures}


def _agree(there: Evidence, here: Evidence) -> None:
    found, expected = _measured(there), _measured(here)
    assert found.keys() == expected.keys()
    for name, measure in found.items():
        assert (measure.grade, expected[name].grade) == ("endpoint", "executed")
        if name == "unknown_tokens":
            assert measure.status == "not_applicable"
            assert "does not tell which tokens are unknown" in (measure.note or "")
            continue
        assert measure.status == "measured"
        for one, other in ((measure.value, expected[name].value), (measure.high, expected[name].high)):
            assert one == (None if other is None else pytest.approx(other, rel=1e-5)), name
        assert measure.n == expected[name].n


def test_the_command_measures_what_the_model_itself_measures(place: Place) -> None:
    ran = place.command()
    assert ran.code == 0, ran.err
    assert "the model was asked over HTTP (grade: endpoint)" in ran.out
    there = evidence.load(place.out)
    _agree(there, place.here())
    record = there.endpoint
    assert record is not None
    assert record.requests == len(place.server.seen)
    assert record.answered_as == ("writer-1",)
    # the 64 rows that the answers are checked by are not asked about again
    assert (record.rows, record.kept_rows) == (3 * 8 + 90, 64)
    assert record.canary is not None
    assert (record.canary.changed, record.canary.first) == (False, record.canary.last)
    html = (place.out / "report.html").read_text()
    for words in (
        "OpenAI-compatible completions",
        "A start token stands before it",
        "each text as a whole",
    ):
        assert words in html
    assert "Windows have" not in html


@pytest.mark.skipif("ASSAY_REAL_DATA" not in os.environ, reason="ASSAY_REAL_DATA is not set")
def test_stories260k_behind_an_address_has_its_own_perplexity(tmp_path: Path) -> None:
    model = stories(tmp_path / "stories")
    golden = json.loads(
        (Path(os.environ["ASSAY_REAL_DATA"]) / "stories260k" / "golden_greedy.json").read_text()
    )
    with served() as server:
        place = Place(tmp_path, model, stories_writer(model), server)
        sentences = [f"{said.strip()}." for said in golden["text"].split(".") if said.strip()]
        place.data = place.notes([f"{said} {n}" for n in range(4) for said in sentences][:40])
        place.writer.spelling = "stripped"
        ran = place.command()
        assert ran.code == 0, ran.err
        _agree(evidence.load(place.out), place.here())


def test_a_second_audit_asks_about_no_text_again_and_sees_another_model(place: Place, tmp_path: Path) -> None:
    kept = tmp_path / "kept.npz"
    first = place.there(kept)
    count = len(place.server.seen)
    second = place.there(kept)
    assert first.endpoint is not None
    assert second.endpoint is not None
    assert second.endpoint.rows == 3 * 8
    assert len(place.server.seen) - count == 4, "a probe, the canary three times"
    assert second.endpoint.canary is not None
    assert not second.endpoint.canary.changed
    assert first.result_digest == second.result_digest
    place.server.echo = byte_writer(byte_llama(tmp_path / "other", seed=9, max_position_embeddings=64))
    swapped = place.there(kept).endpoint
    assert swapped is not None
    assert swapped.canary is not None
    assert swapped.canary.changed
    assert "another model answers under the same name" in swapped.canary.sentence


@pytest.mark.parametrize(
    ("methods", "said", "says"),
    [
        ("cost.inference", {}, "runs on this machine; this one, of format endpoint, does not"),
        (METHOD, {"limits": ("most_requests=6", "batch_rows=10")}, r"takes 9 requests; 5 of 6 are left"),
        (METHOD, {"limits": ("most_requests=10", "batch_rows=10")}, "limit of 10 requests is reached"),
        (METHOD, {"protocol": "openai_chat"}, "is asked over openai_completions"),
    ],
)
def test_what_cannot_be_asked_is_refused_and_nothing_is_written(
    place: Place, methods: str, said: dict[str, Any], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(place.folder / "home"))
    with pytest.raises(AssayError, match=says) as refused:
        run_audit(place.options(methods, **said))
    assert refused.value.message.endswith("Nothing was written.")
    assert not place.out.exists()


def test_a_server_without_echo_ends_the_command_with_what_is_lacking(place: Place) -> None:
    place.server.echo = None
    ran = place.command()
    assert ran.code == 2
    assert "(echo with logprobs)" in ran.err
    assert "Traceback" not in ran.err
    assert not place.out.exists()
