"""ONNX models answer as the models that they were made of; nothing but standard graphs gets to be run."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.svm import LinearSVC

from assay.contracts import InputColumn, ModelRequest, ModelSignature
from assay.errors import BadInput
from assay.intake.onnx_graph import check_onnx
from assay.intake.protobuf import BadProtobuf, ProtobufReader
from assay.loading import load_model
from assay.models.onnx import OnnxModel
from tests.hostile.onnx import model as hostile_model
from tests.models.boosted import JOBS, WORDS, frame, incomes, pipeline, save_onnx_pipeline
from tests.models.made import model_subject


def _load(path: Path, signature: ModelSignature | None = None) -> OnnxModel:
    given = None
    if signature is not None:
        given = path.with_name("own.json")
        given.write_text(signature.model_dump_json(by_alias=True))
    model = load_model(
        ModelRequest(path=str(path), device="cpu", signature=None if given is None else str(given))
    )
    assert isinstance(model, OnnxModel)
    return model


def _exported(path: Path, module: torch.nn.Module, *shape: int) -> Path:
    """As torch writes it, for any number of rows."""
    open_batch = ({0: torch.export.Dim("rows")},)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, about torch itself
        made = torch.onnx.export(
            module.eval(), (torch.zeros(2, *shape),), dynamo=True, verbose=False, dynamic_shapes=open_batch
        )
    assert made is not None
    made.save(path)
    return path


def _network(width: int = 3) -> torch.nn.Sequential:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, width))


def _written(path: Path, module: torch.nn.Sequential, last: str = "", rows: int | None = None) -> Path:
    """The same network, written by hand: `last` is an operator behind it, `rows` a fixed batch."""
    held = [
        onnx.numpy_helper.from_array(p.detach().numpy(), f"p{i}") for i, p in enumerate(module.parameters())
    ]
    end = "z" if last else "y"
    nodes = [
        helper.make_node("Gemm", ["x", "p0", "p1"], ["a"], transB=1),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Gemm", ["b", "p2", "p3"], [end], transB=1),
    ]
    if last:
        nodes.append(helper.make_node(last, ["z"], ["y"]))
    width = len(module[-1].bias)
    path.write_bytes(
        _graph(
            [_value("x", TensorProto.FLOAT, [rows, 2])],
            [_value("y", TensorProto.FLOAT, [rows, width])],
            nodes,
            held,
        )
    )
    return path


def _graph(inputs: list[Any], outputs: list[Any], nodes: list[Any], held: list[Any] | None = None) -> bytes:
    graph = helper.make_graph(nodes, "g", inputs, outputs, held or [])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return bytes(made.SerializeToString())


def _value(name: str, element: int, shape: list[Any]) -> Any:
    return helper.make_tensor_value_info(name, element, shape)


def _columns(*names: str) -> tuple[InputColumn, ...]:
    return tuple(InputColumn(name=name, kind="number", encoding="identity") for name in names)


def test_a_pipeline_of_words_and_numbers_has_one_input_a_column(tmp_path: Path) -> None:
    table = incomes()
    fitted = pipeline(table)
    path = save_onnx_pipeline(tmp_path / "m.onnx", fitted)
    with pytest.raises(BadInput, match=r'reads words through "job".*"encoding": "value"'):
        _load(path)
    codes = [JOBS.index(job) for job in table["job"]]
    rows = np.stack([codes, table["hours"], table["age"]], axis=1)
    model = _load(path, WORDS)
    np.testing.assert_allclose(model.scores(rows), fitted.predict_proba(frame(table)), atol=1e-5)
    turned = _load(path, WORDS.model_copy(update={"classes": ("more", "less")}))
    np.testing.assert_allclose(turned.scores(rows), model.scores(rows)[:, ::-1])
    labels = _load(path, WORDS.model_copy(update={"output": "label"}))
    assert (labels.decide(labels.scores(rows)) == (fitted.predict(frame(table)) == "more")).all()
    subject = model_subject(tmp_path, _beside(tmp_path, path), table, label="income")
    score = subject.profile.roles.score
    assert score is not None
    read = np.concatenate([batch.numbers(score) for batch in subject.dataset("test").batches([score])])
    np.testing.assert_allclose(read, model.scores(rows)[:, 1], atol=1e-9)


def _beside(tmp_path: Path, path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(path.read_bytes())
    (folder / "signature.json").write_text(WORDS.model_dump_json(by_alias=True))
    return folder


@pytest.mark.parametrize("zipmap", [True, False])
def test_a_forest_gives_its_classes_and_probabilities(tmp_path: Path, zipmap: bool) -> None:
    from skl2onnx import to_onnx

    rng = np.random.default_rng(0)
    rows = rng.normal(size=(150, 2)).astype(np.float32)
    fitted = RandomForestClassifier(5, max_depth=3, random_state=0).fit(
        rows, rng.choice(["x", "y", "z"], 150)
    )
    made = to_onnx(fitted, rows[:1], options={"zipmap": zipmap})
    (tmp_path / "m.onnx").write_bytes(made.SerializeToString())
    model = _load(tmp_path / "m.onnx")
    assert (model.signature.output, model.signature.classes) == ("probability", ("x", "y", "z"))
    assert any("rows sum to 1: probabilities" in note for note in model.notes)
    np.testing.assert_allclose(model.scores(rows), fitted.predict_proba(rows), atol=1e-5)
    assert model.facts.parameters > 0


def test_regressions_and_margins_of_scikit_learn(tmp_path: Path) -> None:
    from skl2onnx import to_onnx

    rng = np.random.default_rng(0)
    rows = rng.normal(size=(150, 2)).astype(np.float32)
    forest = RandomForestRegressor(5, max_depth=3, random_state=0).fit(rows, rows[:, 0])
    (tmp_path / "m.onnx").write_bytes(to_onnx(forest, rows[:1]).SerializeToString())
    model = _load(tmp_path / "m.onnx")
    assert model.signature.task == "regression"
    np.testing.assert_allclose(model.scores(rows)[:, 0], forest.predict(rows), atol=1e-5)
    words = np.where(rows[:, 0] > 0, "approve", "deny")
    two = LinearSVC().fit(rows, words)
    (tmp_path / "m.onnx").write_bytes(to_onnx(two, rows[:1]).SerializeToString())
    model = _load(tmp_path / "m.onnx")
    said = model.signature
    assert (said.output, said.classes, said.threshold) == ("score", ("approve", "deny"), 0.0)
    np.testing.assert_allclose(model.scores(rows)[:, 0], two.decision_function(rows), atol=1e-5)
    svc = LinearSVC().fit(rows, rng.integers(0, 3, 150))
    (tmp_path / "m.onnx").write_bytes(to_onnx(svc, rows[:1]).SerializeToString())
    model = _load(tmp_path / "m.onnx")
    assert model.signature.output == "logit"
    np.testing.assert_allclose(model.raw_outputs(rows), svc.decision_function(rows), atol=1e-5)


def test_a_network_gives_logits_probabilities_or_a_number(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).normal(size=(50, 2))
    given = torch.tensor(rows, dtype=torch.float32)
    for last, width, output, columns in (
        ("", 3, "logit", 3),
        ("Softmax", 3, "probability", 3),
        ("Sigmoid", 1, "probability", 2),
        ("", 1, "score", 1),
    ):
        module = _network(width)
        model = _load(_written(tmp_path / "m.onnx", module, last))
        assert (model.signature.output, model.outputs) == (output, columns)
        expected = module(given)
        if last:
            expected = expected.softmax(1) if last == "Softmax" else expected.sigmoid()
        found = model.raw_outputs(rows)[:, -width:]
        np.testing.assert_allclose(found, expected.detach().numpy(), atol=1e-5)
    assert model.signature.task == "regression"


def test_pictures_through_torchs_own_export_are_scaled_by_the_signature(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(4 * 36, 2)
    )
    path = _exported(tmp_path / "m.onnx", module, 1, 8, 8)
    model = _load(path)
    assert model.signature.image is not None
    pictures = np.random.default_rng(0).random((7, 1, 8, 8), dtype=np.float32)
    expected = module(torch.tensor(pictures)).detach().numpy()
    np.testing.assert_allclose(model.raw_outputs(pictures), expected, atol=1e-5)
    image = model.signature.image.model_copy(update={"mean": (0.5,), "scale": (0.25,)})
    scaled = _load(path, model.signature.model_copy(update={"image": image}))
    expected = module(torch.tensor((pictures - 0.5) / 0.25)).detach().numpy()
    np.testing.assert_allclose(scaled.raw_outputs(pictures), expected, atol=1e-5)


def test_a_fixed_batch_is_filled_up(tmp_path: Path) -> None:
    module = _network()
    model = _load(_written(tmp_path / "m.onnx", module, rows=4))
    assert any("takes exactly 4 rows at once" in note for note in model.notes)
    rows = np.random.default_rng(1).normal(size=(11, 2))
    expected = module(torch.tensor(rows, dtype=torch.float32)).detach().numpy()
    np.testing.assert_allclose(model.raw_outputs(rows), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("value", "part"),
    [
        (_value("input_ids", TensorProto.INT64, [None, None]), r"reads token ids.*save_pretrained"),
        (_value("x", TensorProto.FLOAT, [None, 5, 3]), r"any × 5 × 3.*what is audited takes"),
        (_value("x", TensorProto.COMPLEX64, [None, 3]), "as complex64"),
        (_value("x", TensorProto.FLOAT, [None, None]), "must name its columns"),
        (_value("x", TensorProto.FLOAT, [None, 3, None, None]), "must say their size"),
    ],
)
def test_inputs_that_are_not_audited_are_told_in_a_sentence(tmp_path: Path, value: Any, part: str) -> None:
    node = helper.make_node("Identity", [value.name], ["y"])
    out = _value("y", value.type.tensor_type.elem_type, [None, None])
    (tmp_path / "m.onnx").write_bytes(_graph([value], [out], [node]))
    with pytest.raises(BadInput, match=part):
        _load(tmp_path / "m.onnx")


def test_whole_numbers_are_rounded_and_missing_ones_refused(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", ["n"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Concat", ["f", "x"], ["y"], axis=1),
    ]
    inputs = [_value("n", TensorProto.INT64, [None, 1]), _value("x", TensorProto.FLOAT, [None, 1])]
    (tmp_path / "m.onnx").write_bytes(_graph(inputs, [_value("y", TensorProto.FLOAT, [None, 2])], nodes))
    model = _load(tmp_path / "m.onnx")
    assert [column.integer for column in model.signature.columns] == [True, False]
    np.testing.assert_allclose(model.raw_outputs(np.array([[2.2, 0.5]])), [[2.0, 0.5]])
    with pytest.raises(BadInput, match=r'takes "n" as whole numbers.*missing or unknown'):
        model.raw_outputs(np.array([[np.nan, 0.5]]))


@pytest.mark.parametrize(
    ("update", "part"),
    [
        ({"columns": _columns("a")}, "reads 2 numbers a row; its signature's columns become 1"),
        ({"columns": (), "text": {"max_length": 8}}, "its signature describes text data"),
        ({"columns": (*_columns("a"), WORDS.columns[0])}, "takes all its columns as one array of float"),
        ({"classes": ("a", "b", "c", "d"), "task": "multiclass"}, "gives 2 numbers a row"),
    ],
)
def test_a_signature_that_does_not_fit_is_refused(tmp_path: Path, update: dict[str, Any], part: str) -> None:
    (tmp_path / "m.onnx").write_bytes(hostile_model().SerializeToString())
    fits = {"task": "binary", "output": "logit", "classes": ("no", "yes"), "columns": _columns("a", "b")}
    own = ModelSignature.model_validate({**fits, **update})
    with pytest.raises(BadInput, match=part):
        _load(tmp_path / "m.onnx", own).scores(np.zeros((2, 2)))


def test_a_size_beyond_memory_is_one_sentence_and_the_session_lives_on(tmp_path: Path) -> None:
    """Each row asks for a terabyte: batches are halved down to one row, which is too much still."""
    shape = helper.make_tensor("s", TensorProto.INT64, [2], [500_000, 500_000])
    nodes = [
        helper.make_node("Identity", ["s"], ["t"]),
        helper.make_node("ConstantOfShape", ["t"], ["c"]),
        helper.make_node("ReduceSum", ["c"], ["r"], keepdims=0),
        helper.make_node("Add", ["x", "r"], ["y"]),
    ]
    made = hostile_model(nodes, [shape])
    own = ModelSignature(task="binary", output="logit", classes=("0", "1"), columns=_columns("a", "b"))
    (tmp_path / "m.onnx").write_bytes(made.SerializeToString())
    with pytest.raises(BadInput, match=r"needs more memory for a single row|cannot be run"):
        _load(tmp_path / "m.onnx", own).scores(np.zeros((2, 2)))
    (tmp_path / "m.onnx").write_bytes(hostile_model().SerializeToString())
    assert _load(tmp_path / "m.onnx", own).raw_outputs(np.ones((1, 2))).tolist() == [[4.0, 6.0]]


_SCHEMA = {"m": {1: ("name", "text"), 7: ("floats", "floats"), 8: ("ints", "ints"), 20: ("kind", "int")}}


@pytest.mark.parametrize("count", [1, 63, 64, 65, 5_000])
def test_repeated_numbers_are_read_as_protobuf_wrote_them(count: int) -> None:
    rng = np.random.default_rng(count)
    ints = rng.integers(-(2**62), 2**62, count) >> rng.integers(0, 62, count)
    floats = rng.normal(size=count).astype(np.float32)
    for values in (ints, floats):
        written = helper.make_attribute("x", values.tolist()).SerializeToString()
        found = ProtobufReader(_SCHEMA, fields=10**6, depth=2).read(memoryview(written), "m")
        np.testing.assert_array_equal(found["ints" if values is ints else "floats"], values)
    packed = onnx.TensorProto(dims=[1, 2, 3], float_data=[0.5, 1.5], int64_data=[-1, 2**40])
    schema = {"t": {1: ("dims", "ints"), 4: ("f", "floats"), 7: ("i", "ints")}}
    found = ProtobufReader(schema, fields=99, depth=2).read(memoryview(packed.SerializeToString()), "t")
    assert [found[key].tolist() for key in ("dims", "f", "i")] == [[1, 2, 3], [0.5, 1.5], [-1, 2**40]]


def test_every_cut_and_every_changed_byte_is_read_or_refused(tmp_path: Path) -> None:
    """Fuzz of the reader: a sentence or a model, never another error."""
    whole = hostile_model().SerializeToString()
    path = tmp_path / "m.onnx"
    rng = np.random.default_rng(0)
    changed = [whole[:cut] for cut in range(len(whole))]
    for place in rng.integers(0, len(whole), 250):
        changed.append(whole[:place] + bytes([rng.integers(0, 256)]) + whole[place + 1 :])
    said: list[str] = []
    for content in changed:
        path.write_bytes(content)
        try:
            check_onnx(path, "m.onnx")
        except BadInput as error:
            said.append(error.message)
    assert len(said) > len(whole)
    assert not [message for message in said if "\n" in message or not message.endswith(".")]
    with pytest.raises(BadProtobuf, match="more fields than are read"):
        ProtobufReader(_SCHEMA, fields=1, depth=2).read(memoryview(b"\xa0\x01\x01\xa0\x01\x01"), "m")
