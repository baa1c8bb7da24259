"""skops files that call functions, hide pickles, swap nodes, lie about arrays or lead trees astray."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier, IsolationForest, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from tests.hostile.case import Hostile
from tests.hostile.payload import pickled

__all__ = ["CASES"]

Parts = tuple[dict[str, Any], dict[str, bytes]]
Change = Callable[[dict[str, Any], dict[str, bytes], Path], None]


@cache
def _saved(kind: str) -> bytes:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 3))
    label = (rows[:, 0] > 0).astype(int)
    made = {
        "logistic": LogisticRegression(),
        "tree": DecisionTreeClassifier(max_depth=3, random_state=0),
        "svc": SVC(),
        "forest": RandomForestClassifier(2, max_depth=2, random_state=0),
        "isolation": IsolationForest(n_estimators=2, random_state=0),
        "neighbours": KNeighborsClassifier(3, algorithm="brute"),
        "histograms": HistGradientBoostingClassifier(max_iter=2, max_leaf_nodes=4, min_samples_leaf=2),
    }[kind]
    content: bytes = skops.io.dumps(made.fit(rows, label))
    return content


def _file(change: Change, kind: str = "logistic") -> Callable[[Path], Path]:
    """A real model with something changed in its schema or its members."""

    def write(folder: Path) -> Path:
        with zipfile.ZipFile(io.BytesIO(_saved(kind))) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        schema = json.loads(members.pop("schema.json"))
        change(schema, members, folder)
        path = folder / "model.skops"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
            archive.writestr("schema.json", json.dumps(schema))
        return path

    return write


def _attributes(schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schema["content"]["content"]
    return found


def _json(value: Any) -> dict[str, Any]:
    return {
        "__class__": "str",
        "__module__": "builtins",
        "__loader__": "JsonNode",
        "content": json.dumps(value),
        "is_json": True,
    }


def _list(*nodes: dict[str, Any], kind: str = "tuple") -> dict[str, Any]:
    loader = {"tuple": "TupleNode", "list": "ListNode"}[kind]
    return {"__class__": kind, "__module__": "builtins", "__loader__": loader, "content": list(nodes)}


def _put(node: Callable[[Path], dict[str, Any]]) -> Change:
    """Any attribute of the model becomes `node`."""

    def change(schema: dict[str, Any], _members: dict[str, bytes], folder: Path) -> None:
        _attributes(schema)["C"] = node(folder)

    return change


def _function(module: str, name: str) -> dict[str, Any]:
    return {"__class__": name, "__module__": module, "__loader__": "FunctionNode"}


def _partial(folder: Path) -> dict[str, Any]:
    content = {
        "func": _function("os", "system"),
        "args": _list(_json(f"touch {folder / 'RAN'}")),
        "kwds": _json(None),
        "namespace": _json(None),
    }
    return {
        "__class__": "partial",
        "__module__": "functools",
        "__loader__": "PartialNode",
        "content": content,
    }


def _method(_folder: Path) -> dict[str, Any]:
    """CVE-2025-54412 and its kin: a method of something that is trusted."""
    owner = {
        "__class__": "LogisticRegression",
        "__module__": "sklearn.linear_model._logistic",
        "__loader__": "ObjectNode",
        "content": None,
    }
    return {
        "__class__": "LogisticRegression",
        "__module__": "sklearn.linear_model._logistic",
        "__loader__": "MethodNode",
        "content": {"func": "__reduce__", "obj": owner},
    }


def _operator(folder: Path) -> dict[str, Any]:
    """CVE-2025-54413: an operator that calls, with another name than it has."""
    return {
        "__class__": "call",
        "__module__": "operator",
        "__loader__": "OperatorFuncNode",
        "attrs": _list(_function("os", "system"), _json(f"touch {folder / 'RAN'}")),
    }


def _constructed(folder: Path) -> dict[str, Any]:
    return {
        "__class__": "Popen",
        "__module__": "subprocess",
        "__loader__": "ConstructorFromReduceNode",
        "content": _list(_list(_json("touch"), _json(str(folder / "RAN")), kind="list")),
    }


def _object(module: str, name: str, loader: str = "ObjectNode") -> Callable[[Path], dict[str, Any]]:
    return lambda _folder: {"__class__": name, "__module__": module, "__loader__": loader, "content": None}


def _disguised(folder: Path) -> dict[str, Any]:
    """A list whose class is a function: skops calls it with the content."""
    command = _json(f"touch {folder / 'RAN'}")
    return {"__class__": "system", "__module__": "os", "__loader__": "ListNode", "content": [command]}


def _loss(folder: Path) -> dict[str, Any]:
    """The class of a loss is called with arguments of the file's."""
    return {
        "__class__": "system",
        "__module__": "os",
        "__loader__": "LossNode",
        "__reduce__": {"args": _list(_json(f"touch {folder / 'RAN'}"))},
        "content": _json(None),
    }


def _nested(_folder: Path) -> dict[str, Any]:
    node = _json(1)
    for _ in range(200):
        node = _list(node, kind="list")
    return node


def _swapped(schema: dict[str, Any], _members: dict[str, bytes], folder: Path) -> None:
    """A node with the id of another, which skops would take in its place."""
    coefficients = _attributes(schema)["coef_"]
    _attributes(schema)["C"] = {**_partial(folder), "__id__": coefficients["__id__"]}


def _array(schema: dict[str, Any], members: dict[str, bytes]) -> str:
    name: str = _attributes(schema)["coef_"]["file"]
    assert name in members
    return name


def _npy(shape: str, kind: str, body: Callable[[Path], bytes]) -> Change:
    def change(schema: dict[str, Any], members: dict[str, bytes], folder: Path) -> None:
        head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
        content = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode() + body(folder)
        members[_array(schema, members)] = content

    return change


def _member(name: str, content: Callable[[Path], bytes]) -> Change:
    def change(_schema: dict[str, Any], members: dict[str, bytes], folder: Path) -> None:
        members[name] = content(folder)

    return change


def _joblib(folder: Path) -> Path:
    """CVE-2025-54886: a file called .skops that is a pickle, opened by joblib where skops declines."""
    path = folder / "model.skops"
    path.write_bytes(pickled(folder))
    return path


def _tree(field: str, place: int, value: Any) -> Change:
    def change(schema: dict[str, Any], members: dict[str, bytes], _folder: Path) -> None:
        name = _attributes(schema)["tree_"]["content"]["content"]["nodes"]["file"]
        nodes = np.load(io.BytesIO(members[name])).copy()
        nodes[field][place] = value
        sink = io.BytesIO()
        np.save(sink, nodes)
        members[name] = sink.getvalue()

    return change


def _tree_says(key: str, value: Any) -> Change:
    def change(schema: dict[str, Any], _members: dict[str, bytes], _folder: Path) -> None:
        _attributes(schema)["tree_"]["content"]["content"][key] = _json(value)

    return change


def _fewer_features(schema: dict[str, Any], _members: dict[str, bytes], _folder: Path) -> None:
    """The estimator reads one column; its tree would read a third beside it."""
    _attributes(schema)["n_features_in_"] = _json(1)


def _tree_outputs(schema: dict[str, Any], _members: dict[str, bytes], _folder: Path) -> None:
    _attributes(schema)["tree_"]["__reduce__"]["args"]["content"][2] = _json(1_000_000)


def _support(schema: dict[str, Any], members: dict[str, bytes], _folder: Path) -> None:
    """Counts of support vectors beyond those that there are."""
    sink = io.BytesIO()
    np.save(sink, np.array([10**6, 10**6], dtype=np.int32))
    members[_attributes(schema)["_n_support"]["file"]] = sink.getvalue()


def _as_if_subsampled(schema: dict[str, Any], members: dict[str, bytes], folder: Path) -> None:
    """A forest that reads one column, and an attribute that other ensembles have."""
    _fewer_features(schema, members, folder)
    _attributes(schema)["estimators_features_"] = _list(kind="list")
    kind = {"__class__": "str", "__module__": "builtins", "__loader__": "TypeNode"}
    schema["content"]["key_types"]["content"].append(kind)


def _fewer_labels(schema: dict[str, Any], members: dict[str, bytes], _folder: Path) -> None:
    sink = io.BytesIO()
    np.save(sink, np.zeros(1, dtype=np.int64))
    members[_attributes(schema)["_y"]["file"]] = sink.getvalue()


def _more_neighbours(schema: dict[str, Any], _members: dict[str, bytes], _folder: Path) -> None:
    _attributes(schema)["n_neighbors"] = _json(10**9)


def _narrowed(schema: dict[str, Any], _members: dict[str, bytes], _folder: Path) -> None:
    """What turns the columns into others leaves fewer of them than its trees read."""
    with zipfile.ZipFile(io.BytesIO(_saved("logistic"))) as archive:
        other = json.loads(archive.read("schema.json"))
    _attributes(schema)["_preprocessor"] = {
        **_object("sklearn.pipeline", "Pipeline")(_folder),
        "content": {**other["content"], "content": {}, "key_types": _list(kind="list")},
    }


def _bomb(schema: dict[str, Any], members: dict[str, bytes], folder: Path) -> None:
    _npy("(524288, 1024)", "<f8", lambda _f: bytes(2**29))(schema, members, folder)


_CASES: tuple[tuple[str, Change, str], ...] = (
    ("a function", _put(lambda _f: _function("os", "system")), "holds the function os.system"),
    ("a function of pickle's", _put(lambda _f: _function("joblib", "load")), "the function joblib.load"),
    ("a partial", _put(_partial), "functools.partial"),
    ("a method", _put(_method), "runs no function"),
    ("an operator that calls", _put(_operator), "operator.call"),
    ("a constructor", _put(_constructed), "subprocess.Popen"),
    ("a foreign object", _put(_object("subprocess", "Popen")), "of type subprocess.Popen"),
    ("a type", _put(_object("builtins", "eval", "TypeNode")), "builtins.eval"),
    ("a map as a type", _put(_object("builtins", "map", "TypeNode")), "builtins.map"),
    ("a list that is a function", _put(_disguised), "os.system"),
    ("a loss that is a function", _put(_loss), "os.system"),
    ("a reference to a node", _put(_object("builtins", "str", "CachedNode")), "CachedNode"),
    ("a node with another's id", _swapped, "functools.partial"),
    ("a pipeline's own code", _put(_object("sklearn.externals", "anything")), "not on Assay's list"),
    ("objects in objects", _put(_nested), "deep inside each other"),
    ("a double underscore", lambda s, m, f: _attributes(s).update(__class__=_json(1)), "two underscores"),
    ("no protocol", lambda s, m, f: s.update(protocol=99), "protocol"),
    ("a pickle among the members", _member("extra.pkl", pickled), r"extra\.pkl"),
    ("a name that leads out", _member("../../RAN", lambda _f: b""), "leads out of its folder"),
    ("an array of objects", _npy("(1,)", "|O", lambda f: pickled(f)), "which is a pickle"),
    ("an array that lies", _npy("(1000000, 1000)", "<f8", lambda _f: bytes(8)), "does not hold"),
    ("an array that unpacks to half a gigabyte", _bomb, "at most .* its size are read"),
    ("an array whose header is code", _npy("__import__('os')", "<f8", lambda _f: b""), "no sound header"),
    ("an array that is not there", lambda s, m, f: _attributes(s)["coef_"].update(file="../x.npy"), "not in"),
)
_TREES: tuple[tuple[str, Change, str], ...] = (
    ("a child outside the tree", _tree("left_child", 0, 10**9), "outside its tree"),
    ("a tree that is a cycle", _tree("left_child", 0, 0), "outside its tree|two parents"),
    ("a feature that is not there", _tree("feature", 0, 10**9), "a feature that is not there"),
    ("a feature beyond the estimator's", _fewer_features, "reads other features than its estimator"),
    ("more nodes than there are", _tree_says("node_count", 10**9), "another number of nodes"),
    ("more outputs than there are", _tree_outputs, "does not say its outputs"),
)
CASES = (
    *(Hostile(name, _file(change), says) for name, change, says in _CASES),
    *(Hostile(name, _file(change, "tree"), says) for name, change, says in _TREES),
    Hostile("a forest whose trees read on", _file(_as_if_subsampled, "forest"), "features than the ensemble"),
    Hostile("an isolation forest whose trees read on", _file(_fewer_features, "isolation"), "features"),
    Hostile("fewer labels than neighbours", _file(_fewer_labels, "neighbours"), "neighbours do not fit"),
    Hostile("more neighbours than rows", _file(_more_neighbours, "neighbours"), "neighbours do not fit"),
    Hostile("columns that become fewer", _file(_narrowed, "histograms"), "turns its columns into others"),
    Hostile("more support vectors than there are", _file(_support, "svc"), "support vectors"),
    Hostile("a joblib file called skops", _joblib, "pickle"),
)
