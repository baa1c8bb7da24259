"""A tripwire: what in a model's files is odd enough to be told, whatever the gate decides.

It gives no permission and takes none: the gate refuses or lets in by content, and everything loads in the
sandbox. What is found here is stored with the verdict and printed in every report, for a reader to ask about.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from assay.datasets.values import visible
from assay.intake.foreign_models import foreign_model

__all__ = ["scan_files"]

_MOST = 20
_TEXT = 1 << 20
"""Bytes of a file that are read as text."""
_DEEP = 256 * 2**20
"""Bytes of a file that are searched for programs."""
_CHUNK = 4 * 2**20
_WORDS = (
    *(
        "__import__",
        "__reduce__",
        "__globals__",
        "__subclasses__",
        "os.system",
        "subprocess.",
        "eval(",
        "exec(",
    ),
    *("base64.b64decode", "/bin/sh", "/bin/bash", "powershell", "/etc/passwd", "curl http", "wget http"),
    *("<script", "javascript:", "nc -e", "LD_PRELOAD"),
)
_VOCABULARIES = re.compile(r"^(tokenizer\.json|vocab\..*|merges\.txt|.*\.(model|tiktoken|spm))$")
"""Their entries are pieces of whatever was read, code included."""
_URL = re.compile(r"https?://([A-Za-z0-9.-]{1,80})")
_PROGRAMS: tuple[tuple[bytes, str], ...] = (
    (b"\x7fELF\x02\x01\x01", "a Linux program"),
    (b"\x7fELF\x01\x01\x01", "a Linux program"),
    (b"This program cannot be run in DOS mode", "a Windows program"),
    (b"\xcf\xfa\xed\xfe\x07\0\0\x01", "a macOS program"),
    (b"\xcf\xfa\xed\xfe\x0c\0\0\x01", "a macOS program"),
    (b"#!/bin/", "a shell script"),
    (b"#!/usr/bin/", "a script"),
)
_OVERLAP = max(len(magic) for magic, _ in _PROGRAMS) - 1


def scan_files(files: Iterable[tuple[str, Path]]) -> tuple[str, ...]:
    """Sentences on the files of a model (relative name, path), in the order of their names; at most 20.

    A file that cannot be read is none of the tripwire's business.
    """
    found: list[str] = []
    for relative, path in files:
        try:
            found.extend(_scan(relative, path))
        except OSError:
            continue
    if len(found) > _MOST:
        found[_MOST - 1 :] = [f"{len(found) - _MOST + 1:,} more findings of these kinds."]
    return tuple(found)


def _scan(relative: str, path: Path) -> Iterator[str]:
    name = visible(relative)[:120]
    if any(part.startswith(".") for part in Path(relative).parts):
        yield f"{name} is a hidden file."
    seems = foreign_model(path)
    if seems is not None and "pickle" in seems.what:
        yield f"{name} is {seems.what}; it was not opened."
    program = _program_in(path)
    if program is not None:
        yield f"{name} holds {program[1]}, at byte {program[0]:,}; nothing ran it."
    if _VOCABULARIES.match(path.name):
        return
    with path.open("rb") as file:
        text = file.read(_TEXT).decode("utf-8", "replace")
    words = [word for word in _WORDS if word in text]
    if words:
        yield f"{name} holds words of code or commands: {', '.join(words[:5])}."
    hosts = list(dict.fromkeys(_URL.findall(text)))
    if hosts and path.suffix == ".json":
        more = f" and {len(hosts) - 3:,} more" if len(hosts) > 3 else ""
        yield f"{name} names addresses ({', '.join(hosts[:3])}{more}); none was opened."


def _program_in(path: Path) -> tuple[int, str] | None:
    """Place and kind of the first program in the file."""
    tail, before = b"", 0
    with path.open("rb") as file:
        while before < _DEEP and (piece := file.read(_CHUNK)):
            held = tail + piece
            places = [(held.find(magic), what) for magic, what in _PROGRAMS]
            here = sorted(each for each in places if each[0] >= 0)
            if here:
                return before - len(tail) + here[0][0], here[0][1]
            before += len(piece)
            tail = held[-_OVERLAP:]
    return None
