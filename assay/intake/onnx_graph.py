"""An ONNX file, taken apart and checked before onnxruntime sees it.

A graph of standard operators computes and nothing else; what could reach beyond it is refused: weights in
other files, operators of other domains, functions, training parts. Sizes that the file states are held
against what it holds, graphs inside graphs and loops are bounded, and trees are proven to be trees:
onnxruntime walks them by recursion.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.onnx_fields import ELEMENT_BYTES, ELEMENT_NAMES, SCHEMAS
from assay.intake.onnx_trees import TREES, BadTree, check_trees
from assay.intake.protobuf import BadProtobuf, ProtobufReader

__all__ = ["CheckedOnnx", "OnnxValue", "check_onnx", "looks_like_onnx"]

MAX_ONNX = 2**31 - 1
"""Protobuf's own limit."""
MAX_NODES = 200_000
MAX_NESTING = 3
MAX_ELEMENTS = 2**31 - 1
MAX_LOOP = 10_000
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
_SHAPED = {"ConstantOfShape": 0, "Expand": 1, "Reshape": 1}
"""Operators whose output has the shape that an input gives, and which."""


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


class _Malformed(Exception):
    """What is wrong, as part of a sentence."""


class _Refused(Exception):
    """A whole sentence: what is not read, and the way out."""


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
    except (BadProtobuf, BadTree, _Malformed) as error:
        raise BadInput(f"{name} is no sound ONNX model: {visible(str(error)[:300])}.") from None
    except _Refused as error:
        raise BadInput(f"{name} {visible(str(error)[:400])}") from None


class _Check:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self._operators: Counter[str] = Counter()
        self._classes: tuple[str, ...] = ()
        self._parameters = self._bytes = self._nodes = 0
        self._ints: dict[str, npt.NDArray[np.int64]] = {}
        """Small constants of whole numbers, by name."""

    def model(self, model: Mapping[str, Any]) -> CheckedOnnx:
        version = model.get("ir_version", 0)
        if not _IR[0] <= version <= _IR[1]:
            raise _Refused(f"is of ONNX IR version {version}; versions {_IR[0]} to {_IR[1]} are read.")
        if model.get("functions"):
            raise _Refused(
                "defines functions of its own; inline them (onnx.inliner.inline_local_functions) and save it."
            )
        for part, what in (("training_info", "a training part"), ("configuration", "several devices")):
            if model.get(part):
                raise _Refused(f"is written for {what}; export it for inference on one.")
        if "graph" not in model:
            raise _Malformed("it holds no graph")
        opset = self._opset(model.get("opset_import", ()))
        graph = model["graph"]
        self._graph(graph, 0, loops=False)
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
            raise _Malformed("it imports two versions of one set of operators")
        opset = versions.get("", versions.get("ai.onnx", 0))
        for found, (low, high), what in (
            (opset, _OPSET, "ONNX operators"),
            (versions.get("ai.onnx.ml", 1), _ML_OPSET, "ai.onnx.ml operators"),
        ):
            if (found or "ai.onnx.ml" not in versions) and not low <= found <= high:
                raise _Refused(f"uses version {found} of the {what}; versions {low} to {high} are read.")
        return int(opset)

    def _graph(self, graph: Mapping[str, Any], nesting: int, *, loops: bool) -> None:
        if nesting > MAX_NESTING:
            raise _Malformed(f"graphs lie more than {MAX_NESTING} deep inside each other")
        if graph.get("sparse_initializer"):
            raise _Refused("holds sparse weights, which are not read; export it with dense ones.")
        for tensor in graph.get("initializer", ()):
            self._tensor(tensor)
        for node in graph.get("node", ()):
            self._node(node, nesting, loops=loops)

    def _node(self, node: Mapping[str, Any], nesting: int, *, loops: bool) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _Malformed(f"it has more than {MAX_NODES:,} nodes")
        domain, operator = node.get("domain", ""), node.get("op_type", "")
        if domain not in _DOMAINS:
            raise _Refused(
                f"uses the operator {operator[:60]} of the domain {domain[:60]}; only the operators of ONNX "
                "and ai.onnx.ml are run. Export it with those alone."
            )
        self._operators[operator] += 1
        attributes = {found.get("name", ""): found for found in node.get("attribute", ())}
        if len(attributes) != len(node.get("attribute", ())):
            raise _Malformed(f"a {operator} has an attribute twice")
        if operator == "Loop":
            if loops:
                raise _Refused("has a loop inside a loop, which is not run.")
            self._count_of(node)
        for key, attribute in attributes.items():
            self._attribute(attribute, nesting, loops=loops or operator in ("Loop", "Scan"))
            if key in _WEIGHTS:
                self._parameters += len(attribute.get("floats", ()))
                self._bytes += 4 * len(attribute.get("floats", ()))
        if operator == "Constant" and node.get("output"):
            self._constant(attributes, node["output"][0])
        if operator in _SHAPED:
            self._shape_of(node, operator)
        if operator in TREES:
            check_trees(attributes)
        for key in ("classlabels_strings", "classlabels_ints", "classlabels_int64s"):
            if not self._classes and key in attributes:
                self._classes = _labels(attributes[key])

    def _attribute(self, attribute: Mapping[str, Any], nesting: int, *, loops: bool) -> None:
        if "sparse_tensor" in attribute or "sparse_tensors" in attribute:
            raise _Refused("holds sparse weights, which are not read; export it with dense ones.")
        if attribute.get("ref_attr_name"):
            raise _Malformed("an attribute refers to a function's, outside a function")
        for tensor in (*attribute.get("tensors", ()), *([attribute["t"]] if "t" in attribute else ())):
            self._tensor(tensor)
        for graph in (*attribute.get("graphs", ()), *([attribute["g"]] if "g" in attribute else ())):
            self._graph(graph, nesting + 1, loops=loops)

    def _tensor(self, tensor: Mapping[str, Any]) -> None:
        """What the tensor says it holds is what it holds."""
        name = str(tensor.get("name", ""))[:60]
        if tensor.get("external_data") or tensor.get("data_location", 0):
            raise _Refused(
                f'keeps "{name}" in another file; Assay opens no file that a model names. Save it in one '
                "piece (onnx.save_model(model, path, save_as_external_data=False))."
            )
        if "segment" in tensor:
            raise _Malformed(f'"{name}" is cut into segments')
        element = ELEMENT_NAMES.get(tensor.get("data_type", 0))
        if element is None:
            raise _Malformed(f'"{name}" is of the unknown type {tensor.get("data_type", 0)}')
        dims = [int(size) for size in tensor.get("dims", ())]
        if any(size < 0 for size in dims) or len(dims) > 16:
            raise _Malformed(f'"{name}" has impossible dimensions')
        count = math.prod(dims)
        if count > MAX_ELEMENTS:
            raise _Malformed(f'"{name}" claims {count:,} numbers')
        values = _held(tensor, element, count, name)
        self._parameters += count
        if element != "string":
            self._bytes += math.ceil(count * ELEMENT_BYTES[element])
        if values is not None and values.size > 1 and values.dtype.kind == "f" and np.isnan(values).any():
            raise _Malformed(f'"{name}" holds NaN; training went wrong')
        if values is not None and values.dtype.kind == "i" and values.size <= 16 and name:
            self._ints[str(tensor["name"])] = values

    def _constant(self, attributes: Mapping[str, Any], output: str) -> None:
        """Remember a node's constant under the name of its output."""
        if "value" in attributes:
            tensor = attributes["value"].get("t", {})
            count = math.prod(int(size) for size in tensor.get("dims", ()))
            if tensor.get("data_type") in (6, 7) and count <= 16:
                held = _held(tensor, ELEMENT_NAMES[tensor["data_type"]], count, "")
                if held is not None:
                    self._ints[output] = held
        elif "value_ints" in attributes:
            self._ints[output] = np.asarray(attributes["value_ints"].get("ints", ()), dtype=np.int64)
        elif "value_int" in attributes:
            self._ints[output] = np.array([attributes["value_int"].get("i", 0)])

    def _count_of(self, node: Mapping[str, Any]) -> None:
        inputs = node.get("input", ())
        most = self._ints.get(inputs[0]) if inputs else None
        if most is None or most.size != 1 or not 0 <= int(most.reshape(-1)[0]) <= MAX_LOOP:
            raise _Refused(
                f"has a loop without a fixed number of rounds of at most {MAX_LOOP:,}; unroll it and export "
                "it again."
            )

    def _shape_of(self, node: Mapping[str, Any], operator: str) -> None:
        inputs = node.get("input", ())
        place = _SHAPED[operator]
        shape = self._ints.get(inputs[place]) if len(inputs) > place else None
        if shape is not None and math.prod(max(int(size), 1) for size in shape.reshape(-1)) > MAX_ELEMENTS:
            raise _Malformed(f"a {operator} makes an array of more than {MAX_ELEMENTS:,} numbers")


def _held(tensor: Mapping[str, Any], element: str, count: int, name: str) -> npt.NDArray[Any] | None:
    """The numbers of a tensor; None for strings and small types. Raises _Malformed: not as many as said."""
    keys = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data", "string_data", "raw_data")
    filled = [key for key in keys if key in tensor and len(tensor[key])]
    if len(filled) > 1:
        raise _Malformed(f'"{name}" holds its numbers twice')
    if element == "string":
        right = len(tensor.get("string_data", ())) == count and filled in ([], ["string_data"])
    elif filled == ["raw_data"]:
        right = len(tensor["raw_data"]) == math.ceil(count * ELEMENT_BYTES[element])
    else:
        kind, each = _STORED.get(element, ("int32_data", 1.0))
        right = filled in ([], [kind]) and len(tensor.get(kind, ())) == math.ceil(count * each)
    if not right:
        raise _Malformed(f'"{name}" does not hold the {count:,} numbers that its dimensions say')
    dtype = {"float": "<f4", "double": "<f8", "float16": "<f2", "int32": "<i4", "int64": "<i8"}.get(element)
    if dtype is None or not filled:
        return None
    if filled == ["raw_data"]:
        return np.frombuffer(tensor["raw_data"], dtype=dtype)
    found = tensor[filled[0]]
    if element == "float16":
        return np.asarray(found).astype(np.uint16).view(np.float16)
    return np.asarray(found)


_STORED: Mapping[str, tuple[str, float]] = {
    "float": ("float_data", 1),
    "complex64": ("float_data", 2),
    "double": ("double_data", 1),
    "complex128": ("double_data", 2),
    "int64": ("int64_data", 1),
    "uint32": ("uint64_data", 1),
    "uint64": ("uint64_data", 1),
    "uint4": ("int32_data", 0.5),
    "int4": ("int32_data", 0.5),
}
"""Where a type's numbers stand if not in raw_data, and how many entries one takes."""


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
    raise _Refused(f'has the {what} "{shown}", which is no tensor; inputs and outputs must be tensors.')


def _dims(shape: Mapping[str, Any] | None, name: str) -> tuple[int | None, ...] | None:
    if shape is None:
        return None
    found = tuple(dim.get("dim_value") for dim in shape.get("dim", ()))
    # 0 is what some exporters write for a size that is open
    sizes = tuple(None if size == 0 else size for size in found)
    if len(sizes) > 16 or any(size is not None and size < 0 for size in sizes):
        raise _Malformed(f'"{name}" has impossible dimensions')
    if math.prod(size for size in sizes if size is not None) > MAX_ELEMENTS:
        raise _Malformed(f'"{name}" is of more than {MAX_ELEMENTS:,} numbers')
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
