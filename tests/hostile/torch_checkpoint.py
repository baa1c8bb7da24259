"""Checkpoints that would run code, lie about sizes, or tell one reader this and the next one that."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from tests.hostile.case import Hostile
from tests.hostile.zips import edited, members, renamed_locally, resized_centrally, zipped


class Touch:
    """Touches a file when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.place = str(folder / "RAN")

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.open, (self.place, os.O_CREAT | os.O_WRONLY)


class Stored:
    """Stands for a storage in a pickle made by `pickled`."""

    def __init__(self, elements: Any, key: str = "0", kind: Any = torch.FloatStorage) -> None:
        self.told = ("storage", kind, key, "cpu", elements)


class Tensor:
    """Becomes the call that rebuilds a tensor, whatever sizes it claims."""

    def __init__(self, storage: Any, offset: Any, shape: Any, stride: Any) -> None:
        self.arguments = (storage, offset, shape, stride, False, {})

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return torch._utils._rebuild_tensor_v2, self.arguments


class _Pickler(pickle.Pickler):
    def persistent_id(self, what: Any) -> Any:
        return what.told if isinstance(what, Stored) else None


def pickled(document: Any, protocol: int = 2) -> bytes:
    sink = io.BytesIO()
    _Pickler(sink, protocol).dump(document)
    return sink.getvalue()


def saved(what: Any, **options: Any) -> bytes:
    sink = io.BytesIO()
    torch.save(what, sink, **options)
    return sink.getvalue()


def _weights() -> dict[str, torch.Tensor]:
    return {"head.weight": torch.ones(2, 2), "head.bias": torch.zeros(2)}


def _honest() -> bytes:
    return saved(_weights())


def _archive(document: Any, storage: bytes = bytes(16)) -> bytes:
    """A checkpoint around that pickle, with one storage of four floats."""
    return zipped(
        [
            ("archive/data.pkl", document if isinstance(document, bytes) else pickled(document)),
            ("archive/byteorder", b"little"),
            ("archive/data/0", storage),
            ("archive/version", b"3\n"),
        ]
    )


def _old(machine: Any, document: Any, keys: Any, rest: bytes = b"") -> bytes:
    parts = (0x1950A86A20F9469CFC6C, 1001, machine, document, keys)
    return b"".join(pickled(part) for part in parts) + rest


MACHINE = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
HEAD_BIAS = {
    "head.weight": Tensor(Stored(4), 0, (2, 2), (2, 1)),
    "head.bias": Tensor(Stored(4), 0, (2,), (1,)),
}
HEAD = {"head.weight": Tensor(Stored(4), 0, (2, 2), (2, 1))}


def _laughs() -> Any:
    found: list[Any] = []
    for _ in range(60):
        found = [found, found]
    return {"head.weight": found}


def _deep() -> bytes:
    return b"\x80\x02" + b")" + b"\x85" * 200_000 + b"."


def _case(name: str, says: str, make: Callable[[Path], bytes], file: str = "model.pt") -> Hostile:
    def write(folder: Path) -> Path:
        path = folder / file
        path.write_bytes(make(folder))
        return path

    return Hostile(name, write, says)


def _bomb_twice(folder: Path) -> bytes:
    inside = members(_honest())
    root = next(iter(inside)).partition("/")[0]
    bad = (f"{root}/data.pkl", pickled({"w": Touch(folder)}))
    return zipped([*inside.items(), bad])


def _overlapping() -> bytes:
    archive = _archive(HEAD)
    place = archive.rindex(b"archive/byteorder") - 46
    return archive[: place + 42] + bytes(4) + archive[place + 46 :]


def _appended(folder: Path) -> bytes:
    return _honest() + zipped([("archive/data.pkl", pickled({"w": Touch(folder)}))])


CASES = (
    _case("code in data.pkl", r'names "posix\.open"', lambda f: saved({"w": Touch(f)})),
    _case(
        "code in data.pkl, protocol 4",
        r'names "posix\.open"',
        lambda f: saved({"w": Touch(f)}, pickle_protocol=4),
    ),
    _case(
        "code in data.pkl, protocol 0",
        "which weights do not need",
        lambda f: _archive(pickled([Touch(f)], 0)),
    ),
    _case(
        "code in the old layout",
        r'names "posix\.open"',
        lambda f: saved({"w": Touch(f)}, _use_new_zipfile_serialization=False),
    ),
    _case("code where the old layout tells the machine", "posix", lambda f: _old(Touch(f), HEAD, ["0"])),
    _case("code in the old layout's keys", "posix", lambda f: _old(MACHINE, HEAD, Touch(f))),
    _case("a key of a dict that is code", "posix", lambda f: _archive({"a": {"b": [1, (2, Touch(f))]}})),
    _case("code as a storage", "posix", lambda f: _archive({"w": Tensor(Touch(f), 0, (1,), (1,))})),
    _case(
        "a whole module",
        r'names "torch\.nn\.modules\.linear\.Linear".*convert',
        lambda f: saved(nn.Linear(2, 2)),
    ),
    _case(
        "a whole module, old",
        r'names "torch\.nn\.modules\.linear\.Linear"',
        lambda f: saved(nn.Linear(2, 2), _use_new_zipfile_serialization=False),
    ),
    _case(
        "numpy's rebuilding", r'names "numpy', lambda f: saved({"acc": np.float64(0.5), "w": torch.ones(1)})
    ),
    _case("torch.load by name", r'names "torch\.serialization\.load"', lambda f: saved({"w": torch.load})),
    _case(
        "a name that only begins right",
        r'names "torch\._utils',
        lambda f: saved([torch._utils._get_async_or_non_blocking]),
    ),
    _case("the instruction INST", "instruction INST", lambda f: _archive(b"\x80\x02(ios\nsystem\n.")),
    _case(
        "the instruction NEWOBJ",
        "instruction NEWOBJ",
        lambda f: _archive(b"\x80\x02ccollections\nOrderedDict\n)\x81."),
    ),
    _case("the instruction EXT1", "instruction EXT1", lambda f: _archive(b"\x80\x02\x82\x01.")),
    _case("state set on a list", "sets the state", lambda f: _archive(b"\x80\x02]}b.")),
    _case(
        "a name called that is a type",
        "calls something",
        lambda f: _archive(b"\x80\x02ctorch\nFloatStorage\n)R."),
    ),
    _case("a pickle without an end", "damaged|does not end", lambda f: _archive(b"\x80\x02}q\x00")),
    _case("a memo that was never written", "damaged", lambda f: _archive(b"\x80\x02h\x07.")),
    _case(
        "a pickle that goes on",
        "goes on after its end",
        lambda f: _archive(pickled(HEAD) + pickled(Touch(f))),
    ),
    _case("lists that double sixty times", "no tensor|no dict of weights", lambda f: _archive(_laughs())),
    _case("200,000 tuples in one another", "no dict of weights", lambda f: _archive(_deep())),
    _case("a text of 5 MB", "text of 5,000,000 characters", lambda f: _archive({"a" * 5_000_000: 1})),
    _case(
        "a shape that its storage cannot hold",
        "cannot hold it",
        lambda f: _archive({"w": Tensor(Stored(4), 0, (2**20, 2**20), (2**20, 1))}),
    ),
    _case(
        "a huge shape of one number repeated",
        "cannot hold it",
        lambda f: _archive({"w": Tensor(Stored(4), 0, (2**20, 2**20), (0, 0))}),
    ),
    _case(
        "a storage of a million million numbers",
        "far more than the file",
        lambda f: _archive({"head.weight": Tensor(Stored(2**40), 0, (2**20, 2**20), (2**20, 1))}),
    ),
    _case(
        "one storage under a hundred names",
        "repeat one another",
        lambda f: _archive(
            {f"w{i}": Tensor(Stored(250_000), 0, (250_000,), (1,)) for i in range(100)}, bytes(1_000_000)
        ),
    ),
    _case(
        "an offset beyond the storage",
        "cannot hold it",
        lambda f: _archive({"w": Tensor(Stored(4), 2, (2, 2), (2, 1))}),
    ),
    _case(
        "a negative stride", "no whole number", lambda f: _archive({"w": Tensor(Stored(4), 3, (4,), (-1,))})
    ),
    _case(
        "a storage that is shorter than it says",
        "should have 16 bytes",
        lambda f: _archive(HEAD_BIAS, bytes(12)),
    ),
    _case(
        "a storage that is missing", "is missing", lambda f: edited(_archive(HEAD_BIAS), {"*/data/0": None})
    ),
    _case(
        "a storage with another checksum",
        "checksum",
        lambda f: _archive(HEAD_BIAS, b"\x07" * 16).replace(b"\x07" * 16, b"\x08" * 16),
    ),
    _case(
        "a storage's key that leads elsewhere",
        "is missing",
        lambda f: _archive(
            {
                "head.weight": Tensor(Stored(4, "../../x"), 0, (2, 2), (2, 1)),
                "head.bias": Tensor(Stored(4), 0, (2,), (1,)),
            }
        ),
    ),
    _case("a big-endian machine", "big-endian", lambda f: edited(_honest(), {"*/byteorder": b"big"})),
    _case(
        "NaN weights",
        "NaN or infinite",
        lambda f: saved({**_weights(), "head.weight": torch.full((2, 2), torch.nan)}),
    ),
    _case(
        "weights too large for float32",
        "too large",
        lambda f: saved(
            {"head.weight": torch.full((2, 2), 1e300, dtype=torch.double), "head.bias": torch.zeros(2)}
        ),
    ),
    _case(
        "a zip bomb",
        "is compressed",
        lambda f: zipped(
            [("a/data.pkl", pickled(HEAD)), ("a/data/0", bytes(50_000_000))], zipfile.ZIP_DEFLATED
        ),
    ),
    _case("data.pkl twice", "stands in it twice", _bomb_twice),
    _case(
        "another name in the local header",
        "disagree",
        lambda f: renamed_locally(_archive(HEAD), b"archive/data.pkl", b"archive/evil.pkl"),
    ),
    _case(
        "another size in the directory",
        "disagree|compressed|overlaps|beyond",
        lambda f: resized_centrally(_archive(HEAD), b"archive/data.pkl", 20),
    ),
    _case("members that overlap", "overlaps|disagree", lambda f: _overlapping()),
    _case("a name that leads out", "leads out", lambda f: edited(_honest(), {"*/../../x": b"1"})),
    _case("a name with a backslash", "leads out", lambda f: edited(_honest(), {"*/..\\x": b"1"})),
    _case(
        "a second archive after the first", "no torch checkpoint|damaged|does not|disagree|have it", _appended
    ),
    _case("cut short", "damaged|cut short", lambda f: _honest()[:-40]),
    _case(
        "the old layout, cut short",
        "cut short",
        lambda f: saved(_weights(), _use_new_zipfile_serialization=False)[:-6],
    ),
    _case(
        "the old layout, with bytes to spare",
        "bytes to spare",
        lambda f: saved(_weights(), _use_new_zipfile_serialization=False) + b"x" * 9,
    ),
    _case(
        "the old layout, a storage that lies",
        "cut short or lies",
        lambda f: _old(MACHINE, HEAD_BIAS, ["0"], (2**40).to_bytes(8, "little") + bytes(16)),
    ),
)
