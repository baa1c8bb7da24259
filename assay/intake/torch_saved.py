"""Files of torch.save, in the zip layout (since 1.6) and the one before: names of tensors and their bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.stored_zip import StoredZip, member_names, under_one_root
from assay.intake.torch_pickle import ITEM_BYTES, MAX_PICKLE, Storage, StoredTensor, read_pickle

__all__ = ["LEGACY_MAGIC", "SavedTensors", "looks_like_torch_saved", "read_saved"]

LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""The first pickle of the old layout: one number."""
MAX_BYTES = 16 * 2**30
_MAX_DEPTH = 4
_MAX_TENSORS = 50_000
_USUAL = ("state_dict", "model_state_dict", "model", "net", "network", "weights", "module")
"""Keys under which training scripts keep the weights beside other things, tried in this order."""


class SavedTensors(NamedTuple):
    """The weights in a checkpoint, by name, as they stand in the file."""

    tensors: dict[str, StoredTensor]
    read: Callable[[Storage], bytes]
    """The bytes of a storage, little-endian. Raises BadInput where the file is cut short."""
    notes: tuple[str, ...]


def looks_like_torch_saved(path: Path) -> bool:
    """Whether a file is of torch.save, by its first bytes and the names inside; TorchScript is not."""
    try:
        with path.open("rb") as file:
            if file.read(len(LEGACY_MAGIC)) == LEGACY_MAGIC:
                return True
    except OSError:
        return False
    inside = under_one_root(member_names(path))
    code = "constants.pkl" in inside or any(name.startswith("code/") for name in inside)
    return "data.pkl" in inside and "archive_format" not in inside and not code


def read_saved(path: Path, shown: str) -> SavedTensors:
    """Take a checkpoint apart. Raises BadInput: anything but a dict of tensors, and damage."""
    with path.open("rb") as file:
        legacy = file.read(len(LEGACY_MAGIC)) == LEGACY_MAGIC
    document, read = _old_layout(path, shown) if legacy else _zip_layout(path, shown)
    tensors, where = _weights(document, shown)
    notes = []
    if where:
        notes.append(f'The weights stood under "{where}"; whatever else the checkpoint holds was left out.')
    if all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
        notes.append('The prefix "module." that DataParallel puts before each name was taken off.')
    asked = sum(tensor.elements * ITEM_BYTES[tensor.storage.dtype] for tensor in tensors.values())
    if asked > min(MAX_BYTES, 2 * path.stat().st_size):
        raise BadInput(
            f"{shown} is not taken in: its tensors would have {asked:,} bytes, far more than the file; they "
            "repeat one another."
        )
    return SavedTensors(tensors, read, tuple(notes))


def _zip_layout(path: Path, shown: str) -> tuple[Any, Callable[[Storage], bytes]]:
    archive = StoredZip(path, shown)
    root = next(iter(archive.sizes)).partition("/")[0]
    if archive.sizes.get(f"{root}/byteorder") and archive.read(f"{root}/byteorder", 16) != b"little":
        raise BadInput(f"{shown} was saved on a big-endian machine; save it on a usual one.")
    document, end = read_pickle(archive.read(f"{root}/data.pkl", MAX_PICKLE), shown)
    if end != archive.sizes[f"{root}/data.pkl"]:
        raise BadInput(f"{shown} is not taken in: its data.pkl goes on after its end.")

    def read(storage: Storage) -> bytes:
        wanted = storage.elements * ITEM_BYTES[storage.dtype]
        name = f"{root}/data/{storage.key}"
        size = archive.sizes.get(name)
        if size != wanted:
            has = "is missing" if size is None else f"has {size:,}"
            raise BadInput(
                f"{shown} is not taken in: {visible(name[:80])} should have {wanted:,} bytes and {has}."
            )
        return archive.read(name, MAX_BYTES)

    return document, read


def _old_layout(path: Path, shown: str) -> tuple[Any, Callable[[Storage], bytes]]:
    """Five pickles (a number, a version, the machine, the weights, the keys), then each storage's bytes."""
    with path.open("rb") as file:
        head = file.read(MAX_PICKLE)
    parts, place = [], 0
    for _ in range(5):
        part, place = read_pickle(head, shown, place)
        parts.append(part)
    _, version, machine, document, keys = parts
    if version != 1001 or not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise BadInput(f"{shown} is of a version or a machine that is not read; save it again.")
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise BadInput(f"{shown} is not taken in: its list of storages is damaged; save it again.")
    used = {tensor.storage.key: tensor.storage for tensor in _all_tensors(document, shown)}
    places: dict[str, int] = {}
    size = path.stat().st_size
    with path.open("rb") as file:
        for key in keys:
            if key in places or key not in used:
                raise BadInput(f"{shown} is not taken in: its list of storages and its tensors disagree.")
            file.seek(place)
            elements = int.from_bytes(file.read(8), "little")
            storage = used[key]
            places[key] = place + 8
            place += 8 + storage.elements * ITEM_BYTES[storage.dtype]
            if elements != storage.elements or place > size:
                raise BadInput(
                    f"{shown} is cut short or lies: a storage should have {storage.elements:,} numbers."
                )
    if place != size:
        raise BadInput(f"{shown} has {size - place:,} bytes to spare after its weights.")

    def read(storage: Storage) -> bytes:
        if storage.key not in places or storage != used[storage.key]:
            raise BadInput(f"{shown} is not taken in: a storage is missing; the file is damaged.")
        with path.open("rb") as file:
            file.seek(places[storage.key])
            return file.read(storage.elements * ITEM_BYTES[storage.dtype])

    return document, read


def _all_tensors(document: Any, shown: str) -> Iterator[StoredTensor]:
    """Every tensor anywhere in the document, those of an optimizer too; each container once."""
    waiting, seen = [document], set[int]()
    while waiting:
        item = waiting.pop()
        if isinstance(item, StoredTensor):
            yield item
        elif isinstance(item, dict | list | tuple) and id(item) not in seen:
            seen.add(id(item))
            waiting.extend(item.values() if isinstance(item, dict) else item)


def _weights(document: Any, shown: str) -> tuple[dict[str, StoredTensor], str]:
    """The dict of tensors, and under which keys it stood."""
    path: list[str] = []
    for _ in range(_MAX_DEPTH):
        if not isinstance(document, dict) or not document:
            break
        if any(isinstance(value, StoredTensor) for value in document.values()):
            return _only_tensors(document, shown), ".".join(path)
        inner = next((key for key in _USUAL if isinstance(document.get(key), dict)), None)
        if inner is None:
            break
        path.append(inner)
        document = document[inner]
    raise BadInput(
        f"{shown} is not taken in: it holds no dict of weights by name, nor one under "
        f"{', '.join(_USUAL[:3])}. Save model.state_dict()."
    )


def _only_tensors(document: dict[Any, Any], shown: str) -> dict[str, StoredTensor]:
    if len(document) > _MAX_TENSORS:
        raise BadInput(f"{shown} has {len(document):,} tensors; at most {_MAX_TENSORS:,} are read.")
    for name, value in document.items():
        if not isinstance(name, str) or not isinstance(value, StoredTensor):
            raise BadInput(
                f'{shown} is not taken in: "{visible(str(name)[:80])}" stands among its weights and is no '
                "tensor. Save model.state_dict() alone."
            )
    return document
