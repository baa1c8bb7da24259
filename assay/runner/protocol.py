"""Frames between supervisor and child: a JSON header and an optional npz body.

Both sides check sizes before they allocate. The supervisor treats what the child says as hostile:
JSON only, arrays only as stored (uncompressed) npz members without object types. NumPy is imported where it
is needed: the child reads its first frame before it locks down, and numerical libraries come after that.
"""

from __future__ import annotations

import io
import json
import math
import socket
import struct
import zipfile
from typing import TYPE_CHECKING, Any, Literal

from assay.datasets.values import visible
from assay.errors import ChildFailed

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["MAX_BODY", "MAX_HEADER", "Closed", "Incoming", "pack_arrays", "receive", "send", "unpack_arrays"]

MAX_HEADER = 64 * 1024 * 1024
MAX_BODY = 2 * 1024 * 1024 * 1024
_MAX_DIRECTORY = 2**20
_SIZES = struct.Struct("!QQ")
_PIECE = 1 << 20


class Closed(Exception):
    """The other side hung up."""


def send(channel: socket.socket, header: dict[str, Any], body: bytes = b"") -> None:
    """Write one frame."""
    text = json.dumps(header, allow_nan=False, separators=(",", ":")).encode()
    if len(text) > MAX_HEADER or len(body) > MAX_BODY:
        raise ChildFailed(f"A message of {len(text) + len(body):,} bytes is over the protocol's limit.")
    channel.sendall(_SIZES.pack(len(text), len(body)))
    channel.sendall(text)
    if body:
        channel.sendall(body)


class Incoming:
    """A frame that arrives in pieces: whoever takes them looks at time and memory in between."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._sizes: tuple[int, int] | None = None

    def take(self, channel: socket.socket) -> tuple[dict[str, Any], bytes] | None:
        """Read once, never beyond the frame; the frame if it is whole by now.

        Raises:
            Closed: end of stream.
            ChildFailed: sizes over the limit, or a header that is not a JSON object.
        """
        piece = channel.recv(min(self._wanted() - len(self._buffer), _PIECE))
        if not piece:
            raise Closed
        self._buffer += piece
        if self._sizes is None and len(self._buffer) == _SIZES.size:
            header_size, body_size = _SIZES.unpack(self._buffer)
            if header_size > MAX_HEADER or body_size > MAX_BODY:
                raise ChildFailed("The child announced a message over the protocol's limit.")
            if not header_size:
                raise ChildFailed("The child sent something that is not JSON.")
            self._sizes = header_size, body_size
        if self._sizes is None or len(self._buffer) < self._wanted():
            return None
        with memoryview(self._buffer) as whole:
            start = _SIZES.size + self._sizes[0]
            return _header(bytes(whole[_SIZES.size : start])), bytes(whole[start:])

    def _wanted(self) -> int:
        """Bytes of the frame as far as it is known."""
        return _SIZES.size + (sum(self._sizes) if self._sizes else 0)


def receive(channel: socket.socket) -> tuple[dict[str, Any], bytes]:
    """Wait for one frame, however long it takes. Raises what `Incoming.take` raises."""
    incoming = Incoming()
    while True:
        frame = incoming.take(channel)
        if frame is not None:
            return frame


def _header(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ChildFailed("The child sent something that is not JSON.") from error
    if not isinstance(header, dict):
        raise ChildFailed("The child sent JSON that is not an object.")
    return header


def pack_arrays(arrays: dict[str, npt.NDArray[Any]]) -> bytes:
    """Arrays as an uncompressed npz; empty bytes for no arrays."""
    if not arrays:
        return b""
    import numpy as np

    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def unpack_arrays(body: bytes) -> dict[str, npt.NDArray[Any]]:
    """Arrays from `pack_arrays`.

    Raises:
        ChildFailed: not an npz, compressed members (which could be bombs), object arrays, shapes that the
            bytes do not fill.
    """
    if not body:
        return {}
    try:
        _bound_directory(body)
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            members = archive.infolist()
            if any(info.compress_type != zipfile.ZIP_STORED for info in members):
                raise ChildFailed("The child sent compressed arrays.")
            if sum(info.file_size for info in members) > len(body):
                raise ChildFailed("The child sent arrays that share their bytes.")
            return {info.filename.removesuffix(".npy"): _array(archive.read(info)) for info in members}
    except ChildFailed:
        raise
    except Exception as error:
        # The readers of zip and npy raise a dozen kinds for nonsense, tokenize's and MemoryError among them.
        said = visible(str(error)[:200]) or type(error).__name__
        raise ChildFailed(f"The child sent arrays that cannot be read: {said}.") from error


def _bound_directory(body: bytes) -> None:
    """A directory of millions of members would take many times its bytes before any member is read."""
    end, *_, size, _, comment = struct.unpack("<4s4H2LH", body[-22:])
    if end != b"PK\x05\x06" or comment or size > _MAX_DIRECTORY or body[-42:-38] == b"PK\x06\x07":
        raise ValueError("no archive of a few arrays")


def _array(content: bytes) -> npt.NDArray[Any]:
    """The array of one .npy; its claims are held against its bytes before anything is made of them."""
    import numpy as np

    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"npy version {version}")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, kind = read(file)
    if kind.hasobject or not kind.itemsize:
        raise ValueError(f"arrays of type {kind}")
    if any(type(size) is not int or size < 0 for size in shape):
        raise ValueError("a shape of other things than sizes")
    start = file.tell()
    if math.prod(shape) * kind.itemsize != len(content) - start:
        raise ValueError("a shape that its bytes do not fill")
    order: Literal["F", "C"] = "F" if fortran else "C"
    return np.ndarray(shape, kind, content, start, order=order).copy(order)
