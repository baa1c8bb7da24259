"""What an endpoint answered about rows of the data, so that no row is paid for twice.

A child that crashed, or another worker, reads the same subject again and must find the same profile; an
endpoint asked anew might say something else. Rows are kept as keyed digests and outputs only.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.errors import Internal
from assay.models.base import Inputs
from assay.sealing import Keyring, open_bytes, seal_bytes
from assay.store import write_whole

__all__ = ["KeptAnswers", "answers_held", "answers_name", "sealed_answers"]

Floats = npt.NDArray[np.float64]


def sealed_answers(path: Path) -> Path:
    """Where answers lie sealed that lie at `path` in the clear."""
    return path.with_name(path.name + ".sealed")


def answers_name(path: Path) -> str:
    """What a sealed file of answers is bound to; `path` is where it lies in the clear."""
    return f"answers {path.stem}"


@contextmanager
def answers_held(path: Path) -> Iterator[None]:
    """Wait until nobody else, in whatever process, writes answers of this folder, and keep others waiting.

    Args:
        path: where answers lie, in either form.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (path.parent / ".lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class KeptAnswers:
    """Digest of a row -> outputs and whether the answer named a class; and the first canary answers.

    Args:
        key: what the answers belong to (the endpoint's digest); others are not read.
        path: file that outlives the process; None keeps them in memory.
        ring: seals the file (`<path>.sealed`) where it has a key to seal with, and opens one that is sealed.
    """

    def __init__(self, key: str, path: Path | None = None, ring: Keyring | None = None) -> None:
        self._key, self._path, self._ring = key, path, ring or Keyring()
        self._answers: dict[bytes, tuple[Floats, bool]] = {}
        self.canary: Floats | None = None
        self.canary_tolerance = 0.0
        self.canary_asked = ""
        """When, as evidence writes times; empty for never."""
        self._changed = False
        if path is not None:
            self._read(path)

    def __len__(self) -> int:
        return len(self._answers)

    def digests(self, inputs: Inputs) -> list[bytes]:
        """One digest a row, keyed by the endpoint."""
        if isinstance(inputs, np.ndarray):
            rows: Sequence[bytes] = [np.ascontiguousarray(row).tobytes() for row in inputs]
        else:
            rows = [text.encode("utf-8", "surrogatepass") for text in inputs]
        key = self._key.encode()[:64]
        return [hashlib.blake2b(row, digest_size=16, key=key).digest() for row in rows]

    def get(self, digest: bytes) -> tuple[Floats, bool] | None:
        return self._answers.get(digest)

    def put(self, digest: bytes, outputs: Floats, unmatched: bool) -> None:
        self._answers[digest] = (outputs, unmatched)
        self._changed = True

    def put_canary(self, answers: Floats, tolerance: float, asked: str) -> None:
        self.canary, self.canary_tolerance, self.canary_asked = answers, tolerance, asked
        self._changed = True

    def save(self) -> None:
        """Write what is new to the file, where there is one, beside what others wrote in the meantime."""
        if self._path is None or not self._changed:
            return
        with answers_held(self._path):
            self._take_in_others(self._path)
            self._write(self._path, self._packed())
        self._changed = False

    def _packed(self) -> bytes:
        arrays: dict[str, npt.NDArray[Any]] = {
            "key": np.array(self._key),
            "rows": np.frombuffer(b"".join(self._answers), dtype=np.uint8).reshape(-1, 16),
            "outputs": np.array([outputs for outputs, _ in self._answers.values()]),
            "unmatched": np.array([lost for _, lost in self._answers.values()], dtype=bool),
            "tolerance": np.array(self.canary_tolerance),
            "asked": np.array(self.canary_asked),
        }
        if self.canary is not None:
            arrays["canary"] = self.canary
        content = io.BytesIO()
        np.savez_compressed(content, allow_pickle=False, **arrays)
        return content.getvalue()

    def _take_in_others(self, path: Path) -> None:
        """Answers of other workers; the canary that was there first stays."""
        own = self._answers, self.canary, self.canary_tolerance, self.canary_asked
        self._answers, self.canary = {}, None
        self._read(path)
        self._answers |= own[0]
        if self.canary is None:
            self.canary, self.canary_tolerance, self.canary_asked = own[1:]

    def _write(self, path: Path, content: bytes) -> None:
        sealed = sealed_answers(path)
        if self._ring.first is None:
            write_whole(path, content)
            sealed.unlink(missing_ok=True)
        else:
            write_whole(sealed, seal_bytes(content, answers_name(path), self._ring))
            path.unlink(missing_ok=True)

    def _read(self, path: Path) -> None:
        sealed = sealed_answers(path)
        try:
            if sealed.exists():
                content = open_bytes(sealed, answers_name(path), self._ring)
            elif path.exists():
                content = path.read_bytes()
            else:
                return
            with np.load(io.BytesIO(content), allow_pickle=False) as found:
                if str(found["key"]) != self._key:
                    return
                rows, outputs, unmatched = found["rows"], found["outputs"], found["unmatched"]
                self.canary = found["canary"] if "canary" in found.files else None
                self.canary_tolerance, self.canary_asked = float(found["tolerance"]), str(found["asked"])
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise Internal(f"The kept answers {path.name} cannot be read.") from error
        self._answers = {
            bytes(row): (outputs[place], bool(unmatched[place])) for place, row in enumerate(rows)
        }
