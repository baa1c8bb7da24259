"""The gate for models: what may come in, decided by content before any library opens it.

A path is admitted (regular files only, few, of bounded size, no code among them) and given to the one format
that recognises it, or refused with what it seems to be and the way out. What is of class B is cleaned first,
in a contained child, and only what cleaning wrote is ever loaded. No error leads to another way of loading.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from assay.contracts import (
    AdapterFormat,
    CleanedFormat,
    GateVerdict,
    ModelFormat,
    ModelRequest,
    ModelSignature,
)
from assay.datasets.values import visible
from assay.errors import BadInput, Internal
from assay.intake.adapter_files import made_for
from assay.intake.foreign_models import Foreign, foreign_model
from assay.intake.lightgbm_trees import looks_like_lightgbm
from assay.intake.limits import MAX_JSON, MAX_MODEL
from assay.intake.mlflow_folder import is_mlflow, model_inside
from assay.intake.model_files import SIDE_FILES, alike, folder_digest, model_files, read_signature
from assay.intake.onnx_graph import looks_like_onnx
from assay.intake.scanner import scan_files
from assay.intake.side_files import check_side_files
from assay.intake.skops_file import looks_like_skops
from assay.intake.xgboost_trees import looks_like_xgboost

__all__ = [
    "CLEANED",
    "MAX_MODEL",
    "Admitted",
    "Surroundings",
    "about",
    "admit",
    "format_of",
    "let_in",
    "refusal",
]

CLEANED = "cleaned"
"""Folder of a scratch folder that cleaning writes below."""
_CODE = re.compile(r"\.(py|pyc|pyd|so(\.\d+)*|dll|dylib|exe|sh|bat|jar)$", re.IGNORECASE)
_SINGLE: tuple[tuple[Callable[[Path], bool], str], ...] = (
    (looks_like_xgboost, "XGBoost"),
    (looks_like_lightgbm, "LightGBM"),
    (looks_like_onnx, "ONNX"),
    (looks_like_skops, "skops"),
)
"""Formats of one file, of which a folder may hold one."""
_MARKS: tuple[tuple[str, Foreign], ...] = (
    (
        "saved_model.pb",
        Foreign(
            "a TensorFlow SavedModel", "Assay does not read it yet; audit its predictions with --scores."
        ),
    ),
)


@dataclass(frozen=True)
class Surroundings:
    """What the process that opens a model offers it. As it stands: nothing, so that class A only comes in."""

    contained: bool = False
    """Whether the sandbox keeps code in: namespaces, Landlock and seccomp are all on."""
    scratch: Path | None = None
    """Where cleaning writes to."""
    ask: Callable[[dict[str, Any], dict[str, Any]], tuple[dict[str, Any], dict[str, Any]]] | None = None
    """Sends a message and arrays to the supervisor, which calls the endpoint; None where there is none."""
    formats: frozenset[str] | None = None
    """Ids of the only formats that may come in; None for all."""


class Admitted(NamedTuple):
    """A model that may be loaded: `path` is what came in (class A) or what cleaning wrote (class B)."""

    path: Path
    format: ModelFormat
    verdict: GateVerdict
    signature: Path | None = None
    """The signature.json that lies beside an MLmodel, for the model inside."""
    base: Path | None = None
    """For an adapter: the model that it changes, which was admitted too."""


def let_in(request: ModelRequest, formats: Sequence[ModelFormat], surroundings: Surroundings) -> Admitted:
    """Decide on the model at `request.path`; the only way to the `load` of one of `formats`.

    Raises:
        BadInput: why it is not let in, and what would be right.
    """
    came = Path(request.path)
    admit(came)
    path, signature, prefix = came, None, ""
    if is_mlflow(came):
        inner = model_inside(
            came, lambda member: format_of(member, formats) is not None, surroundings.scratch
        )
        path, signature, prefix = inner.path, inner.signature, "mlflow."
    found = format_of(path, formats)
    if found is None:
        raise refusal(path, came)
    if surroundings.formats is not None and found.spec.id not in surroundings.formats:
        raise BadInput(
            f"{visible(path.name)} is of the format {found.spec.id}; where the child may start programs or "
            f"use a network, only {' and '.join(sorted(surroundings.formats))} are opened."
        )
    base = _base(request, path, found, formats, surroundings)
    if request.gate is not None:
        return Admitted(path, found, request.gate, signature, base)
    verdict = GateVerdict(
        trust=found.spec.trust,
        came_as=prefix + found.spec.id,
        sha256=folder_digest(came),
        findings=scan_files(model_files(came)),
    )
    if found.spec.trust == "A":
        return Admitted(path, found, verdict, signature, base)
    said_of = request.signature or signature
    override = read_signature(Path(said_of)) if said_of is not None else None
    with about(verdict):
        into, said = _clean(path, found, override, surroundings)
    written = format_of(into, formats)
    if written is None:
        raise Internal(
            f"{found.spec.id} cleaned {visible(path.name)} into something that no format recognises."
        )
    return Admitted(into, written, verdict.model_copy(update={"cleaning": said}), signature)


@contextmanager
def about(verdict: GateVerdict) -> Iterator[None]:
    """Whoever is turned away inside learns the gate's verdict with the reason."""
    try:
        yield
    except BadInput as error:
        if error.gate is None:
            error.gate = verdict.model_dump(mode="json")
        raise


def _base(
    request: ModelRequest,
    path: Path,
    found: ModelFormat,
    formats: Sequence[ModelFormat],
    surroundings: Surroundings,
) -> Path | None:
    """The model that an adapter changes, admitted by the same rules; None for a whole model."""
    name = visible(path.name)
    if not isinstance(found, AdapterFormat):
        if request.base is not None:
            raise BadInput(
                f"{name} is a whole model, of format {found.spec.id}; a base (--base) belongs to adapters."
            )
        return None
    if request.base is None:
        said = made_for(path)
        hint = f' It says it was made for "{said}", which Assay does not fetch.' if said else ""
        raise BadInput(
            f"{name} is an adapter: name the whole model that it changes as its base (--base).{hint}"
        )
    base = Path(request.base)
    admit(base)
    if is_mlflow(base):
        base = model_inside(
            base, lambda member: format_of(member, formats) is not None, surroundings.scratch
        ).path
    below = format_of(base, formats)
    if below is None:
        raise refusal(base)
    if below.spec.id not in found.over:
        raise BadInput(
            f"{visible(base.name)} is of format {below.spec.id}; an adapter of format {found.spec.id} "
            f"changes {' and '.join(found.over)}."
        )
    return base


def _clean(
    path: Path, found: ModelFormat, signature: ModelSignature | None, surroundings: Surroundings
) -> tuple[Path, tuple[str, ...]]:
    """The folder that cleaning wrote, and what it says it did."""
    name = visible(path.name)
    if not isinstance(found, CleanedFormat):
        raise Internal(f"{found.spec.id} is of class B and cleans nothing.")
    if not surroundings.contained or surroundings.scratch is None:
        raise BadInput(
            f"{name} is of the format {found.spec.id}, which is opened only where the sandbox has "
            "namespaces, Landlock and seccomp; this machine's has not. Convert it where you trust it: "
            "assay convert."
        )
    cleaned = surroundings.scratch / CLEANED
    cleaned.mkdir(exist_ok=True)
    into = Path(tempfile.mkdtemp(dir=cleaned)) / (path.stem.strip(".") or "model")
    into.mkdir()
    return into, tuple(found.clean(path, signature, into))


def admit(path: Path) -> None:
    """Raises BadInput: no such path, links, special files, too many or too large files, code among them."""
    name = visible(path.name)
    if path.is_symlink():
        raise BadInput(f"{name} is a link; name the model itself.")
    if not path.exists():
        raise BadInput(f"There is no model {name}.")
    if not path.is_file() and not path.is_dir():
        raise BadInput(f"{name} is no regular file; a model is a file or a folder of files.")
    files = model_files(path)
    if not files:
        raise BadInput(f"{name} is an empty folder; there is no model in it.")
    size = sum(member.stat().st_size for _, member in files)
    if size > MAX_MODEL:
        raise BadInput(f"{name} has {size:,} bytes; models of at most {MAX_MODEL // 2**30} GB are read.")
    for relative, member in files if path.is_dir() else ():
        if _CODE.search(member.name):
            raise _with_class(
                path,
                f"{name} holds code ({visible(relative)}), which Assay never runs. If the model works "
                "without it, take it out; if not, save it in a format that needs none (`assay formats`).",
                "code",
                visible(relative),
            )
        if member.suffix == ".json" and member.stat().st_size > MAX_JSON and not looks_like_xgboost(member):
            raise BadInput(f"{name}/{visible(relative)} has more than {MAX_JSON // 2**20} MB of JSON.")
    if path.is_dir():
        check_side_files(name, files)


def format_of(path: Path, formats: Iterable[ModelFormat]) -> ModelFormat | None:
    """The first of `formats` whose content is at `path`; None for none. Never raises for bad content."""
    return next((found for found in formats if found.recognise(path)), None)


def refusal(path: Path, came: Path | None = None) -> BadInput:
    """Why an admitted path is no model that Assay reads, and what would be right.

    Args:
        came: the MLflow folder that it is in, where it came in one.
    """
    inside = came is not None and came != path
    name = f"{visible(came.name)}/{visible(path.name)}" if inside and came is not None else visible(path.name)
    if path.is_file():
        found = _seems(path)
        if found is None:
            return BadInput(f"{name} is no model that Assay reads; `assay formats` lists what is.")
        said = f"{name} is {found.what}. {found.way_out}"
        return _with_class(came or path, said, found.code, found.what) if found.code else BadInput(said)
    members = {member.name: member for member in sorted(path.iterdir())}
    if "architecture.json" in members or "model.safetensors" in members:
        lacking = [
            wanted
            for wanted in ("model.safetensors", "architecture.json", "signature.json")
            if wanted not in members
        ]
        return BadInput(
            f"{name} looks like a torch_folder but lacks {' and '.join(lacking)}; docs/models.md shows what "
            "belongs in one. (A transformer has a config.json.)"
        )
    for mark, found in _MARKS:
        if mark in members:
            return BadInput(f"{name} is {found.what}. {found.way_out}")
    for looks, kind in _SINGLE:
        if len(several := alike(path, looks)) > 1:
            return BadInput(
                f"{name} holds {len(several)} {kind} models "
                f"({', '.join(visible(one.name) for one in several[:4])}); name one of them."
            )
    for member in members.values():
        if member.is_file() and member.name not in SIDE_FILES:
            seems = _seems(member)
            if seems is not None and seems.what != "JSON, but no XGBoost model":
                said = (
                    f"{name} is no model that Assay reads; its {visible(member.name)} is {seems.what}. "
                    f"{seems.way_out}"
                )
                if seems.code:
                    return _with_class(
                        came or path, said, seems.code, f"{visible(member.name)}: {seems.what}"
                    )
                return BadInput(said)
    if "signature.json" in members:
        return BadInput(
            f"{name} has a signature.json but no weights that Assay reads; `assay formats` lists which."
        )
    return BadInput(f"{name} is a folder without a model that Assay reads; `assay formats` lists what is.")


def _with_class(path: Path, said: str, code: str, finding: str) -> BadInput:
    """A refusal that carries its verdict: class C, and what was noticed."""
    refused = BadInput(said)
    verdict = GateVerdict(trust="C", came_as=code, sha256=folder_digest(path), findings=(finding,))
    refused.gate = verdict.model_dump(mode="json")
    return refused


def _seems(path: Path) -> Foreign | None:
    try:
        return foreign_model(path)
    except OSError as error:
        return Foreign("unreadable", f"{error.strerror or error}.")
