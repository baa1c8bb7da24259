"""Archives of torch.export.save (.pt2), taken apart and packed again without torch.

What is kept: the graph, as `assay.intake.exported_graph` wrote it anew, and the raw bytes of the tensors
that it names. What is left out: sample inputs, which torch unpickles. What is refused: weights and constants
that are pickles, the layout of older torch, compiled libraries, more than one program.

Source: torch/export/pt2_archive/_package.py (2.13), whose `load_pt2` reads what is written here.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.exported_graph import CleanGraph, Weight, rewrite_graph
from assay.intake.exported_json import DTYPES, BadProgram, field, mapping, text
from assay.intake.exported_sizes import tensor_meta
from assay.intake.stored_zip import StoredZip, member_names, under_one_root

__all__ = ["CleanProgram", "looks_like_exported_program", "read_program"]

_MAX_GRAPH, _MAX_WEIGHTS = 64 * 2**20, 16 * 2**30
_GRAPH = "models/model.json"
_WEIGHTS, _CONSTANTS = "data/weights/", "data/constants/"
_LISTS = {_WEIGHTS: "model_weights_config.json", _CONSTANTS: "model_constants_config.json"}
_KNOWN = (
    *("archive_format", "archive_version", "byteorder", "version", ".data/version"),
    *(".data/serialization_id", ".data/alignment", ".format_version", ".storage_alignment"),
    *(_GRAPH, "data/sample_inputs/model.pt"),
)
_ALIGNMENT = 64


class CleanProgram(NamedTuple):
    """A program as it will be loaded."""

    archive: bytes
    """A .pt2 that holds nothing but what Assay wrote; the same program gives the same bytes."""
    graph: CleanGraph
    left_out: tuple[str, ...]
    """Sentences on what was not copied."""


def looks_like_exported_program(path: Path) -> bool:
    """Whether a file is a zip of torch.export.save, by the names inside, old layouts included."""
    names = member_names(path)
    inside = under_one_root(names)
    return ("archive_format" in inside and any(name.startswith("models/") for name in inside)) or (
        "serialized_exported_program.json" in names
    )


def read_program(path: Path, shown: str) -> CleanProgram:
    """Take the program apart and write it anew. Raises BadInput: what is refused, and damage."""
    archive = StoredZip(path, shown)
    try:
        return _Reader(archive).result()
    except BadProgram as problem:
        raise BadInput(f"{shown} is not taken in: {problem}.") from None


class _Reader:
    def __init__(self, archive: StoredZip) -> None:
        self._archive = archive
        roots = {name.partition("/")[0] for name in archive.sizes}
        if "serialized_exported_program.json" in archive.sizes or len(roots) != 1:
            raise BadProgram(
                "it has the layout of torch before 2.8, whose weights are pickles; export it with torch 2.13"
            )
        self._root = roots.pop()
        self._names = {name.partition("/")[2] for name in archive.sizes}
        self._raw: dict[tuple[str, str], tuple[str, int, bytes]] = {}

    def result(self) -> CleanProgram:
        self._check_members()
        graph = rewrite_graph(self._json(_GRAPH))
        lists = {folder: self._list(folder) for folder in _LISTS}
        written: dict[str, dict[str, Any]] = {folder: {} for folder in _LISTS}
        for weight in graph.weights:
            in_state = weight.kind == "parameter" or (weight.kind == "buffer" and weight.persistent)
            folder = _WEIGHTS if in_state else _CONSTANTS
            written[folder][weight.written] = self._payload(weight, folder, lists[folder])
        left_out = ["Its sample inputs, which torch would unpickle, were left out."]
        spare = sum(len(entries) for entries in lists.values()) - len(graph.weights)
        if spare:
            left_out.append(f"{spare:,} tensors that the graph does not use were left out.")
        if extra := sorted(name for name in self._names if name.startswith("extra/")):
            left_out.append(f"{len(extra):,} extra files were left out.")
        return CleanProgram(self._packed(graph, written), graph, tuple(left_out))

    def _check_members(self) -> None:
        for name in sorted(self._names):
            shown = visible(name[:80])
            if name.endswith((".so", ".o", ".cpp", ".cubin", ".ptx")) or "aotinductor" in name:
                raise BadProgram(f"it holds a compiled library ({shown}), which is code")
            if name.startswith((_WEIGHTS, _CONSTANTS)) and name.endswith(".pt"):
                raise BadProgram(f"its {shown} is a pickle in an older layout; export it with torch 2.13")
            if name.startswith("models/") and name != _GRAPH:
                raise BadProgram(f"it holds more than one program ({shown}); save one")
            known = name in _KNOWN or name.startswith((_WEIGHTS, _CONSTANTS, "extra/", "data/sample_inputs/"))
            if not known:
                raise BadProgram(f"it holds {shown}, which torch.export.save does not write")
        if self._read("archive_format", 16) != b"pt2" or self._read("archive_version", 16) != b"0":
            raise BadProgram("its archive is of a format or version that is not read")
        if "byteorder" in self._names and self._read("byteorder", 16) != b"little":
            raise BadProgram("it was saved on a big-endian machine")
        if _GRAPH not in self._names:
            raise BadProgram("it holds no program")

    def _read(self, name: str, limit: int) -> bytes:
        return self._archive.read(f"{self._root}/{name}", limit)

    def _json(self, name: str) -> Any:
        try:
            return json.loads(
                self._read(name, _MAX_GRAPH), object_pairs_hook=_unique, parse_constant=_no_constant
            )
        except (ValueError, RecursionError):
            raise BadProgram(f"its {visible(name)} is not JSON") from None

    def _list(self, folder: str) -> Mapping[str, Any]:
        name = folder + _LISTS[folder]
        if name not in self._names:
            raise BadProgram(f"it lacks {name}: an older layout, whose weights are pickles")
        found = mapping(field(self._json(name), "config"))
        for tensor, entry in found.items():
            if field(entry, "use_pickle") is not False:
                raise BadProgram(
                    f'its "{visible(tensor[:60])}" is stored as a pickle, which torch would run on loading'
                )
        return found

    def _payload(self, weight: Weight, folder: str, listed: Mapping[str, Any]) -> dict[str, Any]:
        """An entry of the list that is written, after proving that its bytes hold the tensor."""
        shown = visible(weight.name[:60])
        entry = field(listed, weight.name)
        source = text(field(entry, "path_name"), 100)
        meta = tensor_meta(field(entry, "tensor_meta"), None)
        kind, size = meta["dtype"], DTYPES[meta["dtype"]]
        if (folder, source) not in self._raw:
            name = folder + source
            if name not in self._names or name.endswith(".json"):
                raise BadProgram(f'the bytes of its "{shown}" are missing')
            content = self._read(name, _MAX_WEIGHTS)
            label = "weight_" if folder == _WEIGHTS else "tensor_"
            number = sum(1 for place, _ in self._raw if place == folder)
            self._raw[folder, source] = (f"{label}{number}", kind, content)
        written, first_kind, content = self._raw[folder, source]
        sizes, strides = ([part["as_int"] for part in meta[key]] for key in ("sizes", "strides"))
        elements, offset = math.prod(sizes), meta["storage_offset"]["as_int"]
        last = offset + sum((count - 1) * step for count, step in zip(sizes, strides, strict=True))
        held = len(content) // size
        fits = len(content) % size == 0 and elements <= held and last < held
        if first_kind != kind or (elements and not fits) or (not elements and content):
            raise BadProgram(
                f'its "{shown}" of shape {tuple(sizes[:8])} does not fit the {len(content):,} bytes it has'
            )
        return {
            "path_name": written,
            "is_param": weight.kind == "parameter",
            "use_pickle": False,
            "tensor_meta": meta,
        }

    def _packed(self, graph: CleanGraph, lists: Mapping[str, Any]) -> bytes:
        content: list[tuple[str, bytes]] = [
            (folder + written, raw) for (folder, _), (written, _, raw) in self._raw.items()
        ]
        content += [(folder + _LISTS[folder], _as_json({"config": lists[folder]})) for folder in _LISTS]
        content += [
            (_GRAPH, _as_json(graph.document)),
            ("data/sample_inputs/model.pt", b""),
            ("archive_format", b"pt2"),
            ("archive_version", b"0"),
            (".data/version", b"6\n"),
            ("byteorder", b"little"),
        ]
        sink = io.BytesIO()
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
            for name, data in content:
                archive.writestr(_aligned(f"model/{name}", sink.tell()), data)
        return sink.getvalue()


def _aligned(name: str, place: int) -> zipfile.ZipInfo:
    """A member whose bytes begin at a multiple of 64, as torch lays them out, with a fixed date."""
    member = zipfile.ZipInfo(name)
    start = place + 30 + len(name.encode())
    gap = -start % _ALIGNMENT
    if gap < 4:
        gap += _ALIGNMENT
    member.extra = b"FB" + (gap - 4).to_bytes(2, "little") + bytes(gap - 4)
    return member


def _as_json(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(name)
