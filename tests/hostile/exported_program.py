"""Exported programs that pickle, evaluate, call what is no operator, lie, or change as they answer."""

from __future__ import annotations

import functools
import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tests.hostile.case import Hostile
from tests.hostile.torch_checkpoint import Touch, saved
from tests.hostile.zips import edited, members, renamed_locally, resized_centrally, zipped

GRAPH, WEIGHTS, CONSTANTS = (
    "*/models/model.json",
    "*/data/weights/model_weights_config.json",
    "*/data/constants/model_constants_config.json",
)


class Small(nn.Module):
    """A linear layer, a constant and a size that is computed."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.register_buffer("shift", torch.ones(2), persistent=False)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        found = self.layer(rows.view(rows.shape[0], 3)) + self.shift
        return nn.functional.dropout(found.relu(), 0.5, self.training)


@functools.cache
def honest() -> bytes:
    torch.manual_seed(0)
    rows = torch.export.Dim("rows", min=1, max=4096)
    program = torch.export.export(Small().eval(), (torch.zeros(2, 3),), dynamic_shapes=({0: rows},))
    sink = io.BytesIO()
    torch.export.save(program, sink)
    return sink.getvalue()


def document(name: str = GRAPH) -> Any:
    inside = members(honest())
    root = next(iter(inside)).partition("/")[0]
    return json.loads(inside[name.replace("*", root, 1)])


def with_graph(change: Callable[[dict[str, Any]], Any]) -> bytes:
    """The honest program after `change` on the JSON of its graph."""
    found = document()
    change(found)
    return edited(honest(), {GRAPH: json.dumps(found).encode()})


def with_entry(change: Callable[[dict[str, Any]], Any], where: str = WEIGHTS, **more: bytes) -> bytes:
    """The honest program after `change` on the first entry of a list of tensors."""
    found = document(where)
    change(next(iter(found["config"].values())))
    return edited(honest(), {where: json.dumps(found).encode(), **{f"*/{k}": v for k, v in more.items()}})


def nodes(found: dict[str, Any]) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = found["graph_module"]["graph"]["nodes"]
    return listed


def node(found: dict[str, Any], part: str) -> dict[str, Any]:
    return next(one for one in nodes(found) if part in one["target"])


def _target(name: str) -> Callable[[Path], bytes]:
    return lambda _: with_graph(lambda found: node(found, "relu").update(target=name))


def _expression(text: Callable[[Path], str]) -> Callable[[Path], bytes]:
    def make(folder: Path) -> bytes:
        def change(found: dict[str, Any]) -> None:
            for size in found["graph_module"]["graph"]["sym_int_values"].values():
                size["as_expr"]["expr_str"] = text(folder)

        return with_graph(change)

    return make


def _argument(value: dict[str, Any]) -> Callable[[Path], bytes]:
    return lambda _: with_graph(lambda found: node(found, "linear")["inputs"][-1].update(arg=value))


def _pickled_weight(folder: Path) -> bytes:
    where = document(WEIGHTS)
    entry = next(iter(where["config"].values()))
    entry["use_pickle"] = True
    content = saved(Touch(folder))
    return edited(
        honest(), {WEIGHTS: json.dumps(where).encode(), f"*/data/weights/{entry['path_name']}": content}
    )


def _pickled_constant(prefix: str, content: Callable[[Any], bytes]) -> Callable[[Path], bytes]:
    def make(folder: Path) -> bytes:
        where = document(CONSTANTS)
        entry = next(iter(where["config"].values()))
        entry.update(use_pickle=True, tensor_meta=None, path_name=f"{prefix}0")
        return edited(
            honest(),
            {CONSTANTS: json.dumps(where).encode(), f"*/data/constants/{prefix}0": content(Touch(folder))},
        )

    return make


def _resized(found: dict[str, Any], size: int) -> None:
    found["tensor_meta"]["sizes"] = [{"as_int": size}, {"as_int": size}]
    found["tensor_meta"]["strides"] = [{"as_int": size}, {"as_int": 1}]


def _empty_file(_: Path) -> bytes:
    where = document(WEIGHTS)
    entry = next(iter(where["config"].values()))
    _resized(entry, 2**20)
    return edited(
        honest(), {WEIGHTS: json.dumps(where).encode(), f"*/data/weights/{entry['path_name']}": b""}
    )


def _huge(found: dict[str, Any]) -> None:
    """A tensor of ones made on the way: 2^20 x 2^20."""
    made = node(found, "relu")
    made["target"] = "torch.ops.aten.full.default"
    sizes = [{"as_int": 2**20}, {"as_int": 2**20}]
    made["inputs"] = [
        {"name": "size", "arg": {"as_sym_ints": sizes}, "kind": 1},
        {"name": "fill_value", "arg": {"as_float": 1.0}, "kind": 1},
    ]


def _changes_itself(found: dict[str, Any]) -> None:
    """Adds one to its bias through a view of it."""
    linear = node(found, "linear")
    bias = linear["inputs"][2]["arg"]["as_tensor"]["name"]
    graph = found["graph_module"]["graph"]
    graph["tensor_values"].update(a=graph["tensor_values"][bias], b=graph["tensor_values"][bias])
    view, add = json.loads(json.dumps(node(found, "relu"))), json.loads(json.dumps(node(found, "relu")))
    view.update(target="torch.ops.aten.detach.default", outputs=[{"as_tensor": {"name": "a"}}], name="a")
    view["inputs"][0]["arg"] = {"as_tensor": {"name": bias}}
    add.update(target="torch.ops.aten.add_.Scalar", outputs=[{"as_tensor": {"name": "b"}}], name="b")
    add["inputs"] = [
        {"name": "self", "arg": {"as_tensor": {"name": "a"}}, "kind": 1},
        {"name": "other", "arg": {"as_float": 1.0}, "kind": 1},
    ]
    nodes(found)[:0] = [view, add]


def _case(name: str, says: str, make: Callable[[Path], bytes]) -> Hostile:
    def write(folder: Path) -> Path:
        path = folder / "model.pt2"
        path.write_bytes(make(folder))
        return path

    return Hostile(name, write, says)


def _touching(folder: Path) -> str:
    return f"__import__('pathlib').Path({str(folder / 'RAN')!r}).touch()"


def _twice(_: Path) -> bytes:
    inside = members(honest())
    root = next(iter(inside)).partition("/")[0]
    return zipped([*inside.items(), (f"{root}/models/model.json", b"{}")])


def _same_key_twice(_: Path) -> bytes:
    text = json.dumps(document())
    return edited(
        honest(), {GRAPH: text.replace('"guards_code"', '"verifiers": ["X"], "guards_code"').encode()}
    )


def _older(folder: Path) -> bytes:
    content = [
        ("version", b"8.20"),
        ("serialized_exported_program.json", b"{}"),
        ("serialized_state_dict.pt", saved({"w": Touch(folder)})),
        ("serialized_constants.pt", saved({})),
        ("serialized_example_inputs.pt", saved(Touch(folder))),
    ]
    return zipped(content)


CASES = (
    _case("a pickled weight", "stored as a pickle", _pickled_weight),
    _case("a pickled constant", "stored as a pickle", _pickled_constant("tensor_", saved)),
    _case("an opaque constant", "stored as a pickle", _pickled_constant("opaque_obj_", pickle.dumps)),
    _case("a custom object", "stored as a pickle", _pickled_constant("custom_obj_", pickle.dumps)),
    _case(
        "weights of the older layout",
        "pickle in an older layout",
        lambda f: edited(honest(), {"*/data/weights/model.pt": saved({"w": Touch(f)})}),
    ),
    _case(
        "constants of the older layout",
        "pickle in an older layout",
        lambda f: edited(honest(), {"*/data/constants/model.pt": saved({"w": Touch(f)})}),
    ),
    _case("the layout of older torch", "layout of torch before 2.8", _older),
    _case(
        "a compiled library",
        r"compiled library \(data/aotinductor/model/x\.so\)",
        lambda f: edited(honest(), {"*/data/aotinductor/model/x.so": b"\x7fELF"}),
    ),
    _case(
        "two programs",
        "more than one program",
        lambda f: edited(honest(), {"*/models/other.json": b"{}"}),
    ),
    _case("a foreign member", "does not write", lambda f: edited(honest(), {"*/code/x.py": b"1"})),
    _case("code in an expression", "evaluate it as code", _expression(_touching)),
    _case(
        "code in a symbol's name",
        "evaluate it as code",
        _expression(lambda f: f"Symbol('{_touching(f)}')"),
    ),
    _case("code behind a symbol", "as code", _expression(lambda f: f"Symbol('s0') + {_touching(f)}")),
    _case("an attribute in an expression", "as code", _expression(lambda f: "Symbol('s0').__class__")),
    _case(
        "a power in an expression",
        "as code",
        _expression(lambda f: "Pow(Integer(9), Integer(999999999))"),
    ),
    _case(
        "an expression nested a thousand times",
        "as code|characters",
        _expression(lambda f: "Add(1, " * 90 + "1" + ")" * 90),
    ),
    _case(
        "an expression of a megabyte",
        "characters|malformed|shape that",
        _expression(lambda f: "1" * 1_000_000),
    ),
    _case("torch.load as an operator", r'calls "torch\.load"', _target("torch.load")),
    _case(
        "torch.hub as an operator",
        r'calls "torch\.hub\.load',
        _target("torch.hub.load_state_dict_from_url"),
    ),
    _case("a file as an operator", r"from_file", _target("torch.ops.aten.from_file.default")),
    _case("saving as an operator", r"aten\.save", _target("torch.ops.aten.save.default")),
    _case("an operator of Python", "methodcaller", _target("_operator.methodcaller")),
    _case("an extension's operator", "calls", _target("#triton:kernel")),
    _case("a library of others", "calls", _target("torch.ops.evil.run.default")),
    _case("a higher-order operator", "calls", _target("torch.ops.higher_order.cond")),
    _case("a private attribute as overload", "calls", _target("torch.ops.aten.relu.__init__")),
    _case("random numbers", "aten.rand", _target("torch.ops.aten.rand_like.default")),
    _case("an operator as an argument", "as_operator", _argument({"as_operator": "torch.load"})),
    _case(
        "an object as an argument",
        "as_custom_obj",
        _argument({"as_custom_obj": {"name": "x", "class_fqn": "y"}}),
    ),
    _case("a graph as an argument", "as_graph", _argument({"as_graph": {"name": "x", "graph": {}}})),
    _case("code as a string", "as_string", _argument({"as_string": "__import__('os').system('x')"})),
    _case(
        "code as an argument's name",
        "names an argument",
        lambda f: with_graph(lambda d: node(d, "linear")["inputs"][0].update(name="input=1);import os")),
    ),
    _case("NaN as a number", "not JSON|number that is none", _argument({"as_float": float("nan")})),
    _case("a huge tensor on the way", "fails on two rows|its limit is", lambda f: with_graph(_huge)),
    _case(
        "a weight that is larger than its bytes",
        "does not fit",
        lambda f: with_entry(lambda e: _resized(e, 2**20)),
    ),
    _case("a huge weight of no bytes", "does not fit", _empty_file),
    _case(
        "an offset beyond the bytes",
        "does not fit",
        lambda f: with_entry(lambda e: e["tensor_meta"].update(storage_offset={"as_int": 5})),
    ),
    _case("a negative size", "out of range", lambda f: with_entry(lambda e: _resized(e, -1))),
    _case(
        "a quantised type",
        "type that is not read",
        lambda f: with_entry(lambda e: e["tensor_meta"].update(dtype=99)),
    ),
    _case(
        "bytes that lead elsewhere",
        "are missing",
        lambda f: with_entry(lambda e: e.update(path_name="../../models/model.json")),
    ),
    _case(
        "NaN weights",
        "NaN or infinite",
        lambda f: edited(honest(), {"*/data/weights/weight_0": b"\xff" * 24}),
    ),
    _case(
        "dropout in training",
        "training mode",
        lambda f: with_graph(lambda d: node(d, "dropout")["inputs"][2].update(arg={"as_bool": True})),
    ),
    _case(
        "weights that change as it answers",
        "changes its own weights",
        lambda f: with_graph(_changes_itself),
    ),
    _case(
        "a value used before it is there",
        "before it is there",
        lambda f: with_graph(lambda d: nodes(d).reverse()),
    ),
    _case("a name given twice", "twice", lambda f: with_graph(lambda d: nodes(d).append(nodes(d)[-1]))),
    _case("another schema", "schema 9", lambda f: with_graph(lambda d: d["schema_version"].update(major=9))),
    _case("brackets nested 100,000 deep", "not JSON", lambda f: edited(honest(), {GRAPH: b"[" * 100_000})),
    _case("a key that stands twice", "not JSON", _same_key_twice),
    _case("a member that stands twice", "stands in it twice", _twice),
    _case(
        "a zip bomb",
        "is compressed",
        lambda f: zipped(
            [*members(honest()).items(), ("archive/extra/x", bytes(50_000_000))], zipfile.ZIP_DEFLATED
        ),
    ),
    _case("a name that leads out", "leads out", lambda f: edited(honest(), {"*/extra/../../../x": b"1"})),
    _case(
        "another name in the local header",
        "disagree",
        lambda f: renamed_locally(honest(), b"/data/weights/weight_0", b"/data/weights/weight_9"),
    ),
    _case(
        "another size in the directory",
        "disagree|overlaps|beyond",
        lambda f: resized_centrally(edited(honest(), {}), b"/models/model.json", 64),
    ),
    _case("cut short", "damaged|Save it again", lambda f: honest()[:-30]),
)
