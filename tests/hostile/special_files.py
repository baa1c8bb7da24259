"""Paths that are no files: links out of the folder, pipes, devices, sockets; and crowds of files."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.hostile.case import Hostile
from tests.models.made import linear_folder, number

__all__ = ["CASES"]


def _model(spoil: Callable[[Path], Any]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        model = linear_folder(folder / "model", [number("x")], [1.0])
        spoil(model)
        return model

    return make


def _pictures(spoil: Callable[[Path], Any]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        from PIL import Image

        (folder / "pictures" / "cat").mkdir(parents=True)
        Image.new("L", (4, 4)).save(folder / "pictures" / "cat" / "a.png")
        spoil(folder / "pictures" / "cat")
        return folder / "pictures"

    return make


def _link(folder: Path, to: str) -> Path:
    path = folder / "thing"
    path.symlink_to(to)
    return path


def _pipe(folder: Path) -> Path:
    os.mkfifo(folder / "thing")
    return folder / "thing"


def _socket(folder: Path) -> Path:
    # A name of its own, since a socket's path may have 108 characters only.
    with socket.socket(socket.AF_UNIX) as made:
        here = os.open(".", os.O_RDONLY)
        os.chdir(folder)
        try:
            made.bind("thing")
        finally:
            os.fchdir(here)
            os.close(here)
    return folder / "thing"


def _replaced_by_a_link(model: Path) -> None:
    (model / "signature.json").unlink()
    (model / "signature.json").symlink_to("/etc/passwd")


def _deep(model: Path) -> None:
    for _ in range(150):
        model = model / "d"
        model.mkdir()
    (model / "f").touch()


CASES = (
    Hostile("a link as a model", lambda folder: _link(folder, "/etc/passwd"), "is a link"),
    Hostile("a link to itself", lambda folder: _link(folder, "thing"), "is a link"),
    Hostile("a link to itself as data", lambda folder: _link(folder, "thing"), "cannot be read", "data"),
    Hostile("a pipe as a model", _pipe, "no regular file"),
    Hostile("a pipe as data", _pipe, "no regular file", "data"),
    Hostile("a socket as a model", _socket, "no regular file"),
    Hostile("a socket as data", _socket, "no regular file", "data"),
    Hostile("a device as a model", lambda _: Path("/dev/zero"), "no regular file"),
    Hostile("a device as data", lambda _: Path("/dev/zero"), "no regular file", "data"),
    Hostile("a link inside a model", _model(_replaced_by_a_link), "is a link"),
    Hostile("a folder that is a link", _model(lambda m: (m / "more").symlink_to("/etc")), "is a link"),
    Hostile("a pipe inside a model", _model(lambda m: os.mkfifo(m / "pipe")), "no regular file"),
    Hostile(
        "thousands of folders", _model(lambda m: [(m / f"{i}").mkdir() for i in range(2_001)]), "folders deep"
    ),
    Hostile("folders in folders", _model(_deep), "folders deep"),
    Hostile("code beside the weights", _model(lambda m: (m / "modeling.py").write_text("1")), "holds code"),
    Hostile("a library beside them", _model(lambda m: (m / "a.SO").write_bytes(b"")), "holds code"),
    Hostile("a versioned library", _model(lambda m: (m / "liba.so.1").write_bytes(b"")), "holds code"),
    Hostile(
        "a link to a picture",
        _pictures(lambda c: (c / "b.png").symlink_to("/etc/passwd")),
        "is a link",
        "data",
    ),
    Hostile("a pipe among pictures", _pictures(lambda c: os.mkfifo(c / "b.png")), "no regular file", "data"),
)
