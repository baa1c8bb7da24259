"""Canonical JSON, digests, and reading evidence back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assay.contracts import Measure, MeasureSpec, MethodSpec
from assay.errors import NotAReport
from assay.evidence import canonical, digest, json_schema, loads, measure_key, result_digest

SCHEMA = Path(__file__).parents[1] / "docs" / "schema" / "evidence-1.json"


def measure(**changes: object) -> Measure:
    fields = {
        "id": "performance.accuracy",
        "value": 0.5,
        "n": 10,
        "unit": "share",
        "direction": "higher",
        "status": "measured",
        "grade": "supplied",
    }
    return Measure.model_validate({**fields, **changes})


def method(deterministic: bool = True) -> MethodSpec:
    spec = MeasureSpec(
        id="performance.accuracy",
        title="accuracy",
        unit="share",
        direction="higher",
        judging="single",
        description="Share of rows predicted right.",
    )
    return MethodSpec(
        id="performance.classification",
        version="1",
        title="Classification",
        pillar="performance",
        summary="",
        needs=(),
        tasks=("binary",),
        measures=(spec,),
        deterministic=deterministic,
    )


def test_canonical_json_agrees_with_the_example_of_rfc_8785() -> None:
    # RFC 8785, section 3.2.2: numbers and literals.
    value = {"numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 1e-27], "literals": [None, True, False]}
    expected = b'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27]}'
    assert canonical(value) == expected


def test_the_digest_of_an_empty_object_is_the_sha256_of_its_two_bytes() -> None:
    assert digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def test_the_key_of_a_measure_ignores_its_value_and_knows_its_slice() -> None:
    assert measure_key(measure()) == measure_key(measure(value=0.7))
    assert measure_key(measure()) != measure_key(measure(slice={"sex": "F"}))
    assert measure_key(measure()) != measure_key(measure(at={"threshold": 0.5}))


def test_the_result_digest_ignores_order_timings_and_random_methods() -> None:
    a, b = measure(), measure(slice={"sex": "F"})
    assert result_digest([a, b], [method()]) == result_digest([b, a], [method()])
    assert result_digest([a, measure(at={"t": 1}, volatile=True)], [method()]) == result_digest(
        [a], [method()]
    )
    assert result_digest([a], [method(deterministic=False)]) == result_digest([], [method()])
    assert result_digest([a], [method()]) != result_digest([measure(value=0.5001)], [method()])


def test_last_bits_of_a_sum_do_not_change_a_measure() -> None:
    assert measure(value=0.1 + 0.2) == measure(value=0.3)


def test_a_measure_without_a_value_must_say_why() -> None:
    with pytest.raises(ValueError, match="value must be present"):
        measure(value=None)
    assert measure(value=None, status="insufficient").value is None
    with pytest.raises(ValueError, match="above high"):
        measure(low=0.6, high=0.4)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"schema": "assay.evidence/2"}',
        b'{"schema": "assay.evidence/1"}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_evidence_is_refused_in_one_sentence(data: bytes) -> None:
    with pytest.raises(NotAReport) as caught:
        loads(data)
    assert caught.value.message.endswith(".")
    assert "\n" not in caught.value.message


def test_the_published_schema_is_the_contract() -> None:
    assert json.loads(SCHEMA.read_text()) == json_schema(), "run: python -m tests.write_schema"
