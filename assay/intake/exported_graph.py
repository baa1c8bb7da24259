"""The graph of an exported program (`models/model.json`), read by a closed grammar and written anew.

Nothing of the document's own text survives but names of operators and arguments that are on our lists:
values, weights and sizes get names of ours, expressions are rewritten from what was parsed, and whatever
torch would evaluate, import or execute (metadata, guards, tree specs, verifiers) is not copied at all.

Source: torch/_export/serde/schema.py, schema version 8 (torch 2.13).
"""

from __future__ import annotations

import json
import keyword
import re
from typing import Any, NamedTuple

from assay.datasets.values import visible
from assay.intake.exported_json import (
    BadProgram,
    field,
    mapping,
    only_item,
    plain_argument,
    sequence,
    text,
    whole,
)
from assay.intake.exported_operators import DROPPED, FALSE_ONLY, MAY_ALIAS, allowed, in_place
from assay.intake.exported_sizes import Symbols, sym_int, tensor_meta

__all__ = ["CleanGraph", "Weight", "rewrite_graph"]

SCHEMA = (8, 20)
_MAX_NODES = 50_000
FLOAT32 = 7
_ARGUMENT = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,40}")
_LEAF: dict[str, Any] = {"type": None, "context": None, "children_spec": []}
_TUPLE = {"type": "builtins.tuple", "context": "null"}
_ONE_INPUT = {
    **_TUPLE,
    "children_spec": [
        {**_TUPLE, "children_spec": [_LEAF]},
        {"type": "builtins.dict", "context": "[]", "children_spec": []},
    ],
}


class Weight(NamedTuple):
    """A tensor that the graph takes from beside it."""

    name: str
    """As the document calls it; where to find it in the archive's lists."""
    written: str
    """As the rewritten graph calls it."""
    kind: str
    """`parameter`, `buffer` or `constant`."""
    persistent: bool


class CleanGraph(NamedTuple):
    """The rewritten document and what it was found to be."""

    document: dict[str, Any]
    weights: tuple[Weight, ...]
    nodes: int
    shape: tuple[int | None, ...]
    """Of the input; None where the program leaves the size free."""
    output: tuple[int | None, ...]
    least_rows: int
    most_rows: int | None
    last_operator: str


def rewrite_graph(document: Any) -> CleanGraph:
    """Raises BadProgram: anything that the grammar does not know."""
    version = mapping(field(document, "schema_version"))
    if version.get("major") != SCHEMA[0]:
        raise BadProgram(
            f"it has the schema {version.get('major')!s:.20} and {SCHEMA[0]} is read; export it with torch "
            "2.13"
        )
    return _Rewriter(document).result()


class _Rewriter:
    def __init__(self, document: Any) -> None:
        self._document = mapping(document)
        module = mapping(field(document, "graph_module"))
        self._graph, self._signature = mapping(field(module, "graph")), mapping(field(module, "signature"))
        self._metas = mapping(field(self._graph, "tensor_values"))
        self._sizes = mapping(field(self._graph, "sym_int_values"))
        self._symbols = Symbols()
        self._names: dict[str, str] = {}
        self._tensors: dict[str, Any] = {}
        self._whole: dict[str, Any] = {}
        self._last = ""
        self._outside: set[str] = set()
        """Weights, the input, and whatever may be the same memory as one of them."""

    def result(self) -> CleanGraph:
        for name in ("sym_bool_values", "sym_float_values", "custom_obj_values"):
            if self._graph.get(name):
                raise BadProgram(
                    "its graph computes with objects or with conditions on sizes, which is not read"
                )
        inputs, specs, weights, entry = self._inputs()
        nodes = [node for given in self._nodes() if (node := self._node(given)) is not None]
        output, output_spec = self._output()
        free, least, most = self._ranges(entry)
        graph = {
            "inputs": inputs,
            "outputs": [output],
            "nodes": nodes,
            "tensor_values": self._tensors,
            "sym_int_values": self._whole,
            "sym_bool_values": {},
            "is_single_tensor_return": False,
            "custom_obj_values": {},
            "sym_float_values": {},
        }
        call: dict[str, Any] = {
            "inputs": [],
            "outputs": [],
            "in_spec": json.dumps([1, _ONE_INPUT]),
            "out_spec": json.dumps([1, _LEAF]),
            "forward_arg_names": None,
        }
        module = {
            "graph": graph,
            "signature": {"input_specs": specs, "output_specs": [output_spec]},
            "module_call_graph": [{"fqn": "", "signature": call}],
            "metadata": {},
            "treespec_namedtuple_fields": {},
        }
        document = {
            "graph_module": module,
            "opset_version": {
                "aten": whole(mapping(self._document.get("opset_version")).get("aten"), 1, 1_000)
            },
            "range_constraints": free,
            "schema_version": {"major": SCHEMA[0], "minor": SCHEMA[1]},
            "verifiers": ["TRAINING"],
            "torch_version": "2.13.0",
            "guards_code": [],
        }
        answer = self._shape(output["as_tensor"]["name"])
        shape = self._shape(entry)
        return CleanGraph(document, tuple(weights), len(nodes), shape, answer, least, most, self._last)

    def _inputs(self) -> tuple[list[Any], list[Any], list[Weight], str]:
        given = sequence(field(self._graph, "inputs"))
        told = sequence(field(self._signature, "input_specs"))
        if len(given) != len(told):
            raise BadProgram("its graph and its signature disagree about its inputs")
        inputs: list[Any] = []
        specs: list[Any] = []
        weights: list[Weight] = []
        entries: list[str] = []
        for argument, spec in zip(given, told, strict=True):
            kind, content = only_item(spec)
            if kind == "user_input":
                inner, holder = only_item(field(content, "arg"))
                if inner != "as_tensor":
                    raise BadProgram("it takes an input that is no tensor")
                name = self._taken(argument, holder)
                entries.append(name)
                specs.append({"user_input": {"arg": {"as_tensor": {"name": name}}}})
            else:
                weight, spec_written = self._weight(kind, content, argument, len(weights))
                name = spec_written["arg"]["name"]
                weights.append(weight)
                specs.append({kind: spec_written})
            inputs.append({"as_tensor": {"name": name}})
            self._outside.add(name)
        if len(entries) != 1:
            raise BadProgram(
                f"it takes {len(entries)} tensors as input; Assay asks programs with one, of rows or images"
            )
        if self._tensors[entries[0]]["dtype"] != FLOAT32:
            raise BadProgram("its input is not of type float32")
        return inputs, specs, weights, entries[0]

    def _weight(self, kind: str, content: Any, argument: Any, place: int) -> tuple[Weight, dict[str, Any]]:
        fields = {
            "parameter": ("parameter_name", "parameter"),
            "buffer": ("buffer_name", "buffer"),
            "tensor_constant": ("tensor_constant_name", "constant"),
        }
        if kind not in fields:
            raise BadProgram(f"it takes an input of the kind {visible(kind[:40])}, which is no tensor")
        key, meaning = fields[kind]
        name = self._taken(argument, field(content, "arg"))
        written = f"{meaning[0]}{place}"
        persistent = content.get("persistent") is not False
        spec: dict[str, Any] = {"arg": {"name": name}, key: written}
        if kind == "buffer":
            spec["persistent"] = persistent
        return Weight(text(field(content, key), 512), written, meaning, persistent), spec

    def _taken(self, argument: Any, spec: Any) -> str:
        """The new name of a graph input that its spec names, too."""
        kind, holder = only_item(argument)
        if kind != "as_tensor" or field(holder, "name") != field(spec, "name"):
            raise BadProgram("its graph and its signature disagree about its inputs")
        return self._define(field(holder, "name"))

    def _nodes(self) -> list[Any]:
        found = self._graph.get("nodes")
        if not isinstance(found, list) or len(found) > _MAX_NODES:
            raise BadProgram(f"it has no list of at most {_MAX_NODES:,} nodes")
        return found

    def _node(self, given: Any) -> dict[str, Any] | None:
        target = text(field(given, "target"), 200)
        name = allowed(target)
        if name is None:
            raise BadProgram(
                f'it calls "{visible(target[:100])}", which is none of the operators on tensors that Assay '
                "runs"
            )
        if name in DROPPED:
            if given.get("outputs"):
                raise BadProgram("it takes a result from a check")
            return None
        self._last = name or self._last
        arguments = [self._named(argument) for argument in sequence(field(given, "inputs"))]
        self._in_training(name, arguments)
        outputs = [self._result(output) for output in sequence(field(given, "outputs"))]
        self._keep_apart(target, name, arguments, outputs)
        only = next(iter(outputs[0].values())) if len(outputs) == 1 else None
        single = only.get("name", only.get("as_name")) if isinstance(only, dict) else None
        return {
            "target": target,
            "inputs": arguments,
            "outputs": outputs,
            "metadata": {},
            "is_hop_single_tensor_return": None,
            "name": single or f"n{len(self._names)}",
        }

    def _keep_apart(self, target: str, name: str, arguments: list[Any], outputs: list[Any]) -> None:
        """Refuse what changes weights or input: a model that answers otherwise the next time."""
        taken = {found for argument in arguments for found in _tensors_in(argument["arg"])}
        if not taken & self._outside:
            return
        if name and in_place(target) and _tensors_in(arguments[0]["arg"]) & self._outside:
            raise BadProgram(f"its {visible(target)} changes its own weights or its input as it answers")
        if name in MAY_ALIAS or (name and in_place(target)):
            self._outside |= {found for output in outputs for found in _tensors_in(output)}

    @staticmethod
    def _in_training(name: str, arguments: list[Any]) -> None:
        given = {argument["name"]: argument["arg"] for argument in arguments}
        if name in FALSE_ONLY and given.get(FALSE_ONLY[name]) != {"as_bool": False}:
            raise BadProgram(f"its {name} is in training mode; call model.eval() before exporting")
        running = given.get("running_mean", {"as_none": True}) != {"as_none": True}
        if name == "instance_norm" and running and given.get("use_input_stats") != {"as_bool": False}:
            raise BadProgram("its instance_norm is in training mode; call model.eval() before exporting")
        if given.get("dropout_p", {"as_float": 0.0}) not in ({"as_float": 0.0}, {"as_int": 0}):
            raise BadProgram("its attention drops out at random; call model.eval() before exporting")

    def _named(self, given: Any) -> dict[str, Any]:
        name, kind = text(field(given, "name"), 41), given.get("kind")
        if not _ARGUMENT.fullmatch(name) or (keyword.iskeyword(name) and name != "from"):
            raise BadProgram(f'it names an argument "{visible(name)}"')
        if kind not in (1, 2):
            raise BadProgram("it has an argument that is neither positional nor by keyword")
        return {"name": name, "arg": self._argument(field(given, "arg")), "kind": kind}

    def _argument(self, given: Any) -> dict[str, Any]:
        kind, value = only_item(given)
        if kind == "as_none":
            return {kind: True}
        if kind == "as_tensor":
            return {kind: {"name": self._used(field(value, "name"))}}
        if kind == "as_tensors":
            return {kind: [{"name": self._used(field(one, "name"))} for one in sequence(value)]}
        if kind == "as_optional_tensors":
            return {kind: [self._optional(one) for one in sequence(value)]}
        if kind == "as_optional_tensor":
            return {kind: self._optional(value)}
        if kind == "as_sym_int":
            return {kind: self._size_used(value)}
        if kind == "as_sym_ints":
            return {kind: [self._size_used(one) for one in sequence(value)]}
        return {kind: plain_argument(kind, value)}

    def _optional(self, given: Any) -> dict[str, Any]:
        kind, value = only_item(given)
        if kind == "as_none":
            return {kind: True}
        if kind != "as_tensor":
            raise BadProgram("it has a list of something else than tensors")
        return {kind: {"name": self._used(field(value, "name"))}}

    def _size_used(self, given: Any) -> dict[str, Any]:
        kind, value = only_item(given)
        if kind == "as_int":
            return {kind: whole(value)}
        if kind != "as_name":
            raise BadProgram("it has a size that is neither a number nor named")
        return {kind: self._used(value)}

    def _result(self, given: Any) -> dict[str, Any]:
        kind, value = only_item(given)
        if kind == "as_tensor":
            return {kind: {"name": self._define(field(value, "name"))}}
        if kind == "as_tensors":
            return {kind: [{"name": self._define(field(one, "name"))} for one in sequence(value)]}
        if kind == "as_sym_int" and only_item(value)[0] == "as_name":
            return {kind: {"as_name": self._define_size(only_item(value)[1])}}
        raise BadProgram(
            f"an operator in it yields {visible(kind[:40])}, which is neither tensors nor a size"
        )

    def _output(self) -> tuple[dict[str, Any], dict[str, Any]]:
        given, told = (
            sequence(field(self._graph, "outputs")),
            sequence(field(self._signature, "output_specs")),
        )
        if len(given) != 1 or len(told) != 1:
            raise BadProgram(
                f"it answers with {len(given)} values or changes its buffers; Assay asks programs that give "
                "one tensor, in evaluation mode"
            )
        kind, value = only_item(given[0])
        meaning, content = only_item(told[0])
        if kind != "as_tensor" or meaning != "user_output" or field(content, "arg") != given[0]:
            raise BadProgram("its output is no tensor that it computed")
        output = {"as_tensor": {"name": self._used(field(value, "name"))}}
        return output, {"user_output": {"arg": output}}

    def _define(self, name: Any) -> str:
        written = self._new(name)
        self._tensors[written] = tensor_meta(field(self._metas, text(name, 512)), self._symbols)
        return written

    def _define_size(self, name: Any) -> str:
        written = self._new(name)
        self._whole[written] = sym_int(field(self._sizes, text(name, 512)), self._symbols)
        return written

    def _new(self, name: Any) -> str:
        given = text(name, 512)
        if given in self._names:
            raise BadProgram(f'it gives the name "{visible(given[:60])}" twice')
        self._names[given] = f"v{len(self._names)}"
        return self._names[given]

    def _used(self, name: Any) -> str:
        given = text(name, 512)
        if given not in self._names:
            raise BadProgram(f'it uses "{visible(given[:60])}" before it is there')
        return self._names[given]

    def _ranges(self, entry: str) -> tuple[dict[str, Any], int, int | None]:
        """Limits of the free sizes, and of the number of rows."""
        given = mapping(self._document.get("range_constraints"))
        found: dict[str, Any] = {}
        for name, written in self._symbols.names.items():
            limits = mapping(given.get(name, {}))
            low, high = limits.get("min_val"), limits.get("max_val")
            found[written] = {
                "min_val": None if low is None else whole(low, -1, 2**62),
                "max_val": None if high is None else whole(high, 0, 2**63),
            }
        rows = self._tensors[entry]["sizes"][:1]
        if not rows:
            raise BadProgram("its input has no dimensions; rows come first")
        if "as_int" in rows[0]:
            return found, rows[0]["as_int"], rows[0]["as_int"]
        limits = found.get(_symbol_in(rows[0]["as_expr"]["expr_str"]), {})
        return found, max(1, limits.get("min_val") or 1), limits.get("max_val")

    def _shape(self, written: str) -> tuple[int | None, ...]:
        return tuple(size.get("as_int") for size in self._tensors[written]["sizes"])


def _tensors_in(argument: dict[str, Any]) -> set[str]:
    """Names of the tensors in a rewritten argument or result."""
    found: set[str] = set()
    for kind, value in argument.items():
        if kind == "as_tensor":
            found.add(value["name"])
        elif kind in ("as_tensors", "as_optional_tensors"):
            given = (one.get("as_tensor", one) for one in value)
            found.update(one["name"] for one in given if "name" in one)
        elif kind == "as_optional_tensor":
            found |= _tensors_in(value)
    return found


def _symbol_in(expression: str) -> str:
    found = re.fullmatch(r"Symbol\('(s\d+)', positive=True, integer=True\)", expression)
    if found is None:
        raise BadProgram(
            "the number of rows of its input is an expression; export it with one free dimension"
        )
    return found[1]
