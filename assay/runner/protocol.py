"""Frames between supervisor and child: a JSON header and an optional npz body.

Both sides check sizes before they allocate. The supervisor treats what the child says as hostile:
JSON only, arrays only as stored (uncompressed) npz members without object types. NumPy is imported where it
is needed: the child reads its first frame before it locks down, and numerical libraries come after that.
"""

from __future__ import annotations

import io
import json
import socket
import struct
import zipfile
from typing import TYPE_CHECKING, Any

from assay.errors import ChildFailed

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["MAX_BODY", "MAX_HEADER", "Closed", "pack_arrays", "receive", "send", "unpack_arrays"]

MAX_HEADER = 64 * 1024 * 1024
MAX_BODY = 2 * 1024 * 1024 * 1024
_SIZES = struct.Struct("!QQ")


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


def receive(channel: socket.socket) -> tuple[dict[str, Any], bytes]:
    """Read one frame.

    Raises:
        Closed: end of stream.
        ChildFailed: sizes over the limit, or a header that is not a JSON object.
    """
    header_size, body_size = _SIZES.unpack(_exactly(channel, _SIZES.size))
    if header_size > MAX_HEADER or body_size > MAX_BODY:
        raise ChildFailed("The child announced a message over the protocol's limit.")
    text = _exactly(channel, header_size)
    body = _exactly(channel, body_size) if body_size else b""
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ChildFailed("The child sent something that is not JSON.") from error
    if not isinstance(header, dict):
        raise ChildFailed("The child sent JSON that is not an object.")
    return header, body


def _exactly(channel: socket.socket, size: int) -> bytes:
    buffer = bytearray()
    while len(buffer) < size:
        piece = channel.recv(min(size - len(buffer), 1 << 20))
        if not piece:
            raise Closed
        buffer += piece
    return bytes(buffer)


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
        ChildFailed: not an npz, compressed members (which could be bombs), object arrays.
    """
    if not body:
        return {}
    import numpy as np

    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
                raise ChildFailed("The child sent compressed arrays.")
        with np.load(io.BytesIO(body), allow_pickle=False) as loaded:
            return {name: loaded[name] for name in loaded.files}
    except (zipfile.BadZipFile, ValueError, OSError, KeyError, EOFError) as error:
        raise ChildFailed(f"The child sent arrays that cannot be read: {error}.") from error
