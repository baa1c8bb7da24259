"""The first gate for models: what a path is, decided by its content before any library opens it.

A path is admitted (regular files only, few, of bounded size, no code among them), then given to one of the
formats that Assay reads, or refused with what it seems to be and the way out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.foreign_models import Foreign, foreign_model
from assay.intake.model_files import MAX_JSON, model_files, read_json
from assay.intake.xgboost_trees import looks_like_xgboost

__all__ = ["MAX_MODEL", "ModelKind", "admit", "model_kind", "refusal", "xgboost_file"]

ModelKind = Literal["torch_folder", "huggingface", "xgboost_json"]
MAX_MODEL = 64 * 2**30
_SIDE_FILES = ("signature.json", "lineage.json")
_CODE = (".py", ".pyc", ".so", ".dll", ".dylib", ".exe", ".sh")
_MARKS: tuple[tuple[str, Foreign], ...] = (
    (
        "saved_model.pb",
        Foreign(
            "a TensorFlow SavedModel", "Assay does not read it yet; audit its predictions with --scores."
        ),
    ),
    (
        "adapter_config.json",
        Foreign("an adapter without its model", "Merge it (merge_and_unload), then save the whole model."),
    ),
    (
        "MLmodel",
        Foreign("an MLflow folder", "Name the model inside it, if it is of a format that Assay reads."),
    ),
)


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
        if member.suffix.lower() in _CODE:
            raise BadInput(
                f"{name} holds code ({visible(relative)}), which Assay never runs. If the model works "
                "without it, take it out; if not, save it in a format that needs none (`assay formats`)."
            )
        if member.suffix == ".json" and member.stat().st_size > MAX_JSON and not looks_like_xgboost(member):
            raise BadInput(f"{name}/{visible(relative)} has more than {MAX_JSON // 2**20} MB of JSON.")


def model_kind(path: Path) -> ModelKind | None:
    """The built-in format that the content at `path` is of; None for none. Never raises for bad content."""
    if path.is_dir():
        if (path / "architecture.json").is_file() and (path / "model.safetensors").is_file():
            return "torch_folder"
        if _is_transformer(path / "config.json"):
            return "huggingface"
    return "xgboost_json" if xgboost_file(path) is not None else None


def xgboost_file(path: Path) -> Path | None:
    """The XGBoost model.json that the path is, or the only one in the folder."""
    if path.is_file():
        return path if looks_like_xgboost(path) else None
    found = _boosters(path)
    return found[0] if len(found) == 1 else None


def refusal(path: Path) -> BadInput:
    """Why an admitted path is no model that Assay reads, and what would be right."""
    name = visible(path.name)
    if path.is_file():
        found = _seems(path)
        if found is None:
            return BadInput(f"{name} is no model that Assay reads; `assay formats` lists what is.")
        return BadInput(f"{name} is {found.what}. {found.way_out}")
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
    if len(boosters := _boosters(path)) > 1:
        return BadInput(
            f"{name} holds {len(boosters)} XGBoost models "
            f"({', '.join(visible(b.name) for b in boosters[:4])}); name one of them."
        )
    for member in members.values():
        if member.is_file() and member.name not in _SIDE_FILES:
            seems = _seems(member)
            if seems is not None and seems.what != "JSON, but no XGBoost model":
                return BadInput(
                    f"{name} is no model that Assay reads; its {visible(member.name)} is {seems.what}. "
                    f"{seems.way_out}"
                )
    if "signature.json" in members:
        return BadInput(
            f"{name} has a signature.json but no weights that Assay reads; `assay formats` lists which."
        )
    return BadInput(f"{name} is a folder without a model that Assay reads; `assay formats` lists what is.")


def _boosters(path: Path) -> list[Path]:
    return [
        member
        for member in sorted(path.iterdir())
        if member.suffix == ".json"
        and member.name not in _SIDE_FILES
        and member.is_file()
        and looks_like_xgboost(member)
    ]


def _is_transformer(path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        config = read_json(path)
    except BadInput:
        return False
    return isinstance(config, dict) and ("model_type" in config or "architectures" in config)


def _seems(path: Path) -> Foreign | None:
    try:
        return foreign_model(path)
    except OSError as error:
        return Foreign("unreadable", f"{error.strerror or error}.")
