"""Blobs kept under the SHA-256 of their content.

The store writes a blob once, whole or not at all, and hands back only what still has its digest. The
command line keeps the evidence of every audit in it, so that a run can be compared by the first digits of
its snapshot digest long after its output folder was written over.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from assay.errors import BadInput, Internal

__all__ = ["Store", "write_whole"]

_DIGEST = re.compile(r"[0-9a-f]{64}")
_PREFIX = re.compile(r"[0-9a-f]{6,64}")


def write_whole(target: Path, content: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all, and flush it to disk.

    Raises:
        BadInput: the folder (or its parent, which are made) cannot be written, or the disk is full.
    """
    temporary: Path | None = None
    root = target.parent.parent
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        target.parent.mkdir(exist_ok=True, mode=0o700)
        descriptor, name = tempfile.mkstemp(prefix=".put-", dir=target.parent)
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        full = error.errno == errno.ENOSPC
        reason = "the disk is full" if full else error.strerror or str(error)
        raise BadInput(
            f"The store {root} could not be written: {reason}. Free some space there, or set "
            "ASSAY_HOME to another folder."
        ) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()


class Store:
    """A folder of blobs: `ab/cdef...`, the first two digits of a digest as a folder.

    Args:
        root: made at the first `put`, readable by its owner only.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, content: bytes) -> str:
        """Keep `content`; returns its SHA-256. Writing the same content again changes nothing.

        Raises:
            BadInput: the folder cannot be written or the disk is full; nothing half-written stays.
        """
        digest = hashlib.sha256(content).hexdigest()
        target = self._path(digest)
        if target.exists():
            return digest
        write_whole(target, content)
        return digest

    def get(self, digest: str) -> bytes:
        """The blob with this digest.

        Raises:
            KeyError: the store has no such blob.
            Internal: the blob on disk no longer has its digest.
        """
        if not _DIGEST.fullmatch(digest):
            raise KeyError(digest)
        try:
            content = self._path(digest).read_bytes()
        except OSError:
            raise KeyError(digest) from None
        if hashlib.sha256(content).hexdigest() != digest:
            raise Internal(f"The stored blob {digest[:12]} is damaged: its content has another digest.")
        return content

    def find(self, prefix: str) -> list[str]:
        """Digests that begin with `prefix` (6 to 64 hexadecimal digits), sorted."""
        if not _PREFIX.fullmatch(prefix):
            return []
        return sorted(digest for digest in self if digest.startswith(prefix))

    def __iter__(self) -> Iterator[str]:
        for path in self._root.glob("[0-9a-f][0-9a-f]/*"):
            digest = path.parent.name + path.name
            if _DIGEST.fullmatch(digest):
                yield digest

    def __contains__(self, digest: str) -> bool:
        return bool(_DIGEST.fullmatch(digest)) and self._path(digest).exists()

    def _path(self, digest: str) -> Path:
        return self._root / digest[:2] / digest[2:]
