"""What produced the evidence: code, packages, machine. No paths, no names of people or hosts."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePath

__all__ = ["code_sha256", "command_without_folders", "hardware", "package_versions"]

_PACKAGES = (
    "numpy",
    "scipy",
    "pyarrow",
    "pydantic",
    "typst",
    "pyHanko",
    "pikepdf",
    "cryptography",
)


def code_sha256() -> str:
    """SHA-256 over the installed package's own files: sorted relative names and contents."""
    root = Path(__file__).parent
    total = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            total.update(path.relative_to(root).as_posix().encode() + b"\0")
            total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def package_versions() -> dict[str, str]:
    """Versions of the libraries that results and reports depend on."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def hardware() -> dict[str, str]:
    """Processor, cores and memory, as far as the system tells."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "machine": platform.machine(),
        "cores": str(os.cpu_count()),
        "memory": f"{memory:.0f} GB",
        "accelerator": "none used",
    }


def command_without_folders(arguments: Sequence[str]) -> tuple[str, ...]:
    """The command as typed, with folders cut off every path, so that reports carry no machine paths."""
    return tuple(
        PurePath(word).name
        if os.sep in word and not word.startswith("-")
        else word.rpartition(os.sep)[2]
        if os.sep in word
        else word
        for word in arguments
    )
