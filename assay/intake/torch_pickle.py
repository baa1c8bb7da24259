"""The pickle in a checkpoint of torch.save, read without running any of it.

A pickle is a program. This is a small machine of our own for the few instructions and names that a file of
tensors needs; it builds descriptions, never objects, and refuses everything else by name. Python's and
torch's unpicklers are not used: there is no second reader that could read the same bytes otherwise.

Source: Python's Lib/pickletools.py (instructions); torch/serialization.py, torch/_utils.py (2.13) (names).
"""

from __future__ import annotations

import pickletools  # reads the instructions, runs none
from dataclasses import dataclass
from io import BytesIO
from typing import Any, NamedTuple, NoReturn

from assay.datasets.values import visible
from assay.errors import BadInput

__all__ = ["ITEM_BYTES", "MAX_PICKLE", "Storage", "StoredTensor", "read_pickle"]

MAX_PICKLE = 32 * 2**20
_MAX_STEPS = 5_000_000
_MAX_TEXT = 4_096

ITEM_BYTES = {
    **{"float32": 4, "float16": 2, "bfloat16": 2, "float64": 8},
    **{"int64": 8, "int32": 4, "int16": 2, "int8": 1, "uint8": 1, "bool": 1},
}
"""Bytes of one number, by the name of its type."""
_STORAGES = {
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "DoubleStorage": "float64",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}


class Storage(NamedTuple):
    """A run of numbers that lies elsewhere in the file under `key`."""

    dtype: str
    key: str
    elements: int


class StoredTensor(NamedTuple):
    """A view of a storage; sizes and strides in elements, all proven to lie inside it."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def elements(self) -> int:
        count = 1
        for size in self.shape:
            count *= size
        return count


@dataclass(frozen=True)
class _Named:
    """A name of the fixed list that a pickle may mention, to be called or to stand for itself."""

    name: str


_MARK = object()
_CALLED = (
    "collections.OrderedDict",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
    "torch.Size",
    "torch.device",
)
_KNOWN = frozenset(
    (
        *_CALLED,
        *(f"torch.{name}" for name in _STORAGES),
        *(f"torch.{name}" for name in ITEM_BYTES),
    )
)
_KEPT_AS_THEY_ARE = frozenset(
    [
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG1",
        "BINFLOAT",
        "SHORT_BINBYTES",
        "BINBYTES",
    ]
)
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}


class _Refused(Exception):
    """What is wrong with the pickle, as the end of a sentence."""


def read_pickle(content: bytes, shown: str, start: int = 0) -> tuple[Any, int]:
    """What one pickle describes, and where it ends.

    Returns:
        dicts, lists, tuples, texts, numbers, None, and `StoredTensor`s; the place after its last byte.

    Raises BadInput: an instruction or a name that weights do not need, or damage.
    """
    source = BytesIO(content)
    source.seek(start)
    machine = _Machine()
    try:
        for step, (instruction, argument, _) in enumerate(pickletools.genops(source)):
            if step > _MAX_STEPS:
                raise _Refused(f"it has more than {_MAX_STEPS:,} instructions")
            if instruction.name == "STOP":
                return machine.result(), source.tell()
            machine.step(instruction.name, argument)
        raise _Refused("it does not end")
    except _Refused as problem:
        raise BadInput(f"{shown} is not taken in: {problem}.") from None
    except (ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError, RecursionError):
        raise BadInput(f"{shown} is not taken in: its pickle is damaged; save it again.") from None


class _Machine:
    """A stack and a memo, as pickle has them."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def result(self) -> Any:
        if len(self._stack) != 1:
            raise ValueError
        return self._stack[0]

    def step(self, name: str, argument: Any) -> None:
        stack = self._stack
        if name in _KEPT_AS_THEY_ARE:
            if isinstance(argument, str | bytes) and len(argument) > _MAX_TEXT:
                raise _Refused(f"its pickle holds a text of {len(argument):,} characters")
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(self._memo[argument])
        elif name in ("BINPUT", "LONG_BINPUT"):
            self._memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = stack[-1]
        elif name == "MARK":
            stack.append(_MARK)
        elif name in ("PROTO", "FRAME"):
            pass
        elif name == "GLOBAL":
            module, _, attribute = argument.partition(" ")
            stack.append(_named(module, attribute))
        elif name == "STACK_GLOBAL":
            attribute, module = self._pop(), self._pop()
            stack.append(_named(module, attribute))
        elif name == "BINPERSID":
            stack.append(_storage(self._pop()))
        else:
            self._build(name)

    def _build(self, name: str) -> None:
        """Instructions that make containers, or call."""
        stack = self._stack
        if name == "EMPTY_DICT":
            stack.append({})
        elif name == "EMPTY_LIST":
            stack.append([])
        elif name == "EMPTY_TUPLE":
            stack.append(())
        elif name == "TUPLE":
            stack.append(tuple(self._to_mark()))
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            parts = [self._pop() for _ in range(int(name[-1]))]
            stack.append(tuple(reversed(parts)))
        elif name == "SETITEM":
            value, key = self._pop(), self._pop()
            _put(stack[-1], [key, value])
        elif name == "SETITEMS":
            pairs = self._to_mark()
            _put(stack[-1], pairs)
        elif name in ("APPEND", "APPENDS"):
            more = self._to_mark() if name == "APPENDS" else [self._pop()]
            if type(stack[-1]) is not list:
                raise ValueError
            stack[-1].extend(more)
        elif name == "REDUCE":
            arguments, called = self._pop(), self._pop()
            stack.append(_call(called, arguments))
        elif name == "BUILD":
            self._pop()  # attributes of a dict, such as a state dict's _metadata: no weights
            if type(stack[-1]) is not dict:
                raise _Refused("its pickle sets the state of an object, which only code needs")
        else:
            raise _Refused(f"its pickle has the instruction {name}, which weights do not need")

    def _pop(self) -> Any:
        found = self._stack.pop()
        if found is _MARK:
            raise ValueError
        return found

    def _to_mark(self) -> list[Any]:
        found: list[Any] = []
        while (item := self._stack.pop()) is not _MARK:
            found.append(item)
        return found[::-1]


def _put(target: Any, pairs: list[Any]) -> None:
    if type(target) is not dict or len(pairs) % 2:
        raise ValueError
    for key, value in zip(pairs[::2], pairs[1::2], strict=True):
        if not isinstance(key, str | int | float | bool | None):
            raise _Refused("its pickle has a dict whose keys are neither texts nor numbers")
        target[key] = value


def _named(module: Any, attribute: Any) -> _Named:
    if not isinstance(module, str) or not isinstance(attribute, str):
        raise ValueError
    name = f"{module}.{attribute}"
    if name not in _KNOWN:
        raise _Refused(
            f'its pickle names "{visible(name[:120])}", which is none of the few names that weights need; '
            "opening it elsewhere could run code. Where you trust it, save its state_dict() only, or run "
            "assay convert"
        )
    return _Named(name)


def _storage(told: Any) -> Storage:
    """A persistent id: ("storage", type, key, location, elements[, view])."""
    if not isinstance(told, tuple) or len(told) not in (5, 6) or told[0] != "storage":
        raise _Refused("its pickle refers to something that is no storage of numbers")
    kind = told[1].name.removeprefix("torch.") if isinstance(told[1], _Named) else ""
    if kind not in _STORAGES or not isinstance(told[2], str):
        raise _Refused("its pickle refers to something that is no storage of numbers")
    if len(told) == 6 and told[5] is not None:
        raise _Refused("its storages are views of others, as torch wrote them before 2018; save it again")
    return Storage(_STORAGES[kind], told[2], _size(told[4]))


def _call(called: Any, arguments: Any) -> Any:
    if not isinstance(called, _Named) or not isinstance(arguments, tuple) or called.name not in _CALLED:
        raise _Refused("its pickle calls something that weights do not need")
    if called.name == "collections.OrderedDict":
        found: dict[Any, Any] = {}
        if arguments:
            for key, value in arguments[0]:
                _put(found, [key, value])
        return found
    if called.name == "torch._utils._rebuild_parameter":
        if not isinstance(arguments[0], StoredTensor):
            raise ValueError
        return arguments[0]
    if called.name == "torch.Size":
        return tuple(_size(size) for size in arguments[0])
    if called.name == "torch.device":
        return str(arguments[0])[:40]
    return _tensor(*arguments[:4])


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any) -> StoredTensor:
    if not isinstance(storage, Storage) or not isinstance(shape, tuple) or not isinstance(stride, tuple):
        raise ValueError
    sizes, steps = tuple(map(_size, shape)), tuple(map(_size, stride))
    found = StoredTensor(storage, _size(offset), sizes, steps)
    if len(sizes) != len(steps) or len(sizes) > 8:
        raise ValueError
    last = sum((size - 1) * step for size, step in zip(sizes, steps, strict=True))
    if found.elements and (found.offset + last >= storage.elements or found.elements > storage.elements):
        _lies(found)
    return found


def _lies(tensor: StoredTensor) -> NoReturn:
    raise _Refused(
        f"it has a tensor of shape {tensor.shape[:8]} over a storage of {tensor.storage.elements:,} numbers, "
        "which cannot hold it; the file lies about its sizes"
    )


def _size(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**48:
        raise _Refused("its pickle holds a size that is no whole number from 0 up")
    return value
