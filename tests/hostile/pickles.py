"""Pickles that act when they are opened, in every protocol and packing, under every name."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from tests.hostile.case import Hostile
from tests.hostile.payload import Acts, MovesIn, pickled, torch_saved

__all__ = ["CASES"]

_NEVER = "never opens pickles"


def _file(name: str, content: Callable[[Path], bytes]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content(folder))
        return path

    return make


def _zipped(folder: Path, *names: str, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", method) as archive:
        for name in names:
            archive.writestr(name, pickled(folder, 2))
    return sink.getvalue()


def _tarred(folder: Path) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        content = pickled(folder)
        member = tarfile.TarInfo("storages")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return sink.getvalue()


def _in_a_folder(folder: Path) -> Path:
    model = folder / "model"
    model.mkdir()
    (model / "pytorch_model.bin").write_bytes(pickled(folder))
    return model


def _whole_module(folder: Path) -> bytes:
    from torch import nn

    class Module(nn.Module):
        def __reduce__(self):  # type: ignore[no-untyped-def, override]
            return Acts(folder).__reduce__()

    return torch_saved(Module())


CASES = (
    *(
        Hostile(f"protocol {protocol}", _file("model.pkl", lambda f, p=protocol: pickled(f, p)), _NEVER)  # type: ignore[misc]
        for protocol in range(6)
    ),
    Hostile("exec", _file("model.pkl", lambda f: pickled(f, what=MovesIn)), _NEVER),
    Hostile("called json", _file("model.json", pickled), _NEVER),
    Hostile("called safetensors", _file("model.safetensors", pickled), _NEVER),
    Hostile("called onnx", _file("model.onnx", pickled), _NEVER),
    Hostile("gzip", _file("model.pkl.gz", lambda f: gzip.compress(pickled(f))), _NEVER),
    Hostile("zlib", _file("model.joblib", lambda f: zlib.compress(pickled(f))), _NEVER),
    Hostile("bzip2", _file("model.pkl.bz2", lambda f: bz2.compress(pickled(f))), "bzip2"),
    Hostile("xz", _file("model.pkl.xz", lambda f: lzma.compress(pickled(f))), "an xz archive"),
    Hostile("gzip in gzip", _file("m.gz", lambda f: gzip.compress(gzip.compress(pickled(f)))), "compressed"),
    Hostile("tar", _file("model.tar", _tarred), "a tar archive"),
    Hostile("zip", _file("model.zip", lambda f: _zipped(f, "model.pkl")), "a zip archive"),
    Hostile("as a table", _file("data.csv", pickled), "a Python pickle", "data"),
    Hostile("as a table, gzip", _file("data.csv.gz", lambda f: gzip.compress(pickled(f))), "pickle", "data"),
    Hostile("in a folder", _in_a_folder, r"pytorch_model\.bin is a Python pickle"),
    Hostile("torch.save", _file("model.pt", lambda f: torch_saved({"weight": Acts(f)})), "."),
    Hostile(
        "torch.save, old layout",
        _file("model.pt", lambda f: torch_saved({"w": Acts(f)}, _use_new_zipfile_serialization=False)),
        "could run code",
    ),
    Hostile("torch.save of a module", _file("model.pt", _whole_module), "."),
    Hostile(
        "TorchScript",
        _file("model.pt", lambda f: _zipped(f, "m/constants.pkl", "m/code/x.py")),
        "TorchScript",
    ),
    Hostile("objects in an npz", _file("data.npz", lambda f: _object_array(f)), "Python objects", "data"),
)


def _object_array(folder: Path) -> bytes:
    import numpy as np

    sink = io.BytesIO()
    np.savez(sink, images=np.array([Acts(folder)], dtype=object))
    return sink.getvalue()
