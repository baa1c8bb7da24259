"""An ONNX file, taken apart and checked before onnxruntime sees it.

A graph of standard operators computes and nothing else; what could reach beyond it is refused: weights in
other files, operators of other domains, functions, training parts. Sizes that the file states are held
against what it holds, graphs inside graphs and loops are bounded, and trees are proven to be trees:
onnxruntime walks them by recursion.
"""

from __future__ import annotations

import math
from collections import ChainMap, Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.onnx_fields import ELEMENT_BYTES, ELEMENT_NAMES, SCHEMAS
from assay.intake.onnx_names import (
    MAX_ELEMENTS,
    MAX_LOOP,
    Malformed,
    Names,
    Refused,
    check_count,
    check_shape,
    constant_of,
    define,
    numbers_of,
)
from assay.intake.onnx_trees import TREES, BadTree, check_trees
from assay.intake.protobuf import BadProtobuf, ProtobufReader

__all__ = ["CheckedOnnx", "OnnxValue", "check_onnx", "looks_like_onnx"]

MAX_ONNX = 2**31 - 1
"""Protobuf's own limit."""
MAX_NODES = 200_000
MAX_NESTING = 3
_MAX_FIELDS = 20_000_000
_MAX_MESSAGES = 24
"""Protobuf messages inside each other; a graph inside a node's attribute takes three."""
_IR, _OPSET, _ML_OPSET = (3, 13), (7, 26), (1, 5)
_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
_SECOND = (0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42, 0x72)
_WEIGHTS = (
    *("coefficients", "intercepts", "support_vectors", "rho"),
    *("class_weights", "target_weights", "leaf_weights", "base_values"),
)
"""Attributes in which operators of ai.onnx.ml keep what was learnt."""
_RANDOM = ("Bernoulli", "Multinomial", "RandomNormal", "RandomUniform")
_HOLDS = {
    **{1: "f", 2: "i", 3: "s", 4: "t", 5: "g", 6: "floats", 7: "ints", 8: "strings", 9: "tensors"},
    **{10: "graphs", 13: "tp", 14: "type_protos"},
}
"""Type of an attribute -> the field that holds it."""


class OnnxValue(NamedTuple):
    """An input or output: `shape` has None for sizes that are open; it is None where nothing is said."""

    name: str
    element: str
    shape: tuple[int | None, ...] | None
    maps: bool = False
    """Whether it is a sequence of maps from class to probability, as ZipMap makes."""


class CheckedOnnx(NamedTuple):
    """A checked model: `content` is what onnxruntime may load."""

    content: bytes
    producer: str
    ir_version: int
    opset: int
    inputs: tuple[OnnxValue, ...]
    outputs: tuple[OnnxValue, ...]
    makers: Mapping[str, str]
    """Output -> the operator that makes it."""
    operators: Mapping[str, int]
    classes: tuple[str, ...]
    """As a classifier of ai.onnx.ml or ZipMap names them; empty where none does."""
    parameters: int
    weight_bytes: int


def looks_like_onnx(path: Path) -> bool:
    """Whether the file begins as an ONNX model does: with its IR version, then another field of it."""
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError:
        return False
    return len(head) == 4 and head[0] == 0x08 and 3 <= head[1] <= 20 and head[2] in _SECOND


def check_onnx(path: Path, name: str) -> CheckedOnnx:
    """Read and check the model in the file at `path`; `name` is how messages call it.

    Raises:
        BadInput: truncated or damaged files, external data, operators beyond the standard's, functions,
            sparse tensors, sizes that lie, graphs too deep, trees that are none, NaN weights.
    """
    try:
        size = path.stat().st_size
        if size > MAX_ONNX:
            raise BadInput(f"{name} has {size:,} bytes; an ONNX file has at most {MAX_ONNX:,}.")
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{name} cannot be read: {error.strerror or error}.") from None
    reader = ProtobufReader(SCHEMAS, fields=_MAX_FIELDS, depth=_MAX_MESSAGES)
    try:
        return _Check(content).model(reader.read(memoryview(content), "model"))
    except (BadProtobuf, BadTree, Malformed) as error:
        raise BadInput(f"{name} is no sound ONNX model: {visible(str(error)[:300])}.") from None
    except Refused as error:
        raise BadInput(f"{name} {visible(str(error)[:400])}") from None


class _Check:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self._operators: Counter[str] = Counter()
        self._classes: tuple[str, ...] = ()
        self._parameters = self._bytes = self._nodes = self._rounds = 0

    def model(self, model: Mapping[str, Any]) -> CheckedOnnx:
        version = model.get("ir_version", 0)
        if not _IR[0] <= version <= _IR[1]:
            raise Refused(f"is of ONNX IR version {version}; versions {_IR[0]} to {_IR[1]} are read.")
        if model.get("functions"):
            raise Refused(
                "defines functions of its own; inline them (onnx.inliner.inline_local_functions) and save it."
            )
        for part, what in (("training_info", "a training part"), ("configuration", "several devices")):
            if model.get(part):
                raise Refused(f"is written for {what}; export it for inference on one.")
        if "graph" not in model:
            raise Malformed("it holds no graph")
        opset = self._opset(model.get("opset_import", ()))
        graph = model["graph"]
        self._graph(graph, 0, ChainMap(), loops=False)
        held = {tensor.get("name", "") for tensor in graph.get("initializer", ())}
        inputs = tuple(
            _value(value, "input") for value in graph.get("input", ()) if value.get("name", "") not in held
        )
        makers = {
            made: str(node.get("op_type"))
            for node in graph.get("node", ())
            for made in node.get("output", ())
        }
        return CheckedOnnx(
            content=self._content,
            producer=model.get("producer_name", "")[:60],
            ir_version=version,
            opset=opset,
            inputs=inputs,
            outputs=tuple(_value(value, "output") for value in graph.get("output", ())),
            makers=_through_identities(makers, graph.get("node", ())),
            operators=self._operators,
            classes=self._classes,
            parameters=self._parameters,
            weight_bytes=self._bytes,
        )

    def _opset(self, imports: Sequence[Mapping[str, Any]]) -> int:
        versions = {found.get("domain", ""): found.get("version", 0) for found in imports}
        if any(versions[found.get("domain", "")] != found.get("version", 0) for found in imports):
            raise Malformed("it imports two versions of one set of operators")
        opset = versions.get("", versions.get("ai.onnx", 0))
        for found, (low, high), what in (
            (opset, _OPSET, "ONNX operators"),
            (versions.get("ai.onnx.ml", 1), _ML_OPSET, "ai.onnx.ml operators"),
        ):
            if (found or "ai.onnx.ml" not in versions) and not low <= found <= high:
                raise Refused(f"uses version {found} of the {what}; versions {low} to {high} are read.")
        return int(opset)

    def _graph(self, graph: Mapping[str, Any], nesting: int, around: Names, *, loops: bool) -> None:
        if nesting > MAX_NESTING:
            raise Malformed(f"graphs lie more than {MAX_NESTING} deep inside each other")
        if graph.get("sparse_initializer"):
            raise Refused("holds sparse weights, which are not read; export it with dense ones.")
        names: Names = around.new_child()
        for tensor in graph.get("initializer", ()):
            define(names, str(tensor.get("name", "")), self._tensor(tensor))
        for value in graph.get("input", ()):
            if value.get("name", "") not in names.maps[0]:  # else its default
                define(names, value.get("name", ""), None)
        for node in graph.get("node", ()):
            self._node(node, nesting, names, loops=loops)

    def _node(self, node: Mapping[str, Any], nesting: int, names: Names, *, loops: bool) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise Malformed(f"it has more than {MAX_NODES:,} nodes")
        domain, operator = node.get("domain", ""), node.get("op_type", "")
        if domain not in _DOMAINS:
            raise Refused(
                f"uses the operator {operator[:60]} of the domain {domain[:60]}; only the operators of ONNX "
                "and ai.onnx.ml are run. Export it with those alone."
            )
        self._operators[operator] += 1
        attributes = {found.get("name", ""): found for found in node.get("attribute", ())}
        if len(attributes) != len(node.get("attribute", ())):
            raise Malformed(f"a {operator} has an attribute twice")
        if operator.removesuffix("Like") in _RANDOM:
            raise Refused(f"draws random numbers ({operator}), so it would answer otherwise each time.")
        if operator in ("Loop", "Scan") and loops:
            raise Refused("has a loop inside a loop, which is not run.")
        if operator == "Loop":
            self._rounds += check_count(node, names)
            if self._rounds > MAX_LOOP:
                raise Refused(
                    f"has loops of {self._rounds:,} rounds together; at most {MAX_LOOP:,} are run. Unroll "
                    "them and export it again."
                )
        for key, attribute in attributes.items():
            self._attribute(attribute, nesting, names, loops=loops or operator in ("Loop", "Scan"))
            if key in _WEIGHTS:
                self._parameters += len(attribute.get("floats", ()))
                self._bytes += 4 * len(attribute.get("floats", ()))
        check_shape(node, operator, names)
        if operator in TREES:
            check_trees(operator, attributes)
        held = constant_of(attributes) if operator == "Constant" else None
        for made in node.get("output", ()):
            define(names, made, held)
        for key in ("classlabels_strings", "classlabels_ints", "classlabels_int64s"):
            if not self._classes and key in attributes:
                self._classes = _labels(attributes[key])

    def _attribute(self, attribute: Mapping[str, Any], nesting: int, names: Names, *, loops: bool) -> None:
        if "sparse_tensor" in attribute or "sparse_tensors" in attribute:
            raise Refused("holds sparse weights, which are not read; export it with dense ones.")
        if attribute.get("ref_attr_name"):
            raise Malformed("an attribute refers to a function's, outside a function")
        held = attribute.keys() & set(_HOLDS.values())
        if not held <= {_HOLDS.get(attribute.get("type", 0))}:
            raise Malformed(
                f'the attribute "{attribute.get("name", "")[:60]}" is of another type than it holds'
            )
        for tensor in (*attribute.get("tensors", ()), *([attribute["t"]] if "t" in attribute else ())):
            self._tensor(tensor)
        for graph in (*attribute.get("graphs", ()), *([attribute["g"]] if "g" in attribute else ())):
            self._graph(graph, nesting + 1, names, loops=loops)

    def _tensor(self, tensor: Mapping[str, Any]) -> npt.NDArray[np.int64] | None:
        """What the tensor says it holds is what it holds; its values where they are few whole numbers."""
        name = str(tensor.get("name", ""))[:60]
        if tensor.get("external_data") or tensor.get("data_location", 0):
            raise Refused(
                f'keeps "{name}" in another file; Assay opens no file that a model names. Save it in one '
                "piece (onnx.save_model(model, path, save_as_external_data=False))."
            )
        if "segment" in tensor:
            raise Malformed(f'"{name}" is cut into segments')
        element = ELEMENT_NAMES.get(tensor.get("data_type", 0))
        if element is None:
            raise Malformed(f'"{name}" is of the unknown type {tensor.get("data_type", 0)}')
        dims = [int(size) for size in tensor.get("dims", ())]
        if any(size < 0 for size in dims) or len(dims) > 16:
            raise Malformed(f'"{name}" has impossible dimensions')
        count = math.prod(dims)
        if count > MAX_ELEMENTS:
            raise Malformed(f'"{name}" claims {count:,} numbers')
        values = numbers_of(tensor, element, count, name)
        self._parameters += count
        if element != "string":
            self._bytes += math.ceil(count * ELEMENT_BYTES[element])
        if values is not None and values.size > 1 and values.dtype.kind == "f" and np.isnan(values).any():
            raise Malformed(f'"{name}" holds NaN; training went wrong')
        few = values is not None and values.dtype.kind == "i" and values.size <= 16
        return values if few else None


def _value(value: Mapping[str, Any], what: str) -> OnnxValue:
    name = value.get("name", "")
    shown = name[:60]
    kind = value.get("type", {})
    if "tensor_type" in kind:
        tensor = kind["tensor_type"]
        element = ELEMENT_NAMES.get(tensor.get("elem_type", 0), "unknown")
        return OnnxValue(name, element, _dims(tensor.get("shape"), shown))
    inner = kind.get("sequence_type", {}).get("elem_type", {}).get("map_type", {})
    keys = ELEMENT_NAMES.get(inner.get("key_type", 0), "unknown")
    if what == "output" and keys in ("string", "int64") and "tensor_type" in inner.get("value_type", {}):
        return OnnxValue(name, keys, None, maps=True)
    raise Refused(f'has the {what} "{shown}", which is no tensor; inputs and outputs must be tensors.')


def _dims(shape: Mapping[str, Any] | None, name: str) -> tuple[int | None, ...] | None:
    if shape is None:
        return None
    found = tuple(dim.get("dim_value") for dim in shape.get("dim", ()))
    # 0 is what some exporters write for a size that is open
    sizes = tuple(None if size == 0 else size for size in found)
    if len(sizes) > 16 or any(size is not None and size < 0 for size in sizes):
        raise Malformed(f'"{name}" has impossible dimensions')
    if math.prod(size for size in sizes if size is not None) > MAX_ELEMENTS:
        raise Malformed(f'"{name}" is of more than {MAX_ELEMENTS:,} numbers')
    return sizes


def _labels(attribute: Mapping[str, Any]) -> tuple[str, ...]:
    words = (bytes(word[:1_000]).decode("utf-8", "replace") for word in attribute.get("strings", ()))
    numbers = (str(int(number)) for number in attribute.get("ints", ()))
    return tuple(words) or tuple(numbers)


def _through_identities(makers: dict[str, str], nodes: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """An Identity or Cast counts as what makes its input; nodes stand in the order in which they run."""
    found = dict(makers)
    for node in nodes:
        if node.get("op_type") in ("Identity", "Cast") and node.get("input"):
            source = found.get(node["input"][0])
            for made in node.get("output", ()):
                found[made] = source or str(node.get("op_type"))
    return found
