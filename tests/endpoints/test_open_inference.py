"""Rows become the tensors that the metadata lists, and the tensors that come back become outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from assay.contracts import ImageInput, InputColumn, ModelSignature
from assay.errors import BadInput
from tests.endpoint_server import served, status
from tests.endpoints.asked import NUMBERS, asker, outputs, request

ROWS = np.array([[1.0, 2.0], [0.5, -1.0]])


def test_rows_go_as_one_encoded_tensor_in_batches() -> None:
    column = InputColumn(name="x1", kind="number", encoding="standard", mean=1.0, scale=2.0)
    colour = InputColumn(name="colour", kind="category", encoding="one_hot", categories=("red", "blue"))
    signature = NUMBERS.model_copy(update={"columns": (column, colour)})
    rows = np.array([[3.0, 0.0], [np.nan, 1.0], [1.0, np.nan]])
    with served([1.0, 2.0, 3.0]) as server:
        found = outputs(asker(request(server, signature, batch_rows=2)), rows)
        sent = [body["inputs"][0] for method, _, _, body in server.seen if method == "POST"]
    assert [tensor["shape"] for tensor in sent] == [[2, 3], [1, 3]]
    assert sent[0] == {"name": "x", "shape": [2, 3], "datatype": "FP32", "data": [1, 1, 0, 0, 0, 1]}
    np.testing.assert_allclose(found[:, 1], 1 / (1 + np.exp(-np.array([3.0, 3.0, 0.0]))))


def test_rows_go_as_one_tensor_a_column_where_the_inputs_are_named_so() -> None:
    age = InputColumn(name="age", kind="number", encoding="identity")
    colour = InputColumn(name="colour", kind="category", encoding="code", categories=("blue", "red"))
    signature = NUMBERS.model_copy(update={"columns": (age, colour)})
    with served([0.1, 1.0]) as server:
        server.columns = ("age", "colour")
        server.inputs = [
            {"name": "colour", "datatype": "BYTES", "shape": [-1, 1]},
            {"name": "age", "datatype": "INT64", "shape": [-1]},
        ]
        found = asker(request(server, signature))
        got = outputs(found, np.array([[40.0, 1.0], [20.0, 0.0]]))
        sent = {tensor["name"]: tensor for tensor in server.seen[-1][3]["inputs"]}
        with pytest.raises(BadInput, match=r'INT64 in column "age", but a value there is no whole number'):
            outputs(found, np.array([[40.5, 1.0]]))
        with pytest.raises(BadInput, match=r'missing number in column "age" cannot be sent'):
            outputs(found, np.array([[np.nan, 1.0]]))
    assert sent["age"] == {"name": "age", "shape": [2], "datatype": "INT64", "data": [40, 20]}
    assert sent["colour"] == {"name": "colour", "shape": [2, 1], "datatype": "BYTES", "data": ["red", "blue"]}
    np.testing.assert_allclose(got[:, 1], 1 / (1 + np.exp(-np.array([5.0, 2.0]))))


_MODERN = [
    ("UINT8", 300.0, r"UINT8 in column \"x1\", which holds 0 to 255; 300 is beyond"),
    ("UINT8", -1.0, "-1 is beyond"),
    ("FP16", 1e6, r"which holds -65504 to 65504; 1e\+06 is beyond"),
    ("FP32", 1e39, r"1e\+39 is beyond"),
    ("INT64", 1e19, r"1e\+19 is beyond"),
]


@pytest.mark.parametrize(("datatype", "value", "says"), _MODERN)
def test_a_number_that_its_datatype_does_not_hold_is_refused(datatype: str, value: float, says: str) -> None:
    with served() as server:
        server.inputs = [{"name": name, "datatype": datatype, "shape": [-1]} for name in ("x1", "x2")]
        with pytest.raises(BadInput, match=says):
            outputs(asker(request(server)), np.array([[value, 0.0]]))
        assert all(method == "GET" for method, _, _, _ in server.seen)


def test_what_methods_make_up_is_rounded_where_whole_numbers_are_read() -> None:
    with served() as server:
        server.columns = ("x1", "x2")
        server.inputs = [
            {"name": "x1", "datatype": "INT64", "shape": [-1]},
            {"name": "x2", "datatype": "UINT8", "shape": [-1]},
        ]
        found = asker(request(server))
        said, _ = found.answer({"what": "describe"}, {})
        found.reading = False  # from now on a method asks
        found.answer({"what": "rows", "rows": 2}, {"rows": np.array([[40.6, -3.2], [1e30, 300.0]])})
        sent = {tensor["name"]: tensor["data"] for tensor in server.seen[-1][3]["inputs"]}
    assert sent["x2"] == [0, 255]
    assert sent["x1"][0] == 41
    assert 2**62 < sent["x1"][1] < 2**63
    assert said["notes"] == [
        "The endpoint reads whole numbers (x1, x2): a fraction that a method makes up is rounded there."
    ]


def test_words_go_as_they_are_one_tensor_a_column() -> None:
    colour = InputColumn(name="colour", kind="category", encoding="value", categories=("blue", "red"))
    age = InputColumn(name="age", kind="number", encoding="identity")
    signature = NUMBERS.model_copy(update={"columns": (age, colour)})
    with served([0.1, 1.0]) as server:
        with pytest.raises(BadInput, match=r'encoding "value", but .* Words go there as one tensor a column'):
            asker(request(server, signature)).answer({"what": "describe"}, {})
        server.columns = ("age", "colour")
        server.inputs = [
            {"name": "colour", "datatype": "BYTES", "shape": [-1]},
            {"name": "age", "datatype": "FP32", "shape": [-1]},
        ]
        got = outputs(asker(request(server, signature)), np.array([[40.0, 1.0], [20.0, 0.0]]))
        assert server.seen[-1][3]["inputs"][1]["data"] == ["red", "blue"]
    np.testing.assert_allclose(got[:, 1], 1 / (1 + np.exp(-np.array([5.0, 2.0]))))


def test_a_models_version_can_be_named() -> None:
    with served() as server:
        asked = request(server).model_copy(update={"model": "a/b/versions/3"})
        server.faults = [status(404)]
        with pytest.raises(BadInput):
            asker(asked).answer({"what": "describe"}, {})
        assert server.seen[0][1] == "/v2/models/a%2Fb/versions/3"


def test_pictures_go_normalised_in_channels_first_order() -> None:
    image = ImageInput(channels=1, height=1, width=2, mean=(0.5,), scale=(0.25,))
    signature = ModelSignature(task="binary", output="probability", classes=("a", "b"), image=image)
    with served() as server:
        server.inputs = [{"name": "pixels", "datatype": "FP32", "shape": [-1, 1, 1, 2]}]
        found = outputs(asker(request(server, signature)), np.full((3, 1, 1, 2), 1.0, np.float32))
        sent = server.seen[-1][3]["inputs"][0]
    assert sent["shape"] == [3, 1, 1, 2]
    assert sent["data"] == [2.0] * 6
    np.testing.assert_allclose(found, [[0.5, 0.5]] * 3)


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        (
            [{"name": "x", "datatype": "FP32", "shape": [-1, 5]}],
            r"\[-1, 5\]; by the signature a row is \[2\]",
        ),
        ([{"name": "x", "datatype": "BYTES", "shape": [-1, 2]}], "by the signature"),
        ([{"name": n, "datatype": "FP32", "shape": [-1]} for n in ("x1", "other")], "neither one for the"),
        ([{"name": "x", "datatype": "FP32", "shape": "wide"}], "no way that the protocol knows"),
        (["x"], "no way that the protocol knows"),
    ],
)
def test_metadata_that_does_not_fit_the_signature_is_refused_by_what_it_says(
    inputs: list[Any], says: str
) -> None:
    with served() as server:
        server.inputs = inputs
        with pytest.raises(Exception, match=says):
            asker(request(server)).answer({"what": "describe"}, {})


def _tensor(name: str, datatype: str, data: list[Any], width: int = 1) -> dict[str, Any]:
    shape = [len(data) // width] if width == 1 else [len(data) // width, width]
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


@pytest.mark.parametrize(
    ("output", "sent", "expected"),
    [
        ("probability", [_tensor("p", "FP32", [0.25, 0.75])], [[0.75, 0.25], [0.25, 0.75]]),
        ("logit", [_tensor("z", "FP64", [1.0, -2.0])], [[0, 1], [0, -2]]),
        ("score", [_tensor("value", "FP64", [3.5, -2.0])], [[3.5], [-2.0]]),
        ("label", [_tensor("label", "BYTES", ["yes", "No"])], [[0, 1], [1, 0]]),
        ("label", [_tensor("label", "INT64", [1, 0])], [[0, 1], [1, 0]]),
        (
            "probability",
            [_tensor("label", "INT64", [1, 0]), _tensor("probabilities", "FP32", [0.1, 0.9, 0.6, 0.4], 2)],
            [[0.1, 0.9], [0.6, 0.4]],
        ),
        (
            "probability",
            [_tensor("embedding", "FP32", [9, 9, 9, 9], 2), _tensor("probs", "FP32", [0, 1, 1, 0], 2)],
            [[0, 1], [1, 0]],
        ),
    ],
)
def test_the_output_that_the_signature_describes_is_found(
    output: str, sent: list[dict[str, Any]], expected: list[list[float]]
) -> None:
    update: dict[str, Any] = {"output": output}
    if output == "score":
        update |= {"task": "regression", "classes": ()}
    with served() as server:
        server.outputs = lambda _found: sent
        found = outputs(asker(request(server, NUMBERS.model_copy(update=update))), ROWS)
    np.testing.assert_allclose(found, expected)


def test_a_label_that_is_no_class_is_refused_by_name() -> None:
    with served() as server:
        server.outputs = lambda _found: [_tensor("label", "BYTES", ["yes", "maybe"])]
        with pytest.raises(BadInput, match='"maybe", which is none of'):
            outputs(asker(request(server, NUMBERS.model_copy(update={"output": "label"}))), ROWS)
