"""What a request makes the child read: named by the supervisor, before anything of it is opened."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from pydantic import BaseModel

from assay.contracts import FileRequest, ModelRequest
from assay.registry import FORMATS, METHODS, REMEDIES

__all__ = ["models_in", "paths_of", "plug_in_paths"]


def models_in(request: BaseModel) -> Iterator[ModelRequest]:
    """Every model that a request names."""
    for part in _parts(request):
        if isinstance(part, ModelRequest):
            yield part


def paths_of(request: BaseModel) -> tuple[str, ...]:
    """Absolute paths of every file and folder that a request names."""
    found: set[str] = set()
    for part in _parts(request):
        if isinstance(part, FileRequest):
            found.add(part.path)
        elif isinstance(part, ModelRequest):
            found.update(path for path in (part.path, part.base, part.signature) if path)
    return tuple(sorted(str(Path(path).absolute()) for path in found))


def _parts(request: BaseModel) -> Iterator[BaseModel]:
    yield request
    for name in type(request).model_fields:
        value = getattr(request, name)
        for item in value if isinstance(value, tuple | list) else (value,):
            if isinstance(item, BaseModel):
                yield from _parts(item)


def plug_in_paths() -> tuple[str, ...]:
    """Where the packages of plug-ins lie: an editable installation keeps them outside site-packages."""
    modules = {name for registry in (FORMATS, METHODS, REMEDIES) for name in registry.modules()}
    found: set[str] = set()
    for top in {name.partition(".")[0] for name in modules} - {"assay"}:
        spec = find_spec(top)
        if spec is not None:
            found.update(spec.submodule_search_locations or [spec.origin] if spec.origin else [])
    return tuple(sorted(found))
