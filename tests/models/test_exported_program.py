"""Exported programs are written anew before torch loads them, and then answer as the networks did."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from assay.contracts import InputColumn, ModelRequest, ModelSignature
from assay.errors import BadInput
from assay.intake.exported_archive import read_program
from assay.intake.exported_json import BadProgram
from assay.intake.exported_operators import OPERATORS, allowed
from assay.intake.exported_sizes import Symbols
from assay.intake.gate import Surroundings
from assay.loading import load_model
from assay.models.architectures import build
from assay.models.exported_program import FORMAT, ExportedNetwork
from tests.hostile.exported_program import GRAPH, document, honest
from tests.hostile.torch_checkpoint import Touch, saved
from tests.hostile.zips import edited


class Attentive(nn.Module):
    """Attention, chunks, sizes computed on the way, -inf as a number, a constant made in forward."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        rows = images.shape[0]
        seen = self.encoder(images.view(rows, 8, 8)).mean(1)
        first, second = torch.chunk(seen, 2, dim=1)
        best, _ = seen.max(1)
        zeros = torch.zeros(rows * 2, 1, device=images.device).view(rows, 2).sum(1, keepdim=True)
        capped = self.head(seen).masked_fill(seen[:, :3] > 1.5, float("-inf")).clamp(min=-9.0)
        mixed = functional.gelu(torch.cat([first, second], 1), approximate="tanh")[:, :3]
        return capped + mixed + best[:, None] + zeros + torch.tensor([1.0, 2.0, 3.0])


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "cnn": lambda: build("cnn", {"channels": 1, "height": 8, "width": 8, "widths": (4, 6), "hidden": 9}),
    "lstm": lambda: build("lstm", {"features": 8, "hidden": 6, "layers": 2, "outputs": 3}),
    "gru": lambda: build("gru", {"features": 8, "hidden": 6, "outputs": 3}),
    "attention": Attentive,
}


def exported(module: nn.Module, example: torch.Tensor, *, fixed: bool = False) -> bytes:
    rows = {} if fixed else {0: torch.export.Dim.DYNAMIC}
    program = torch.export.export(module.eval(), (example,), dynamic_shapes=(rows,))
    sink = io.BytesIO()
    torch.export.save(program, sink)
    return sink.getvalue()


def taken_in(path: Path, scratch: Path, signature: ModelSignature | None = None) -> ExportedNetwork:
    told = None
    if signature is not None:
        told = scratch / "told.json"
        told.write_text(signature.model_dump_json(by_alias=True))
    request = ModelRequest(path=str(path), device="cpu", signature=str(told) if told else None)
    found = load_model(request, Surroundings(contained=True, scratch=scratch))
    assert isinstance(found, ExportedNetwork)
    return found


@pytest.mark.filterwarnings("ignore:The tensor attributes:UserWarning")
@pytest.mark.parametrize("name", NETWORKS)
def test_it_answers_and_differentiates_as_the_network_did(tmp_path: Path, name: str) -> None:
    torch.manual_seed(5)
    module = NETWORKS[name]()
    path = tmp_path / "net.pt2"
    path.write_bytes(exported(module, torch.zeros(2, 1, 8, 8)))
    found = taken_in(path, tmp_path)
    assert {"query", "gradients", "weights", "probabilities"} <= set(found.capabilities)
    assert not {"trainable", "layers"} & set(found.capabilities)
    assert found.facts.parameters == sum(weight.numel() for weight in module.parameters())
    for rows in (1, 7):
        images = torch.rand(rows, 1, 8, 8, generator=torch.Generator().manual_seed(rows))
        expected = module(images)
        np.testing.assert_allclose(found.raw_outputs(images.numpy()), expected.detach().numpy(), atol=1e-6)
        one, other = images.clone().requires_grad_(True), images.clone().requires_grad_(True)
        module(one)[:, 0].sum().backward()
        found.logits(other)[:, 0].sum().backward()
        assert one.grad is not None
        assert one.grad.abs().sum() > 0
        torch.testing.assert_close(other.grad, one.grad)


def test_a_fixed_number_of_rows_is_filled_up_and_it_is_said(tmp_path: Path) -> None:
    module = build("mlp", {"inputs": 3, "hidden": (4,), "outputs": 2}).eval()
    (tmp_path / "net.pt2").write_bytes(exported(module, torch.zeros(4, 3), fixed=True))
    found = taken_in(tmp_path / "net.pt2", tmp_path)
    assert any("takes 4 rows at a time" in note for note in found.notes)
    rows = np.random.default_rng(0).normal(size=(11, 3)).astype(np.float32)
    expected = module(torch.from_numpy(rows)).detach().numpy()
    np.testing.assert_allclose(found.raw_outputs(rows), expected, atol=1e-6)


def test_what_torch_would_run_is_left_out_and_nothing_runs(tmp_path: Path) -> None:
    """Sample inputs that unpickle, guards that execute, tree specs that import, names with code."""
    touch = f"__import__('pathlib').Path({str(tmp_path / 'RAN')!r}).touch()"
    found = document()
    module = found["graph_module"]
    enum = json.dumps({"__enum__": True, "fqn": "tests.hostile.exported_program:honest", "name": "x"})
    for call in module["module_call_graph"]:
        if call["signature"] is not None:
            call["signature"]["in_spec"] = json.dumps([1, {"type": "builtins.dict", "context": enum}])
            call["signature"]["forward_arg_names"] = [f"rows={touch}"]
    found["guards_code"] = [touch]
    found["verifiers"] = ["../../evil"]
    module["metadata"] = {"custom": touch}
    module["graph"]["nodes"][0]["metadata"] = {"source_fn_stack": "x,torch.hub.load", "from_node": "["}
    text = json.dumps(found).replace('"relu"', json.dumps(f"relu\n{touch}\n"))
    changed = {GRAPH: text.encode(), "*/data/sample_inputs/model.pt": saved(Touch(tmp_path))}
    (tmp_path / "net.pt2").write_bytes(edited(honest(), changed))
    model = taken_in(tmp_path / "net.pt2", tmp_path)
    assert model.raw_outputs(np.zeros((3, 3), np.float32)).shape == (3, 2)
    assert not (tmp_path / "RAN").exists()
    cleaned = next((tmp_path / "cleaned").rglob("model.pt2")).read_bytes()
    for part in ("RAN", "pathlib", "hub", "evil", "layer.weight", "relu\\n"):
        assert part in text
        assert part.encode() not in cleaned


def test_cleaning_is_a_fixed_point_and_the_same_every_time(tmp_path: Path) -> None:
    (tmp_path / "net.pt2").write_bytes(honest())
    once = read_program(tmp_path / "net.pt2", "net.pt2").archive
    assert read_program(tmp_path / "net.pt2", "net.pt2").archive == once
    (tmp_path / "again.pt2").write_bytes(once)
    again = read_program(tmp_path / "again.pt2", "again.pt2")
    assert again.archive == once
    with zipfile.ZipFile(io.BytesIO(once)) as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.read("model/data/sample_inputs/model.pt") == b""
    assert torch.export.load(io.BytesIO(once)).example_inputs is None


def test_loading_writes_it_anew_once_more_whatever_lies_there(tmp_path: Path) -> None:
    """A folder that somebody says was cleaned is not believed."""
    folder = tmp_path / "kept"
    folder.mkdir()
    changed = {"*/data/sample_inputs/model.pt": saved(Touch(tmp_path))}
    (folder / "model.pt2").write_bytes(edited(honest(), changed))
    columns = tuple(InputColumn(name=name, kind="number", encoding="identity") for name in "abc")
    signature = ModelSignature(task="binary", output="logit", classes=("no", "yes"), columns=columns)
    (folder / "signature.json").write_text(signature.model_dump_json(by_alias=True))
    assert FORMAT.load(folder, None, "cpu").signature == signature
    assert not (tmp_path / "RAN").exists()


@pytest.mark.parametrize(
    ("told", "part"),
    [
        ({"columns": 2}, "reads rows x 3; its signature describes rows x 2"),
        ({"columns": 3, "classes": ("a", "b", "c")}, r"gives 2 x 2 for two rows.*3 outputs a row"),
        ({"columns": 3, "output": "probability"}, None),
    ],
)
def test_a_signature_must_fit_the_program(tmp_path: Path, told: dict[str, Any], part: str | None) -> None:
    (tmp_path / "net.pt2").write_bytes(honest())
    classes = told.get("classes", ("a", "b"))
    signature = ModelSignature.model_validate(
        {
            "task": "binary" if len(classes) == 2 else "multiclass",
            "output": told.get("output", "logit"),
            "classes": classes,
            "columns": [
                {"name": f"x{place}", "kind": "number", "encoding": "identity"}
                for place in range(told["columns"])
            ],
        }
    )
    if part is None:
        assert taken_in(tmp_path / "net.pt2", tmp_path, signature).signature.output == "probability"
        return
    with pytest.raises(BadInput, match=part):
        taken_in(tmp_path / "net.pt2", tmp_path, signature)


def test_a_softmax_at_the_end_is_taken_for_probabilities(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(3, 2), nn.Softmax(dim=1))
    (tmp_path / "net.pt2").write_bytes(exported(module, torch.zeros(2, 3)))
    found = taken_in(tmp_path / "net.pt2", tmp_path)
    assert found.signature.output == "probability"
    assert found.facts.gate is not None
    assert any("taken for a probability" in sentence for sentence in found.facts.gate.cleaning)


class _Two(nn.Module):
    def forward(self, rows: torch.Tensor, more: torch.Tensor) -> torch.Tensor:
        return rows + more


class _Pair(nn.Module):
    def forward(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return rows + 1, rows - 1


@pytest.mark.parametrize(
    ("module", "examples", "part"),
    [
        (_Two(), 2, "takes 2 tensors as input"),
        (_Pair(), 1, "answers with 2 values"),
        (nn.Linear(3, 1), 1, "answers rows x 1, which does not tell what it means.*--signature"),
    ],
)
def test_programs_of_another_shape_are_refused(
    tmp_path: Path, module: nn.Module, examples: int, part: str
) -> None:
    rows = torch.export.Dim("rows", min=1, max=64)
    inputs = tuple(torch.zeros(2, 3) for _ in range(examples))
    program = torch.export.export(module, inputs, dynamic_shapes=tuple({0: rows} for _ in inputs))
    torch.export.save(program, tmp_path / "net.pt2")
    with pytest.raises(BadInput, match=part):
        taken_in(tmp_path / "net.pt2", tmp_path)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Symbol('s77', positive=True, integer=True)", "Symbol('s0', positive=True, integer=True)"),
        ("Integer(5)", "Integer(5)"),
        ("-5", "Integer(-5)"),
        (
            "Min(Integer(8), Mul(Integer(8), Symbol('s3', positive=True, integer=True)))",
            "Min(Integer(8), Mul(Integer(8), Symbol('s0', positive=True, integer=True)))",
        ),
        (
            "FloorDiv(Add(Symbol('s1', integer=True), 1), 2)",
            "FloorDiv(Add(Symbol('s0', positive=True, integer=True), Integer(1)), Integer(2))",
        ),
    ],
)
def test_sizes_are_written_from_what_was_parsed(text: str, written: str) -> None:
    assert Symbols().rewritten(text) == written


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "s0",
            "x",
            "Add(1)",
            "Add(1,",
            "Mod(1, 2, 3)",
            "1 + 1",
            "Add(1, 2) 3",
            "Symbol('u0')",
            "9" * 14,
        ),
        *("Symbol('s0', commutative=exit())", "Add(1, exit())", "lambda: 1", "Function('f')(1)", "Integer()"),
    ],
)
def test_other_expressions_are_refused(text: str) -> None:
    with pytest.raises(BadProgram):
        Symbols().rewritten(text)


def test_the_operators_on_the_list_are_pure_arithmetic() -> None:
    """By torch's own schemas: no texts that name files, none that draws at random, each known to torch."""
    texts = ("approximate", "equation", "mode", "ord", "padding", "reduce", "rounding_mode", "side")
    for name in sorted(OPERATORS):
        packet = getattr(torch.ops.aten, name)
        for overload in packet.overloads():
            operator = getattr(packet, overload)
            if not any("Tensor" in str(given.type) for given in operator._schema.returns):
                continue  # of texts and lists of TorchScript; a result that is no tensor is refused
            assert torch.Tag.nondeterministic_seeded not in operator.tags or name in (
                *("dropout", "feature_dropout", "lstm", "gru", "rnn_tanh", "rnn_relu"),
                "scaled_dot_product_attention",
            ), name
            for argument in operator._schema.arguments:
                kind = str(argument.type)
                assert "Generator" not in kind, (name, overload)
                assert "str" not in kind or argument.name in texts, (name, overload, argument.name)
    assert allowed("torch.ops.aten.relu_.default") == "relu"
    for target in ("torch.ops.aten.add.out", "torch.ops.aten.bernoulli.default", "torch.relu", "relu"):
        assert allowed(target) is None
