"""From an owner's model to a folder that `assay audit` takes; the owner's own code runs here."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from assay import __version__
from assay.contracts import Lineage, ModelRequest, ModelSignature
from assay.conversion.networks import write_network
from assay.conversion.request import ConvertRequest, Written
from assay.conversion.signatures import with_data
from assay.conversion.trees import is_trees, write_trees
from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.gate import Surroundings
from assay.intake.model_files import folder_digest

__all__ = ["convert"]

_OF_A_SCRIPT = re.compile(r"Can't get attribute '([\w.]{1,80})' on <module '(?:assay\.)?__main__'")
"""What unpickling says of a class that was defined in the program itself."""


def convert(request: ConvertRequest) -> Written:
    """Open what the owner trusts, write it so that nothing in it can run, and let it in through the gate.

    Raises BadInput: what it is, why it is not converted, and what would be right; then nothing is written.
    """
    if request.out.exists() and (not request.out.is_dir() or any(request.out.iterdir())):
        raise BadInput(f"{request.out} is there already and not empty; name a new folder with --out.")
    model, came_as = _opened(request)
    with tempfile.TemporaryDirectory() as scratch:
        begun = replace(request, out=Path(scratch) / "begun" / request.out.resolve().name)
        found = _written(model, came_as, begun, Path(scratch))
        shutil.copytree(begun.out, request.out, dirs_exist_ok=True)
    return replace(found, folder=request.out)


def _written(model: Any, came_as: str, request: ConvertRequest, scratch: Path) -> Written:
    classes: tuple[str, ...] = ()
    if is_trees(model):
        found, classes = write_trees(model, came_as, request)
    elif _is_a("sklearn", model):
        found = _sklearn(model, came_as, request)
    elif _is_a("torch", model) and hasattr(model, "state_dict"):
        found = write_network(model, came_as, request, scratch)
    elif isinstance(model, dict):
        raise BadInput(
            "This is a dict of weights, which needs no conversion: give it to assay audit --model as it is, "
            "where its architecture is Assay's own, or name your own class as module:attribute with "
            "--checkpoint."
        )
    else:
        kind = f"{type(model).__module__}.{type(model).__qualname__}"
        raise BadInput(
            f"This is a {kind}; what is converted are models of scikit-learn, XGBoost, LightGBM and torch. "
            "Audit its predictions with --scores."
        )
    return _finished(found, classes, request, scratch)


def _finished(found: Written, classes: tuple[str, ...], request: ConvertRequest, scratch: Path) -> Written:
    """Signature and lineage beside the model, and the gate's word that it is let in."""
    own = found.folder / "signature.json"
    if found.signature is not None:
        own.write_text(_text(found.signature))
    elif request.signature is not None:
        own.write_text(_text(request.signature))
    (found.folder / "lineage.json").write_text(_lineage(found, request).model_dump_json(indent=1) + "\n")
    model = _let_in(found.folder, scratch)
    signature: ModelSignature = model.signature
    said: list[str] = []
    if not own.exists() or request.signature is None:
        if classes and len(classes) == len(signature.classes):
            signature = signature.model_copy(update={"classes": classes})
        signature, said = with_data(signature, request, scratch)
        own.write_text(_text(signature))
        model = _let_in(found.folder, scratch)
    notes = [*found.notes, *(note for note in model.notes if "came without a signature" not in note), *said]
    facts = {
        "format": model.facts.format,
        "architecture": model.facts.architecture,
        "trust": model.facts.gate.trust,
    }
    return Written(found.folder, found.came_as, model.signature, notes, facts)


def _let_in(folder: Path, scratch: Path) -> Any:
    """Load what was written as an audit would; the owner, whose process this is, made it a moment ago."""
    from assay.loading import load_model

    request = ModelRequest(path=str(folder), device="cpu")
    return load_model(request, Surroundings(contained=True, scratch=Path(tempfile.mkdtemp(dir=scratch))))


def _opened(request: ConvertRequest) -> tuple[Any, str]:
    path = Path(request.source)
    module, colon, attribute = request.source.partition(":")
    if colon and not path.exists():
        return _imported(module, attribute), f"{request.source}"
    from assay.intake.trusted import open_trusted

    try:
        model, kind = open_trusted(path)
    except BadInput as error:
        if own := _OF_A_SCRIPT.search(str(error.__cause__)):
            raise BadInput(_made_by_a_script(path.name, own[1])) from error
        raise
    return model, kind


def _made_by_a_script(file: str, name: str) -> str:
    return (
        f'{visible(file)} does not open here: its "{visible(name)}" was written in the script that made it '
        "(__main__), and no PYTHONPATH leads there. Move it to a file of its own, such as own.py. Of a "
        'network keep the weights, torch.save(model.state_dict(), "weights.pt"), and run assay convert '
        f"own:{visible(name)} --checkpoint weights.pt; another model make again with what own.py has, and "
        "convert that."
    )


def _imported(module: str, attribute: str) -> Any:
    """The owner's own `module:attribute`, called where it is a class or a function without arguments."""
    sys.path.insert(0, str(Path.cwd()))
    try:
        found: Any = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise BadInput(f"{module}:{attribute} cannot be imported from here: {error}.") from error
    finally:
        sys.path.pop(0)
    if isinstance(found, type) or (
        callable(found) and not hasattr(found, "state_dict") and not _fitted(found)
    ):
        try:
            return found()
        except TypeError as error:
            raise BadInput(
                f"{module}:{attribute} needs arguments ({error}); name a function that makes the model "
                f"without any."
            ) from error
    return found


def _fitted(found: Any) -> bool:
    return hasattr(found, "predict")


def _sklearn(model: Any, came_as: str, request: ConvertRequest) -> Written:
    try:
        import skops.io
    except ModuleNotFoundError as error:
        raise BadInput(
            "Writing a scikit-learn model needs the package skops, which is not installed here: pip "
            "install skops."
        ) from error
    request.out.mkdir(parents=True, exist_ok=True)
    skops.io.dump(model, request.out / "model.skops")
    return Written(request.out, f"{came_as} of scikit-learn", None)


def _is_a(library: str, model: Any) -> bool:
    return any(kind.__module__.partition(".")[0] == library for kind in type(model).__mro__)


def _text(signature: ModelSignature) -> str:
    return signature.model_dump_json(indent=1, by_alias=True) + "\n"


def _lineage(found: Written, request: ConvertRequest) -> Lineage:
    path = Path(request.source)
    here = path.is_file()
    made_with = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in ("torch", "sklearn", "xgboost", "lightgbm", "skops"):
        version = getattr(sys.modules.get(name), "__version__", None)
        if version is not None:
            made_with[name] = str(version)
    return Lineage(
        remedy="convert",
        version=__version__,
        params={"came_as": found.came_as, "to": request.to},
        seed=0,
        parent_sha256=folder_digest(path) if here else None,
        parent_name=path.name if here else os.path.basename(request.source),  # noqa: PTH119
        notes=("Written by assay convert in the environment of the model's owner; Assay did not train it.",),
        made_with=made_with,
    )
