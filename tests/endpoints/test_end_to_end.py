"""The same model, executed here and asked at an address, measures the same; a swapped one is seen."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay import evidence
from assay.commands.audit import AuditOptions, run_audit
from assay.commands.endpoint import EndpointOptions
from assay.compare.matching import same_model
from assay.compare.runs import statements
from assay.contracts import (
    DataRequest,
    EndpointLimits,
    Evidence,
    FileRequest,
    InputColumn,
    ModelRequest,
    ModelSignature,
)
from assay.engine import AuditRequest, audit
from assay.errors import AssayError, BadInput, ChildFailed, LimitReached
from assay.runner.queries import reply
from assay.runner.supervisor import Supervisor
from tests.command import Ran, assay
from tests.endpoint_server import EndpointServer, served, status
from tests.endpoints.asked import TEXTS, asker, request
from tests.models.made import linear_folder, number, two_gaussians
from tests.support import write_csv

METHODS = "performance.classification,fairness.group_rates,robustness.noise"


class Place:
    """A linear model as a torch_folder and behind an address, and 120 rows."""

    def __init__(self, folder: Path, server: EndpointServer) -> None:
        self.folder, self.server = folder, server
        self.model = linear_folder(
            folder / "tiny", [number("x1", mean=1.0, scale=2.0), number("x2")], [3.0, 0.5]
        )
        said = json.loads((self.model / "signature.json").read_text())
        self.signature = folder / "signature.json"
        self.signature.write_text(json.dumps({**said, "output": "probability"}))
        self.data = write_csv(folder / "rows.csv", two_gaussians(120, 1))

    def command(self) -> Ran:
        """The real command, asking the endpoint."""
        data = ("--data", self.data, "--label", "label", "--sensitive", "sex", "--tier", "quick")
        named = ("--endpoint", self.server.url, "--endpoint-model", "tiny", "--signature", self.signature)
        more = ("--endpoint-limit", "requests_per_second=9999", "--allow-private", "--methods", METHODS)
        return assay(self.folder / "home", "audit", *data, *named, *more, "--out", self.folder / "asked")

    def options(self, methods: str = METHODS, *, limits: tuple[str, ...] = (), **more: Any) -> AuditOptions:
        """The same as options, in this process."""
        files = {"model": more.pop("model")} if isinstance(more.get("model"), Path) else {}
        named = EndpointOptions(
            self.server.url,
            **{"model": "tiny", "private": True, **more},
            limits=("requests_per_second=9999", *limits),
        )
        return AuditOptions(
            data=self.data,
            out=self.folder / "out",
            label="label",
            endpoint=named,
            signature=self.signature,
            methods=tuple(methods.split(",")),
            tier="quick",
            **files,
        )


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with served([3.0, 0.5]) as server:
        yield Place(tmp_path, server)


def test_executed_and_asked_the_same_model_measures_the_same(place: Place) -> None:
    asked = place.command()
    assert asked.code == 0, asked.err
    assert "the model was asked over HTTP (grade: endpoint)" in asked.out
    there = evidence.load(place.folder / "asked")
    data = DataRequest(
        test=FileRequest(path=str(place.data)),
        model=ModelRequest(path=str(place.model), device="cpu"),
        label="label",
        sensitive=("sex",),
    )
    with Supervisor(data) as supervisor:
        chosen = tuple(METHODS.split(","))
        here = audit(AuditRequest("t", (), chosen=chosen, tier="quick"), supervisor, _Silent())
    measured = {evidence.measure_key(m): m for m in here.measures}
    assert len(measured) > 30
    assert measured.keys() == {evidence.measure_key(m) for m in there.measures}
    for found in there.measures:
        expected = measured[evidence.measure_key(found)]
        assert (found.grade, expected.grade) == ("endpoint", "executed")
        assert found.status == expected.status
        for one, other in ((found.value, expected.value), (found.low, expected.low)):
            assert (one is None) == (other is None)
            assert one is None or one == pytest.approx(other, rel=1e-4, abs=1e-5), found.id
    record = there.endpoint
    assert record is not None
    assert record.requests == len(place.server.seen)
    assert record.answered_as == ("tiny version tiny-1",)
    assert record.canary is not None
    assert (record.canary.changed, record.canary.first) == (False, record.canary.last)
    html = (place.folder / "asked" / "report.html").read_text()
    for words in (
        "Open Inference Protocol v2",
        "tiny version tiny-1",
        "The model was asked through its endpoint",
    ):
        assert words in html


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"methods": "cost.inference"}, "runs on this machine; this one, of format endpoint, does not"),
        ({"limits": ("most_requests=6",)}, "The plan takes about"),
        ({"limits": ("most_requests=4", "batch_rows=8")}, "Asking about 144 rows"),
        ({"private": False}, r"is at 127\.0\.0\.1, which is no public address"),
        ({"limits": ("most_request=4",)}, 'Close to it: "most_requests"'),
        ({"limits": ("timeout=soon",)}, "has no number; write timeout=10"),
        ({"limits": ("most_spend=4",)}, "needs the price"),
        ({"key_env": "NOT_THERE"}, "names NOT_THERE, which is not set"),
        ({"protocol": "openai_chat"}, "is asked to classify texts"),
        ({"model": Path()}, "name two models"),
        ({"model": None}, "needs --endpoint-model"),
        ({"model": "../x"}, "name has an empty part or one of dots only"),
        ({"model": "x?y=1"}, "model: String should match"),
    ],
)
def test_what_cannot_be_asked_is_refused_and_nothing_is_written(
    place: Place, said: dict[str, Any], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(place.folder / "home"))
    with pytest.raises(AssayError, match=says) as refused:
        run_audit(place.options(**said))
    assert refused.value.message.endswith("Nothing was written.")
    assert refused.value.exit_code in (2, 3)
    assert not (place.folder / "out").exists()


def test_the_documented_example_is_within_the_limits_that_it_names(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(place.folder / "home"))
    text = (Path(__file__).parents[2] / "docs/formats.md").read_text()
    example = next(part for part in text.split("```") if "--endpoint-model loans" in part)
    given = re.search(r"most_requests=(\d+)", example)
    allowed = int(given[1]) if given else EndpointLimits().most_requests
    tier = re.search(r"--tier (\w+)", example)
    options = replace(place.options(limits=("most_requests=12",)), methods=None)
    with pytest.raises(BadInput) as refused:
        run_audit(replace(options, tier=tier[1] if tier else "standard"))
    takes = re.search(r"takes about ([\d,]+) requests", refused.value.message)
    assert takes is not None
    assert int(takes[1].replace(",", "")) < allowed / 2


def _audit(
    place: Place, signature: ModelSignature, *methods: str, text: str | None = None, **more: Any
) -> Evidence:
    asked = request(place.server, signature, **more)
    data = DataRequest(
        test=FileRequest(path=str(place.data)), model=ModelRequest(endpoint=asked), label="label", text=text
    )
    with Supervisor(data, asker=asker(asked)) as supervisor:
        return audit(AuditRequest("t", (), chosen=methods, tier="quick"), supervisor, _Silent())


class _Silent:
    def planned(self, plan: object, profile: object) -> None:
        pass

    def progress(self, doing: str, done: float) -> None:
        pass


def test_a_model_that_is_swapped_during_the_audit_is_noticed(place: Place) -> None:
    signature = ModelSignature.model_validate_json(place.signature.read_text())
    count = 0

    def swapped(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        nonlocal count
        count += 1
        place.server.weights[:] = [3.0, 0.5] if count < 6 else [-3.0, 0.5]
        return outputs

    place.server.outputs = swapped
    found = _audit(place, signature, "robustness.noise")
    assert found.endpoint is not None
    assert found.endpoint.canary is not None
    assert found.endpoint.canary.changed
    assert "changed between start and end" in found.endpoint.canary.sentence


def test_two_runs_at_one_address_are_of_one_model_only_if_it_answers_alike(place: Place) -> None:
    signature = ModelSignature.model_validate_json(place.signature.read_text())
    first, second = (_audit(place, signature, "performance.classification") for _ in range(2))
    assert same_model(first, second)
    assert any("got the same answers" in said for said in statements(first, second))
    place.server.weights[:] = [2.0, 0.5]
    swapped = _audit(place, signature, "performance.classification")
    assert not same_model(first, swapped)
    assert any("but another model answered" in said for said in statements(first, swapped))


def test_a_chat_is_audited_with_its_unmatched_answers_counted(place: Place) -> None:
    texts = [f"{'good' if n % 3 else 'bad'} day {n}" for n in range(60)]
    columns = {"text": texts, "label": ["good" if n % 3 else "bad" for n in range(60)]}
    place.data = write_csv(place.folder / "texts.csv", columns)
    place.server.answer = lambda text: (
        "no idea" if text.endswith("7") else "good" if "good" in text else "bad"
    )
    found = _audit(place, TEXTS, "performance.classification", text="text", protocol="openai_chat")
    assert (found.subject.grade, found.subject.signature.output) == ("endpoint", "label")
    accuracy = next(m for m in found.measures if m.id == "performance.accuracy")
    lost = [n for n in range(60) if str(n).endswith("7") and n % 3]
    assert accuracy.numerator == 60 - len(lost)
    assert any("6 of 60 answers" in note for note in found.subject.notes)
    assert found.endpoint is not None
    assert found.endpoint.tokens == 20 * found.endpoint.rows


def test_whole_numbers_and_words_column_by_column_lose_no_method(place: Place) -> None:
    age = InputColumn(name="age", kind="number", encoding="identity")
    colour = InputColumn(name="colour", kind="category", encoding="value", categories=("blue", "red"))
    signature = ModelSignature(
        task="binary", output="probability", classes=("no", "yes"), columns=(age, colour)
    )
    ages, colours = [20 + n % 40 for n in range(80)], ["red" if n % 3 else "blue" for n in range(80)]
    label = ["yes" if a > 40 else "no" for a in ages]
    place.data = write_csv(place.folder / "whole.csv", {"age": ages, "colour": colours, "label": label})
    place.server.weights, place.server.bias = np.array([0.2, 1.0]), -8.0
    place.server.columns = ("age", "colour")
    place.server.inputs = [
        {"name": "age", "datatype": "INT64", "shape": [-1]},
        {"name": "colour", "datatype": "BYTES", "shape": [-1]},
    ]
    found = _audit(place, signature, "explainability.lime", "robustness.noise", most_requests=100_000)
    assert {m.id.partition(".")[0] for m in found.measures} >= {"explainability", "robustness"}
    assert any("reads whole numbers (age)" in note for note in found.subject.notes)


def test_a_limit_that_is_reached_half_way_ends_the_audit_without_a_result(place: Place) -> None:
    signature = ModelSignature.model_validate_json(place.signature.read_text())
    # the estimate of requests is a lower bound, and knows nothing of attempts that failed
    place.server.outputs = lambda found: place.server.faults.extend([status(503)] * 2) or found
    with pytest.raises(LimitReached, match="limit of 9 requests is reached"):
        _audit(place, signature, "robustness.noise", most_requests=9, batch_rows=4096)
    assert len(place.server.seen) == 9


def test_a_child_without_an_endpoint_gets_no_answer() -> None:
    header, body = reply(None, {"kind": "query", "what": "rows"}, b"")
    assert (header["kind"], header["code"], body) == ("refused", ChildFailed.code, b"")


def test_a_model_behind_an_address_is_not_let_in_without_a_supervisor(place: Place) -> None:
    from assay.loading import load_model

    with pytest.raises(BadInput, match="asked by the supervisor"):
        load_model(ModelRequest(endpoint=request(place.server)))
