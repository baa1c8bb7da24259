"""Things that act as soon as they are unpickled: they leave `RAN` in their folder."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["Acts", "MovesIn", "pickled", "torch_saved"]


class Acts:
    """Touches RAN through a function of the standard library."""

    def __init__(self, folder: Path) -> None:
        self.mark = str(folder / "RAN")

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (Path(self.mark),)


class MovesIn:
    """Runs a text of Python."""

    def __init__(self, folder: Path) -> None:
        self.code = f"open({str(folder / 'RAN')!r}, 'w').close()"

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return exec, (self.code,)


def pickled(folder: Path, protocol: int = 4, what: type[Any] = Acts) -> bytes:
    return pickle.dumps(what(folder), protocol=protocol)


def torch_saved(what: Any, **options: Any) -> bytes:
    import torch

    sink = io.BytesIO()
    torch.save(what, sink, **options)
    return sink.getvalue()
