"""The one place where Assay unpickles: `assay convert`, on files that their owner says are trusted.

Opening a pickle runs whatever it says. Nothing else imports this module (a test looks), no service and no
child does, and `assay convert` asks for --trusted first.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.stored_zip import member_names, under_one_root
from assay.intake.torch_saved import LEGACY_MAGIC

__all__ = ["open_trusted"]


def open_trusted(path: Path) -> tuple[Any, str]:
    """The object in a pickle, a joblib file, a file of torch.save or a TorchScript archive; and which it was.

    Runs code of the file. Raises BadInput: none of these, or it does not open here.
    """
    shown = visible(path.name)
    if not path.is_file():
        raise BadInput(
            f"{shown} is no file; give a pickle, a file of joblib.dump or torch.save, or module:attribute."
        )
    with path.open("rb") as file:
        head = file.read(4_096)
    inside = under_one_root(member_names(path))
    try:
        if "constants.pkl" in inside or any(name.startswith("code/") for name in inside):
            import torch

            loaded = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
            return loaded, "TorchScript"
        if "data.pkl" in inside or head.startswith(LEGACY_MAGIC):
            import torch

            return torch.load(path, map_location="cpu", weights_only=False), "torch.save"  # noqa: TID251
        if _pickled(head):
            return _joblib(path), "pickle"
    except (ModuleNotFoundError, AttributeError) as error:
        raise BadInput(
            f"{shown} does not open here: {visible(str(error)[:200])}. Run assay convert where the code is "
            "that made it, or put that on PYTHONPATH."
        ) from error
    except Exception as error:  # a pickle may raise anything
        raise BadInput(
            f"{shown} does not open: {type(error).__name__} {visible(str(error)[:200])}."
        ) from error
    raise BadInput(
        f"{shown} is no pickle, joblib file or file of torch.save; what Assay reads as it is needs no "
        "conversion (assay formats)."
    )


def _joblib(path: Path) -> Any:
    """joblib reads plain pickles, too, and its own compressed ones."""
    try:
        import joblib
    except ModuleNotFoundError:
        import pickle  # noqa: TID251

        with path.open("rb") as file:
            return pickle.load(file)  # noqa: S301
    return joblib.load(path)  # noqa: TID251


def _pickled(head: bytes) -> bool:
    """A pickle of protocol 2 and up, or of 0 and 1, perhaps inside zlib or gzip."""
    for inner in (head, _inflated(head)):
        if inner[:1] == b"\x80" and inner[1:2] <= b"\x05":
            return True
        if inner[:2] in (b"(d", b"(l", b"(i") or (inner[:1] in (b"c", b"]", b"}") and b"\n" in inner):
            return True
    return False


def _inflated(head: bytes) -> bytes:
    window = 31 if head.startswith(b"\x1f\x8b") else 15
    try:
        return zlib.decompressobj(wbits=window).decompress(head, 64)
    except zlib.error:
        return b""
