"""ONNX files that reach for other files, lie about sizes, hide in nesting, or never end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from tests.hostile.case import Hostile

__all__ = ["CASES", "model"]

_OPSETS = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]


def model(
    nodes: list[Any] | None = None, weights: list[Any] | None = None, width: int = 2, **more: Any
) -> onnx.ModelProto:
    """y = x w, unless `nodes` and `weights` say otherwise."""
    graph = helper.make_graph(
        nodes or [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, width])],
        weights if weights is not None else [_weight()],
    )
    return helper.make_model(graph, opset_imports=_OPSETS, ir_version=8, **more)


def _weight(name: str = "w", values: Any = ((1.0, 2.0), (3.0, 4.0))) -> onnx.TensorProto:
    return onnx.numpy_helper.from_array(np.array(values, dtype=np.float32), name)


def _file(make: Callable[[], onnx.ModelProto | bytes]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        made = make()
        path = folder / "model.onnx"
        path.write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
        return path

    return write


def _outside(location: str) -> Callable[[], onnx.ModelProto]:
    def make() -> onnx.ModelProto:
        weight = _weight()
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", "0"), ("length", "16")):
            weight.external_data.add(key=key, value=value)
        return model(weights=[weight])

    return make


def _in_a_constant() -> onnx.ModelProto:
    weight = _weight()
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="/etc/passwd")
    constant = helper.make_node("Constant", [], ["w"], value=weight)
    return model([constant, helper.make_node("MatMul", ["x", "w"], ["y"])], [])


def _lying(dims: list[int]) -> Callable[[], onnx.ModelProto]:
    def make() -> onnx.ModelProto:
        weight = _weight()
        del weight.dims[:]
        weight.dims.extend(dims)
        return model(weights=[weight])

    return make


def _doubled() -> onnx.ModelProto:
    weight = _weight()
    weight.float_data.extend([1.0] * 4)
    return model(weights=[weight])


def _huge(operator: str) -> Callable[[], onnx.ModelProto]:
    """Sixty bytes that ask for forty terabytes."""

    def make() -> onnx.ModelProto:
        shape = helper.make_tensor("s", TensorProto.INT64, [2], [10**7, 10**6])
        first = (
            helper.make_node(operator, ["s"], ["c"])
            if operator == "ConstantOfShape"
            else helper.make_node(operator, ["x", "s"], ["c"])
        )
        total = helper.make_node("ReduceSum", ["c"], ["t"], keepdims=0)
        return model([first, total, helper.make_node("Add", ["x", "t"], ["y"])], [shape])

    return make


def _hidden_size() -> onnx.ModelProto:
    """A size that only shows when the model runs: 10^5 x 10^5 x 10."""
    one = helper.make_tensor("o", TensorProto.INT64, [3], [100_000, 100_000, 10])
    zero = helper.make_tensor("z", TensorProto.INT64, [3], [0, 0, 0])
    nodes = [
        helper.make_node("Add", ["o", "z"], ["s"]),
        helper.make_node("ConstantOfShape", ["s"], ["c"]),
        helper.make_node("ReduceSum", ["c"], ["t"], keepdims=0),
        helper.make_node("Add", ["x", "t"], ["y"]),
    ]
    return model(nodes, [one, zero])


def _nested(levels: int) -> Callable[[], onnx.ModelProto]:
    def make() -> onnx.ModelProto:
        body = helper.make_graph(
            [helper.make_node("Identity", ["x"], [f"y{levels}"])],
            "b",
            [],
            [helper.make_tensor_value_info(f"y{levels}", TensorProto.FLOAT, [None, 2])],
        )
        for level in range(levels - 1, -1, -1):
            name = "y" if level == 0 else f"y{level}"
            other = helper.make_graph(
                [helper.make_node("Identity", ["x"], [f"o{level}"])],
                "o",
                [],
                [helper.make_tensor_value_info(f"o{level}", TensorProto.FLOAT, [None, 2])],
            )
            node = helper.make_node("If", ["k"], [name], then_branch=body, else_branch=other)
            if level == 0:
                return model([node], [helper.make_tensor("k", TensorProto.BOOL, [], [True])])
            out = helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 2])
            body = helper.make_graph([node], "b", [], [out])
        raise AssertionError

    return make


def _endless() -> onnx.ModelProto:
    """A loop of 2^62 rounds."""
    rounds = helper.make_tensor("m", TensorProto.INT64, [], [2**62])
    go = helper.make_tensor("k", TensorProto.BOOL, [], [True])
    body = helper.make_graph(
        [helper.make_node("Identity", ["k_in"], ["k_out"]), helper.make_node("Add", ["a", "a"], ["b"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("k_in", TensorProto.BOOL, []),
            helper.make_tensor_value_info("a", TensorProto.FLOAT, [None, 2]),
        ],
        [
            helper.make_tensor_value_info("k_out", TensorProto.BOOL, []),
            helper.make_tensor_value_info("b", TensorProto.FLOAT, [None, 2]),
        ],
    )
    return model([helper.make_node("Loop", ["m", "k", "x"], ["y"], body=body)], [rounds, go])


def _rounds(*nodes: Any, weights: list[Any] | None = None) -> Callable[[], onnx.ModelProto]:
    """The endless loop, whose rounds `nodes` make, so that two readers may take other ones."""

    def make() -> onnx.ModelProto:
        made = _endless()
        kept = [tensor for tensor in made.graph.initializer if tensor.name != "m"]
        del made.graph.initializer[:]
        made.graph.initializer.extend([*kept, *(weights or ())])
        loop = made.graph.node[0]
        del made.graph.node[:]
        made.graph.node.extend([*nodes, loop])
        return made

    return make


def _loops() -> onnx.ModelProto:
    """2,001 loops of five rounds each."""
    made = _rounds(weights=[_five()])()
    made.graph.node.extend([_renamed(made.graph.node[0], str(copy)) for copy in range(2_000)])
    return made


def _renamed(loop: onnx.NodeProto, more: str) -> onnx.NodeProto:
    other = onnx.NodeProto()
    other.CopyFrom(loop)
    other.output[:] = [name + more for name in loop.output]
    return other


def _five(name: str = "m") -> Any:
    return helper.make_tensor(name, TensorProto.INT64, [], [5])


def _two_values() -> Any:
    node = helper.make_node("Constant", [], ["m"], value_int=2**62)
    node.attribute.append(helper.make_attribute("value", _five()))
    return node


def _two_types() -> Any:
    node = helper.make_node("Constant", [], ["m"], value=_five())
    node.attribute[0].type = onnx.AttributeProto.INT
    node.attribute[0].i = 2**62
    return node


def _in_a_branch() -> Any:
    """A branch that nobody takes has a constant of the same name as the number of rounds."""
    true = helper.make_tensor("t", TensorProto.BOOL, [], [True])
    five = helper.make_node("Constant", [], ["m"], value=_five())
    out = helper.make_tensor_value_info("m", TensorProto.INT64, [])
    other = helper.make_tensor_value_info("o", TensorProto.INT64, [])
    return [
        helper.make_node("Constant", [], ["t"], value=true),
        helper.make_node(
            "If",
            ["t"],
            ["unused"],
            then_branch=helper.make_graph([five], "a", [], [out]),
            else_branch=helper.make_graph(
                [helper.make_node("Constant", [], ["o"], value=_five("o"))], "b", [], [other]
            ),
        ),
        helper.make_node("Constant", [], ["n"], value_int=2**31),
        helper.make_node("Mul", ["n", "n"], ["m"]),
    ]


def _twice() -> Any:
    return helper.make_node("Constant", [], ["m"], value_int=2**62)


def _many() -> Any:
    return helper.make_tensor("m", TensorProto.INT64, [], [2**62])


def _random() -> Any:
    return helper.make_node("RandomUniformLike", ["x"], ["y"])


def _without_a_name() -> onnx.ModelProto:
    """Rounds are left out, and a constant has no name either."""
    made = _rounds(helper.make_node("Constant", [], [""], value_int=5))()
    made.graph.node[-1].input[0] = ""
    return made


def _with_function() -> onnx.ModelProto:
    made = model([helper.make_node("Mine", ["x"], ["y"], domain="mine")])
    made.functions.append(
        helper.make_function(
            "mine", "Mine", ["x"], ["y"], [helper.make_node("Relu", ["x"], ["y"])], _OPSETS[:1]
        )
    )
    made.opset_import.append(helper.make_opsetid("mine", 1))
    return made


def _tree(**over: Any) -> Callable[[], onnx.ModelProto]:
    def make() -> onnx.ModelProto:
        parts: dict[str, Any] = {
            "nodes_treeids": [0, 0, 0],
            "nodes_nodeids": [0, 1, 2],
            "nodes_featureids": [0, 0, 0],
            "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
            "nodes_values": [0.5, 0.0, 0.0],
            "nodes_truenodeids": [1, 0, 0],
            "nodes_falsenodeids": [2, 0, 0],
            "target_treeids": [0, 0],
            "target_nodeids": [1, 2],
            "target_ids": [0, 0],
            "target_weights": [1.0, 2.0],
            "n_targets": 1,
            **over,
        }
        node = helper.make_node("TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", **parts)
        return model([node], [], width=1)

    return make


def _deep_tree() -> onnx.ModelProto:
    """200,001 nodes in one chain: onnxruntime's recursion over it ends the process."""
    count = 200_001
    inner = [place % 2 == 0 and place < count - 1 for place in range(count)]
    return _tree(
        nodes_treeids=[0] * count,
        nodes_nodeids=list(range(count)),
        nodes_featureids=[0] * count,
        nodes_modes=["BRANCH_LEQ" if one else "LEAF" for one in inner],
        nodes_values=[0.5] * count,
        nodes_truenodeids=[place + 1 if one else 0 for place, one in enumerate(inner)],
        nodes_falsenodeids=[place + 2 if one else 0 for place, one in enumerate(inner)],
        target_nodeids=[1, 3],
    )()


def _whole() -> bytes:
    return bytes(model().SerializeToString())


def _domain(domain: str, operator: str) -> Callable[[], onnx.ModelProto]:
    def make() -> onnx.ModelProto:
        made = model([helper.make_node(operator, ["x"], ["y"], domain=domain)], [])
        made.opset_import.append(helper.make_opsetid(domain, 1))
        return made

    return make


_LONG = b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f"
"""Field 7, the graph, of 2^63 - 1 bytes."""

CASES = (
    Hostile("weights in /etc/passwd", _file(_outside("/etc/passwd")), "in another file"),
    Hostile("weights beside it", _file(_outside("../secret.bin")), "in another file"),
    Hostile("a constant in another file", _file(_in_a_constant), "in another file"),
    Hostile("an operator of a domain of its own", _file(_domain("evil", "Run")), "Run of the domain evil"),
    Hostile("an operator of onnxruntime's", _file(_domain("com.microsoft", "EPContext")), "EPContext"),
    Hostile("an operator of PyTorch's", _file(_domain("org.pytorch.aten", "ATen")), "ATen"),
    Hostile("a function of its own", _file(_with_function), "functions of its own"),
    Hostile("dims beyond the data", _file(_lying([1000, 1000])), "does not hold the 1,000,000 numbers"),
    Hostile("dims of 2^62", _file(_lying([2**31, 2**31])), "claims"),
    Hostile("negative dims", _file(_lying([-2, -2])), "impossible dimensions"),
    Hostile("numbers twice", _file(_doubled), "holds its numbers twice"),
    Hostile("a huge array", _file(_huge("ConstantOfShape")), "more than 2,147,483,647 numbers"),
    Hostile("a huge expansion", _file(_huge("Expand")), "more than 2,147,483,647 numbers"),
    Hostile("a huge array at run time", _file(_hidden_size), "cannot be run|needs more memory"),
    Hostile("graphs in graphs", _file(_nested(5)), "more than 3 deep"),
    Hostile("graphs in graphs in graphs", _file(_nested(20)), "deep inside each other"),
    Hostile("a loop without end", _file(_endless), "loop without a fixed number of rounds"),
    Hostile("loops after loops", _file(_loops), "has loops of 10,005 rounds together"),
    Hostile("rounds of two values", _file(_rounds(_two_values())), "has not one value"),
    Hostile("rounds of two types", _file(_rounds(_two_types())), "of another type than it holds"),
    Hostile("rounds made twice", _file(_rounds(_twice(), weights=[_five()])), '"m" is made twice'),
    Hostile("rounds twice in the weights", _file(_rounds(weights=[_five(), _many()])), '"m" is made twice'),
    Hostile("rounds named in a branch", _file(_rounds(*_in_a_branch())), "without a fixed number of rounds"),
    Hostile("rounds without a name", _file(_without_a_name), "without a fixed number of rounds"),
    Hostile("random answers", _file(lambda: model([_random()], [])), "draws random numbers"),
    Hostile("a target below none", _file(_tree(target_ids=[-100_000, 0])), "cannot be run"),
    Hostile("a target beyond all", _file(_tree(target_ids=[0, 10**8])), "cannot be run"),
    Hostile("NaN weights", _file(lambda: model(weights=[_weight(values=[[np.nan, 1]] * 2)])), "holds NaN"),
    Hostile("a tree that is a cycle", _file(_tree(nodes_truenodeids=[0, 0, 0])), "no sound ONNX model"),
    Hostile("a child outside its tree", _file(_tree(nodes_truenodeids=[9, 0, 0])), "outside its tree"),
    Hostile("a feature below none", _file(_tree(nodes_featureids=[-5, 0, 0])), "feature that is not there"),
    Hostile("a feature beyond all", _file(_tree(nodes_featureids=[10**9, 0, 0])), "cannot be run"),
    Hostile("a tree of 100,000 levels", _file(_deep_tree), "deeper than 1,000"),
    Hostile("leaves of infinity", _file(_tree(target_weights=[np.inf, 1.0])), "NaN or an infinite"),
    Hostile("cut in the middle", _file(lambda: _whole()[:60]), "no sound ONNX model"),
    Hostile("a length of 2^63", _file(lambda: _whole()[:2] + _LONG), "longer than the file"),
    Hostile("two graphs", _file(lambda: _whole() + _whole()[2:]), "stands twice"),
    Hostile("a field that nobody knows", _file(lambda: _whole() + b"\xfa\x3f\x01a"), "does not define"),
    Hostile("a version of the future", _file(lambda: b"\x08\x14" + _whole()[2:]), "IR version 20"),
)
