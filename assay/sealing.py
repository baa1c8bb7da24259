"""Sealed files: content encrypted at rest, read and written in constant memory.

    two slots of 512 bytes, of which one or both hold:  magic, key id, nonce, size, wrapped data key
    then pieces of 1 MiB, each with its tag of 16 bytes

A file's data key is random and belongs to it alone; AES-256-GCM under the installation's key wraps it, bound
to the content's name (its SHA-256) and size. Piece i is sealed under nonce (i, is it the last?), so that one
that was altered, moved, repeated, cut off or brought from another file is found. An installation's new key
takes over by writing the other slot and then emptying the first: whenever that breaks off, one slot opens the
file. (Pieces: the STREAM construction of Hoang, Reyhanitabar, Rogaway & Vizár 2015.)
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from io import BufferedIOBase
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from assay.errors import BadInput

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = [
    "BODY",
    "MORE",
    "PIECE",
    "Key",
    "Keyring",
    "is_under",
    "open_bytes",
    "open_sealed",
    "opened_key",
    "rewrap",
    "seal",
    "seal_bytes",
    "stream_cipher",
    "stream_key",
]

PIECE = 1 << 20
_MAGIC = b"assay.sealed/1\n\0"
_HEADER = struct.Struct(">16s8s12sQ48s")
_SLOT = 512
BODY = 2 * _SLOT
"""Bytes before the content."""
MORE = 16
"""Bytes that a cipher may ask for beyond what it fills."""
_TAG, _KEY = 16, 32
_DATA_KEY_FOR = b"assay.sealed data key\n"
_ENTRY = re.compile(r"[\s,]+")


class Key(NamedTuple):
    """A key of the installation. Its id may be shown; it never is itself."""

    secret: bytes

    @property
    def id(self) -> bytes:
        return hashlib.sha256(b"assay.storage key id\n" + self.secret).digest()[:8]

    def __repr__(self) -> str:
        return f"Key({self.id.hex()})"


class Keyring:
    """The installation's keys; the first one seals, all of them open.

    Args:
        keys: newest first.
        writes: whether what is stored from now on is sealed at all.
    """

    def __init__(self, keys: Sequence[Key] = (), *, writes: bool = True) -> None:
        self._keys = {key.id: key for key in keys}
        self._first = keys[0] if keys and writes else None

    @classmethod
    def read(cls, text: str) -> Keyring:
        """Keys as text: 64 hexadecimal digits each, the newest first; "off" first stores in the clear.

        Raises:
            ValueError: names what is wrong, never the key.
        """
        entries = [entry for entry in _ENTRY.split(text.strip()) if entry]
        off = bool(entries) and entries[0].lower() == "off"
        keys = []
        for place, entry in enumerate(entries[off:], start=1):
            if not re.fullmatch(r"[0-9A-Fa-f]{64}", entry):
                raise ValueError(
                    f"key {place} is not 64 hexadecimal digits (32 bytes); openssl rand -hex 32 makes one"
                )
            keys.append(Key(bytes.fromhex(entry)))
        if len({key.id for key in keys}) != len(keys):
            raise ValueError("the same key stands twice")
        return cls(keys, writes=not off)

    @property
    def first(self) -> Key | None:
        """The key that seals; None where nothing is sealed."""
        return self._first

    def __len__(self) -> int:
        return len(self._keys)

    def get(self, key_id: bytes) -> Key | None:
        return self._keys.get(key_id)

    def sealing(self) -> Key:
        """The key that seals. Raises BadInput where there is none."""
        if self._first is None:
            raise BadInput("There is no key to seal files with; set ASSAY_STORAGE_KEY.")
        return self._first


def seal(
    chunks: Iterable[ReadableBuffer], target: IO[bytes] | BufferedIOBase, ring: Keyring
) -> tuple[str, int]:
    """Write `chunks` sealed to an empty file that can be sought; returns SHA-256 and size of the content.

    The content's name may be known only when all of it has passed, so that the header is written last.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    key, data_key = ring.sealing(), os.urandom(_KEY)
    cipher, hashed, size = AESGCM(data_key), hashlib.sha256(), 0
    held, filled = memoryview(bytearray(PIECE)), 0
    sealed, place = memoryview(bytearray(PIECE + _TAG)), 0
    target.write(bytes(BODY))
    for chunk in chunks:
        hashed.update(chunk)
        rest = memoryview(chunk)
        size += len(rest)
        while rest:
            if filled == PIECE:  # and more comes: the last piece is known to be it when nothing follows
                cipher.encrypt_into(_nonce(place, last=False), held, None, sealed)
                target.write(sealed)
                filled, place = 0, place + 1
            taken = min(len(rest), PIECE - filled)
            held[filled : filled + taken] = rest[:taken]
            filled, rest = filled + taken, rest[taken:]
    cipher.encrypt_into(_nonce(place, last=True), held[:filled], None, sealed[: filled + _TAG])
    target.write(sealed[: filled + _TAG])
    digest = hashed.hexdigest()
    target.seek(0)
    target.write(_slot(key, data_key, digest, size))
    target.seek(0, os.SEEK_END)
    return digest, size


class _Opened(NamedTuple):
    data_key: bytes
    size: int
    slot: int
    key_id: bytes


def open_sealed(path: Path, digest: str, ring: Keyring) -> Iterator[bytes]:
    """The content of a sealed file, piece by piece; every piece is authentic when it is handed out.

    Args:
        digest: SHA-256 that the content is stored under.

    Raises:
        BadInput: the key is not at hand, or the file was altered, cut off, moved or swapped.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    with path.open("rb") as file:
        opened = _unwrapped(file, digest, ring)
        cipher = AESGCM(opened.data_key)
        pieces = max(1, -(-opened.size // PIECE))
        if os.fstat(file.fileno()).st_size != BODY + opened.size + pieces * _TAG:
            raise _damaged(digest, "it was cut off or has bytes to spare")
        file.seek(BODY)
        for place in range(pieces):
            sealed = file.read(PIECE + _TAG)
            try:
                yield cipher.decrypt(_nonce(place, last=place == pieces - 1), sealed, None)
            except InvalidTag:
                raise _damaged(digest, f"piece {place + 1:,} of {pieces:,} was altered or moved") from None


def seal_bytes(content: bytes, name: str, ring: Keyring) -> bytes:
    """A short secret as a sealed file, under a name that it is opened by; `rewrap` takes it too."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    data_key = os.urandom(_KEY)
    head = _slot(ring.sealing(), data_key, name, len(content)).ljust(BODY, b"\0")
    return head + AESGCM(data_key).encrypt(_nonce(0, last=True), content, None)


def open_bytes(path: Path, name: str, ring: Keyring) -> bytes:
    """What `seal_bytes` sealed. Raises BadInput as `open_sealed`."""
    return b"".join(open_sealed(path, name, ring))


def stream_key(name: str, ring: Keyring) -> tuple[bytes, bytes]:
    """A fresh key for `stream_cipher`, and the BODY bytes to begin the file with that keep it."""
    data_key = os.urandom(_KEY)
    return data_key, _slot(ring.sealing(), data_key, name, 0).ljust(BODY, b"\0")


def opened_key(path: Path, name: str, ring: Keyring) -> bytes:
    """The key that `stream_key` put at the head of the file. Raises BadInput as `open_sealed`."""
    with path.open("rb") as file:
        return _unwrapped(file, name, ring).data_key


def is_under(path: Path, key: Key) -> bool:
    """Whether the file is sealed under this key, and no other one opens it."""
    with path.open("rb") as file:
        ids = [key_id for _, key_id, _, _, _ in _slots(file)]
    return ids == [key.id]


def rewrap(path: Path, digest: str, ring: Keyring) -> None:
    """Let the ring's first key open the file, and no other one; its content stays as it is.

    Raises:
        BadInput: as `open_sealed`, where no slot opens.
    """
    mode = path.stat().st_mode & 0o777
    path.chmod(0o600)
    try:
        with path.open("r+b") as file:
            opened = _unwrapped(file, digest, ring)
            old, key = opened.slot, ring.sealing()
            if opened.key_id != key.id:
                _put(file, 1 - old, _slot(key, opened.data_key, digest, opened.size))
            else:
                old = 1 - old
            _put(file, old, bytes(_HEADER.size))
    finally:
        path.chmod(mode)


def stream_cipher(key: bytes, offset: int, content: bytes | memoryview, into: memoryview) -> memoryview:
    """AES-256-CTR of `content` that begins at byte `offset` of a stream; the same again brings it back.

    For drafts, which are written at any offset and whose digest is checked when they are whole.

    Args:
        into: where it goes, MORE bytes longer than `content`; the part of it that is filled is returned.
    """
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    skipped = offset % 16
    counter = (offset // 16).to_bytes(16, "big")
    cipher = Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor()
    cipher.update(bytes(skipped))
    return into[: cipher.update_into(content, into)]


def _put(file: IO[bytes], slot: int, content: bytes) -> None:
    file.seek(slot * _SLOT)
    file.write(content)
    file.flush()
    os.fsync(file.fileno())


def _slot(key: Key, data_key: bytes, digest: str, size: int) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(12)
    wrapped = AESGCM(key.secret).encrypt(nonce, data_key, _bound_to(digest, size))
    return _HEADER.pack(_MAGIC, key.id, nonce, size, wrapped)


def _slots(file: IO[bytes]) -> list[tuple[int, bytes, bytes, int, bytes]]:
    """Slot, key id, nonce, size and wrapped key of each slot that is filled."""
    file.seek(0)
    head = file.read(BODY)
    found = []
    for slot in range(2) if len(head) == BODY else ():
        magic, key_id, nonce, size, wrapped = _HEADER.unpack_from(head, slot * _SLOT)
        if magic == _MAGIC:
            found.append((slot, key_id, nonce, size, wrapped))
    return found


def _unwrapped(file: IO[bytes], digest: str, ring: Keyring) -> _Opened:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    found = _slots(file)
    if not found:
        raise _damaged(digest, "its header is gone")
    known = [(entry, ring.get(entry[1])) for entry in found]
    if all(key is None for _, key in known):
        raise BadInput(
            f"The stored file {digest[:12]} is sealed under the key {found[0][1].hex()}, which "
            "ASSAY_STORAGE_KEY does not hold; add that key behind the first one."
        )
    for (slot, key_id, nonce, size, wrapped), key in known:
        if key is None:
            continue
        try:
            data_key = AESGCM(key.secret).decrypt(nonce, wrapped, _bound_to(digest, size))
        except InvalidTag:
            continue
        return _Opened(data_key, size, slot, key_id)
    raise _damaged(digest, "its header was altered, or it is another file than its name says")


def _bound_to(digest: str, size: int) -> bytes:
    return _DATA_KEY_FOR + f"{digest}\n{size}".encode()


def _nonce(place: int, *, last: bool) -> bytes:
    return place.to_bytes(11, "big") + (b"\1" if last else b"\0")


def _damaged(digest: str, how: str) -> BadInput:
    return BadInput(f"The stored file {digest[:12]} is damaged: {how}. Bring it back from a backup.")
