"""Where the zoo lives: built once for each version of the code that makes it, whole or not at all."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

__all__ = ["CACHE", "NotHere", "cached", "code_key", "real_data", "real_file"]

CACHE = Path(__file__).parents[2] / ".cache" / "zoo"
_LIBRARIES = ("numpy", "scikit-learn", "torch", "transformers", "xgboost")


class NotHere(LookupError):
    """What this part of the zoo is made from is not on this machine; the message says what to do."""


def real_data() -> Path | None:
    """The folder of real data, where ASSAY_REAL_DATA names one."""
    folder = os.environ.get("ASSAY_REAL_DATA")
    return Path(folder) if folder else None


def real_file(*parts: str) -> Path:
    """A file of the real data. Raises NotHere."""
    folder = real_data()
    if folder is None:
        raise NotHere(f"{parts[0]}: ASSAY_REAL_DATA is not set")
    path = folder.joinpath(*parts)
    if not path.is_file():
        raise NotHere(f"{'/'.join(parts)} is not in the folder that ASSAY_REAL_DATA names")
    return path


def code_key(modules: Sequence[str], files: Sequence[Path] = ()) -> str:
    """16 hex digits over the source of the named modules, the libraries' versions, and what `files` hold."""
    found = hashlib.sha256()
    for name in _LIBRARIES:
        found.update(f"{name} {_version(name)}\n".encode())
    # find_spec imports a module's package but not the module, so a key costs no import of torch.
    sources = [Path(str(spec.origin)) for spec in map(find_spec, modules) if spec is not None]
    for path in [*sources, *files]:
        found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()[:16]


def cached(name: str, key: str, make: Callable[[Path], None]) -> Path:
    """The folder `CACHE/name-key`; `make(folder)` fills it at the first call.

    It appears under its name by a rename once it is whole, and a lock keeps a second process waiting
    rather than building the same thing twice.
    """
    final = CACHE / f"{name}-{key}"
    if final.is_dir():
        return final
    CACHE.mkdir(parents=True, exist_ok=True)
    with _locked(CACHE / f"{name}.lock"):
        if final.is_dir():
            return final
        unfinished = CACHE / f".{name}-{key}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        make(unfinished)
        unfinished.rename(final)
    return final


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an advisory lock; the system frees it when a builder is killed."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
