"""A skops file, taken apart and written anew before skops opens it.

skops decides by lists that grow with scikit-learn, by ids that let one node stand for another, and by a
protocol number that the file chooses. Here every node is held against a fixed list of types and shapes,
arrays are read by their headers, trees are proven to be trees; and what skops gets is a fresh file that
holds what was checked and nothing else: no ids, no members that nobody asked for.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.archives import checked_members, open_archive, read_member
from assay.intake.limits import MAX_MODEL_JSON
from assay.intake.skops_trees import BadTree, check_predictor, check_tree
from assay.intake.skops_types import OBJECTS, PLAIN_TYPES, REPLACED

__all__ = ["CheckedSkops", "check_skops", "looks_like_skops"]

MAX_ARRAYS = 2 * 2**30
"""Bytes of all arrays, unpacked."""
MAX_NODES = 2_000_000
MAX_NESTING = 60
_PROTOCOLS = (0, 1, 2)
_MAX_SCALAR = 100_000
_SCHEMA = "schema.json"
_NOTHING = {
    "__class__": "str",
    "__module__": "builtins",
    "__loader__": "JsonNode",
    "content": "null",
    "is_json": True,
}
_PREDICTOR = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"


class CheckedSkops(NamedTuple):
    """A checked model: `content` is a fresh file that skops may open."""

    content: bytes
    skops_version: str
    sklearn_version: str
    """Of the outermost estimator; empty where it does not say."""
    estimator: str
    """Class of the outermost object."""
    numbers: int
    """Elements of all arrays."""
    array_bytes: int
    replaced: tuple[str, ...]
    """Types of `REPLACED` that it held."""


class _Malformed(Exception):
    """What is wrong, as part of a sentence."""


class _Foreign(Exception):
    """A whole sentence: what is not opened, and the way out."""


def looks_like_skops(path: Path) -> bool:
    """Whether the file is a zip archive with a schema.json."""
    try:
        with path.open("rb") as file:
            if file.read(4) != b"PK\x03\x04":
                return False
        with open_archive(path, path.name) as archive:
            return _SCHEMA in archive.NameToInfo
    except (BadInput, OSError):
        return False


def check_skops(path: Path, name: str) -> CheckedSkops:
    """Read and check the model in the file at `path`; `name` is how messages call it.

    Raises:
        BadInput: damaged or lying archives, types that are not on the list, functions, methods, pickles
            inside, arrays of objects, trees that are none.
    """
    with open_archive(path, name, "skops file") as archive:
        members = checked_members(archive, name)
        foreign = next((key for key in members if not key.endswith(".npy") and key != _SCHEMA), None)
        if foreign is not None:
            raise BadInput(
                f'{name} holds "{visible(foreign[:80])}"; a skops file of a model holds {_SCHEMA} and '
                "arrays as "
                ".npy, which alone are opened."
            )
        if _SCHEMA not in members or members[_SCHEMA].file_size > MAX_MODEL_JSON:
            raise BadInput(f"{name} has no {_SCHEMA} of at most {MAX_MODEL_JSON // 2**20} MB.")
        size = sum(member.file_size for member in members.values())
        if size > MAX_ARRAYS:
            raise BadInput(f"{name} unpacks to {size:,} bytes; at most {MAX_ARRAYS:,} are read.")
        try:
            schema = json.loads(read_member(archive, members[_SCHEMA]))
        except (ValueError, RecursionError):
            raise BadInput(f"{name} is no sound skops file: its {_SCHEMA} is not whole JSON.") from None
        try:
            return _Check(archive, members).file(schema)
        except (_Malformed, BadTree) as error:
            raise BadInput(f"{name} is no sound skops file: {visible(str(error)[:300])}.") from None
        except _Foreign as error:
            raise BadInput(f"{name} {visible(str(error)[:400])}") from None
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
            what = f"{type(error).__name__} {visible(str(error)[:80])}"
            raise BadInput(
                f"{name} is no sound skops file: a part is missing or malformed ({what})."
            ) from None


class _Check:
    def __init__(self, archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo]) -> None:
        self._archive = archive
        self._members = members
        self._nodes = self._numbers = self._bytes = 0
        self._replaced: set[str] = set()
        self._arrays: dict[str, bytes] = {}

    def file(self, schema: Any) -> CheckedSkops:
        if not isinstance(schema, dict) or schema.get("protocol") not in _PROTOCOLS:
            raise _Malformed("its protocol is none that is read (0, 1, 2)")
        root = self._node(schema, 0)
        estimator = f"{schema['__module__']}.{schema['__class__']}"
        if root["__loader__"] != "ObjectNode" or not estimator.startswith("sklearn."):
            raise _Foreign("holds no scikit-learn estimator; save the fitted model itself.")
        sink = io.BytesIO()
        with zipfile.ZipFile(sink, "w") as fresh:
            for file, content in self._arrays.items():
                fresh.writestr(zipfile.ZipInfo(file), content)
            fresh.writestr(
                zipfile.ZipInfo(_SCHEMA), json.dumps({**root, "protocol": 2, "_skops_version": "0.0"})
            )
        version = _constant(root.get("content", {}).get("content", {}).get("_sklearn_version"))
        return CheckedSkops(
            content=sink.getvalue(),
            skops_version=str(schema.get("_skops_version", ""))[:20],
            sklearn_version=version if isinstance(version, str) else "",
            estimator=schema["__class__"],
            numbers=self._numbers,
            array_bytes=self._bytes,
            replaced=tuple(sorted(self._replaced)),
        )

    def _node(self, state: Any, depth: int) -> dict[str, Any]:
        """The node as checked, written anew."""
        self._nodes += 1
        if depth > MAX_NESTING:
            raise _Malformed(f"objects lie more than {MAX_NESTING} deep inside each other")
        if self._nodes > MAX_NODES:
            raise _Malformed(f"it holds more than {MAX_NODES:,} objects")
        if not isinstance(state, dict):
            raise _Malformed("an object is none")
        loader, module, kind = state.get("__loader__"), state.get("__module__"), state.get("__class__")
        full = f"{module}.{kind}"
        if not (isinstance(loader, str) and isinstance(module, str) and isinstance(kind, str)):
            raise _Malformed("an object does not say what it is")
        if full in REPLACED:
            self._replaced.add(full)
            return dict(_NOTHING)
        if loader not in OBJECTS or full not in OBJECTS[loader]:
            raise _Foreign(_way_out(loader, full))
        found = {"__class__": kind, "__module__": module, "__loader__": loader}
        make = getattr(self, f"_{loader}", None)
        return {**found, **(make(state, depth + 1) if make is not None else {})}

    def _nodes_of(self, states: Any, depth: int) -> list[dict[str, Any]]:
        if not isinstance(states, list):
            raise _Malformed("a list of objects is none")
        return [self._node(state, depth) for state in states]

    def _ListNode(self, state: Mapping[str, Any], depth: int) -> dict[str, Any]:  # noqa: N802
        return {"content": self._nodes_of(state["content"], depth)}

    _TupleNode = _SetNode = _ListNode

    def _DictNode(self, state: Mapping[str, Any], depth: int) -> dict[str, Any]:  # noqa: N802
        content = {str(key): self._node(value, depth) for key, value in state["content"].items()}
        if any(key.startswith("__") for key in content):
            raise _Malformed("an attribute's name begins with two underscores")
        kinds = self._node(state["key_types"], depth)
        if kinds["__loader__"] != "ListNode" or len(kinds["content"]) != len(content):
            raise _Malformed("the keys of a dictionary have no types")
        for found in kinds["content"]:
            named = f"{found['__module__']}.{found['__class__']}"
            if found["__loader__"] != "TypeNode" or named not in (*PLAIN_TYPES, "numpy.str_"):
                raise _Malformed("a key of a dictionary is no word or number")
        return {"content": content, "key_types": kinds}

    def _ObjectNode(self, state: Mapping[str, Any], depth: int) -> dict[str, Any]:  # noqa: N802
        if state.get("content") is None:
            return {}
        content = self._node(state["content"], depth)
        if content["__loader__"] not in ("DictNode", "TupleNode", "JsonNode"):
            raise _Malformed("the attributes of an object are no dictionary")
        if f"{state['__module__']}.{state['__class__']}" == _PREDICTOR:
            check_predictor({key: self._array_of(value) for key, value in content["content"].items()})
        return {"content": content}

    def _JsonNode(self, state: Mapping[str, Any], depth: int) -> dict[str, Any]:  # noqa: N802
        content = state["content"]
        if not isinstance(content, str) or len(content) > _MAX_SCALAR:
            raise _Malformed("a value is no JSON, or too long")
        if isinstance(json.loads(content), dict | list):
            raise _Malformed("a value is no single one")
        return {"content": content, "is_json": True}

    def _SliceNode(self, state: Mapping[str, Any], depth: int) -> dict[str, Any]:  # noqa: N802
        content = {key: state["content"][key] for key in ("start", "stop", "step")}
        if any(value is not None and type(value) is not int for value in content.values()):
            raise _Malformed("a slice is not of whole numbers")
        return {"content": content}

    def _DTypeNode(self, state: Mapping[str, Any], depth: int) -> dict[str, Any]:  # noqa: N802
        content = self._node(state["content"], depth)
        if content["__loader__"] != "NdArrayNode":
            raise _Malformed("a type of numbers is none")
        return {"content": content}

    def _NdArrayNode(self, state: Mapping[str, Any], depth: int) -> dict[str, Any]:  # noqa: N802
        if state["type"] == "json":
            if f"{state['__module__']}.{state['__class__']}" != "numpy.ndarray":
                raise _Malformed("a number of NumPy's is kept as an object")
            shape = self._node(state["shape"], depth)
            sizes = [_constant(size) for size in shape["content"]]
            if shape["__loader__"] != "TupleNode" or any(type(size) is not int or size < 0 for size in sizes):
                raise _Malformed("an array has no shape")
            return {"type": "json", "content": self._nodes_of(state["content"], depth), "shape": shape}
        if state["type"] != "numpy":
            raise _Malformed("an array is kept in an unknown way")
        file = state["file"]
        if not isinstance(file, str) or file not in self._members or not file.endswith(".npy"):
            raise _Malformed(f'the array "{str(file)[:60]}" is not in the file')
        if file not in self._arrays:
            content = read_member(self._archive, self._members[file])
            array = _array(content, file)
            self._arrays[file] = content
            self._numbers += array.size
            self._bytes += array.nbytes
        return {"type": "numpy", "file": file}

    def _TreeNode(self, state: Mapping[str, Any], depth: int) -> dict[str, Any]:  # noqa: N802
        arguments = self._node(state["__reduce__"]["args"], depth)
        content = self._node(state["content"], depth)
        if arguments["__loader__"] != "TupleNode" or content["__loader__"] != "DictNode":
            raise _Malformed("a tree is malformed")
        features, classes, outputs = arguments["content"]
        parts = content["content"]
        check_tree(
            features=_constant(features),
            classes=self._array_of(classes),
            outputs=_constant(outputs),
            max_depth=_constant(parts["max_depth"]),
            count=_constant(parts["node_count"]),
            nodes=self._array_of(parts["nodes"]),
            values=self._array_of(parts["values"]),
        )
        return {"__reduce__": {"args": arguments}, "content": content}

    def _LossNode(self, state: Mapping[str, Any], depth: int) -> dict[str, Any]:  # noqa: N802
        arguments = self._node(state["__reduce__"]["args"], depth)
        content = self._node(state["content"], depth)
        plain = ("JsonNode", "NdArrayNode")
        if arguments["__loader__"] != "TupleNode" or any(
            found["__loader__"] not in plain for found in arguments["content"]
        ):
            raise _Malformed("a loss has other arguments than numbers")
        if content["__loader__"] not in ("DictNode", "TupleNode") or content["content"]:
            raise _Malformed("a loss has attributes")
        return {"__reduce__": {"args": arguments}, "content": content}

    def _array_of(self, node: Mapping[str, Any]) -> npt.NDArray[Any] | None:
        """The array of a checked node; None for an object that is no array."""
        if node.get("__loader__") != "NdArrayNode" or node.get("type") != "numpy":
            return None
        return _array(self._arrays[node["file"]], node["file"])


def _constant(node: Mapping[str, Any] | None) -> Any:
    """The value of a checked JsonNode; None for anything else."""
    if node is None or node.get("__loader__") != "JsonNode":
        return None
    return json.loads(node["content"])


def _array(content: bytes, name: str) -> npt.NDArray[Any]:
    """A view of an array in NumPy's own format. Raises _Malformed: objects, sizes that lie."""
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise _Malformed(f'"{name}" is of an npy version that is not read')
        first = version == (1, 0)
        read = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(file)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        raise _Malformed(f'"{name}" has no sound header') from None
    if dtype.hasobject:
        raise _Malformed(f'"{name}" is an array of objects, which is a pickle')
    if dtype.kind not in "biufUSV" or (dtype.kind == "V" and dtype.names is None):
        raise _Malformed(f'"{name}" is of the type {dtype}, which is not read')
    if any(size < 0 for size in shape) or len(shape) > 8:
        raise _Malformed(f'"{name}" has an impossible shape')
    count = 1
    for size in shape:
        count *= int(size)
    if len(content) - file.tell() != count * dtype.itemsize or dtype.itemsize == 0:
        raise _Malformed(f'"{name}" does not hold the {count:,} values that its header says')
    order: Any = "F" if fortran else "C"
    return np.frombuffer(content, dtype=dtype, count=count, offset=file.tell()).reshape(shape, order=order)


_CALLS = ("FunctionNode", "MethodNode", "PartialNode", "OperatorFuncNode", "ConstructorFromReduceNode")


def _way_out(loader: str, full: str) -> str:
    """The sentence that refuses an object, beginning after the file's name."""
    shown = full[:100]
    if full.startswith("sklearn.model_selection") and full.endswith("SearchCV"):
        return f"holds {shown}, a search; save its best_estimator_."
    if loader in _CALLS:
        return f"holds the function {shown}; Assay runs no function that a file names. Fit it without."
    if loader == "SparseMatrixNode":
        return "holds a sparse matrix, which is not read; call densify() or fit on dense data."
    known = any(full in names for names in OBJECTS.values())
    if known or loader not in OBJECTS:
        return f"makes {shown} through {loader[:60]}, which is refused."
    return (
        f"holds an object of type {shown}, which is not on Assay's list (docs/formats.md); rebuild the "
        "model without."
    )
