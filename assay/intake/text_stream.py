"""The bytes of a delimited text file, checked while they are read."""

from __future__ import annotations

import codecs
import zlib
from hashlib import sha256
from pathlib import Path
from types import TracebackType

from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.limits import MAX_LINE, MAX_RATIO, MAX_UNPACKED_TEXT, RATIO_FROM

__all__ = ["TextStream"]

_RAW_CHUNK = 2**18


class TextStream:
    """File-like reader of UTF-8 text that unpacks gzip and refuses what cannot be a table.

    `read` raises BadInput for bytes that are no UTF-8, NUL bytes, lines over 2 MB and gzip bombs (more than
    32 GB, or more than 200 times the packed size once past 256 MB). The byte-order mark and leading blank
    lines are dropped, and the last line always ends. After the end, `digest` is the SHA-256 of the file as
    it came.
    """

    def __init__(self, path: Path, *, gzip: bool) -> None:
        self.name = visible(path.name)
        self.problem: BadInput | None = None
        """What `read` raised; a reader in between may have wrapped it."""
        self.quotes = 0
        """Double quotes seen so far."""
        self.closed = False
        self._file = path.open("rb")
        self._size = path.stat().st_size
        self._unpacker = zlib.decompressobj(wbits=31) if gzip else None
        self._packed = b""
        self._sha = sha256()
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._raw_bytes = 0
        self._bytes = 0
        self._lines = 0
        self._line_bytes = 0
        self._started = False
        self._ends_with_newline = True
        self._pending = b""
        self._ended = False

    def __enter__(self) -> TextStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def digest(self) -> str:
        return self._sha.hexdigest()

    @property
    def done(self) -> float:
        """Share of the file that has been read."""
        return min(1.0, self._raw_bytes / self._size) if self._size else 1.0

    def close(self) -> None:
        self._file.close()
        self.closed = True

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes of checked text; b"" at the end."""
        try:
            return self._read(size)
        except BadInput as error:
            self.problem = error
            raise

    def _read(self, size: int) -> bytes:
        wanted = 2**62 if size is None or size < 0 else size
        parts = [self._pending]
        held = len(self._pending)
        while held < wanted and not self._ended:
            chunk = self._next_chunk()
            parts.append(chunk)
            held += len(chunk)
        data = b"".join(parts)
        self._pending = data[wanted:]
        return data[:wanted]

    def _next_chunk(self) -> bytes:
        while chunk := self._unpacked_chunk():
            self._check(chunk)
            if not self._started:
                chunk = chunk.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n")
                self._started = bool(chunk)
            if chunk:
                self._ends_with_newline = chunk.endswith((b"\n", b"\r"))
                return chunk
        self._ended = True
        self._check_utf8(b"", final=True)
        return b"" if self._ends_with_newline else b"\n"

    def _unpacked_chunk(self) -> bytes:
        if self._unpacker is None:
            return self._raw_chunk()
        while True:
            if not self._packed:
                self._packed = self._raw_chunk()
                if not self._packed:
                    if not self._unpacker.eof:
                        raise BadInput(f"{self.name} is cut off: the gzip data ends too early.")
                    return b""
            if self._unpacker.eof:
                self._next_member()
                continue
            try:
                chunk = self._unpacker.decompress(self._packed, 4 * _RAW_CHUNK)
            except zlib.error:
                raise BadInput(f"{self.name} is a damaged gzip file.") from None
            self._packed = self._unpacker.unconsumed_tail or self._unpacker.unused_data
            if chunk:
                self._check_ratio(len(chunk))
                return chunk

    def _next_member(self) -> None:
        """gzip files may be concatenated; some writers pad the end with zero bytes."""
        self._packed = self._packed.lstrip(b"\0")
        if self._packed:
            self._unpacker = zlib.decompressobj(wbits=31)

    def _raw_chunk(self) -> bytes:
        try:
            chunk = self._file.read(_RAW_CHUNK)
        except OSError as error:
            raise BadInput(f"{self.name} cannot be read to its end: {error.strerror}.") from None
        self._sha.update(chunk)
        self._raw_bytes += len(chunk)
        return chunk

    def _check_ratio(self, new: int) -> None:
        total = self._bytes + new
        if total > MAX_UNPACKED_TEXT:
            raise BadInput(f"{self.name} unpacks to more than {MAX_UNPACKED_TEXT // 2**30} GB.")
        if total > RATIO_FROM and total > MAX_RATIO * self._raw_bytes:
            raise BadInput(
                f"{self.name} unpacks to more than {MAX_RATIO} times its size, as no table does. "
                "Unpack it yourself if it is genuine."
            )

    def _check(self, chunk: bytes) -> None:
        nul = chunk.find(b"\0")
        if nul >= 0:
            line = self._lines + chunk.count(b"\n", 0, nul) + 1
            raise BadInput(
                f"{self.name} has a NUL byte at offset {self._bytes + nul:,} (line {line:,}); "
                "it is not a text table. Save it as CSV in UTF-8."
            )
        self._check_utf8(chunk, final=False)
        first = _first_line_end(chunk)
        if first < 0:
            self._line_bytes += len(chunk)
        else:
            self._line_bytes += first
            self._refuse_long()
            self._line_bytes = len(chunk) - 1 - max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
        self._lines += chunk.count(b"\n")
        self._refuse_long()
        self.quotes += chunk.count(b'"')
        self._bytes += len(chunk)

    def _refuse_long(self) -> None:
        if self._line_bytes > MAX_LINE:
            raise BadInput(
                f"{self.name}: line {self._lines + 1:,} is longer than {MAX_LINE // 2**20} MB; "
                "a table has one row a line."
            )

    def _check_utf8(self, chunk: bytes, *, final: bool) -> None:
        held = len(self._decoder.getstate()[0])
        try:
            self._decoder.decode(chunk, final)
        except UnicodeDecodeError as error:
            # The decoder counts from the bytes that it held back from the chunk before.
            place = error.start - held
            offset = self._bytes + place
            line = self._lines + chunk.count(b"\n", 0, max(place, 0)) + 1
            byte = error.object[error.start]
            raise BadInput(
                f"{self.name} is not UTF-8: byte 0x{byte:02X} at offset {offset:,} (line {line:,}). "
                "Save it as UTF-8."
            ) from None


def _first_line_end(chunk: bytes) -> int:
    ends = [end for end in (chunk.find(b"\n"), chunk.find(b"\r")) if end >= 0]
    return min(ends, default=-1)
