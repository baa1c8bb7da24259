"""The annex: row-level results of an audit, encrypted, erasable, and outside every export.

Evidence and reports hold no single rows. What a later run needs to be compared row by row is kept here,
under a key of this installation, and the evidence carries a keyed digest of it alone. Erasing an annex takes
nothing from the evidence but the possibility of a paired comparison.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.contracts import AnnexReference
from assay.errors import BadInput
from assay.sealing import Keyring, open_bytes, seal_bytes
from assay.store import write_whole

__all__ = ["KEY_NAME", "MOST_ROWS", "AnnexStore", "RunRows", "attribute_array"]

MOST_ROWS = 2_000_000
"""More rows than this are not kept (40 bytes a row); runs are then compared by their intervals."""

_MAGIC = b"assay.annex/1\n"
_NONCE = 12
_KEY = 32
KEY_NAME = "key of an annex"
"""What the sealed key file is bound to."""


def attribute_array(number: int) -> str:
    """Name of the array that holds the group codes of the `number`-th sensitive attribute."""
    return f"attribute_{number}"


@dataclass(frozen=True)
class RunRows:
    """Row-level results of one run. Rows of the test data, in order.

    Attributes:
        identity: uint64 (rows,), content hash of the original columns; occurrence: uint32, which of several
            equal rows it is, from 0.
        label, prediction: int32 codes, float64 for a regression; None where there are none.
        score: float64 of the favourable class, for binary tasks with scores.
        attributes: sensitive attribute -> int32 group codes, -1 = missing; categories: -> their names.
        cluster: int32 codes, or None where rows are independent.
        asked_identity, asked_occurrence: of the rows that the model was asked about; the test rows' own
            where those are the ones.
        results: measure key -> int8 over the asked rows: 1, 0, -1 = not counted.
    """

    identity: npt.NDArray[np.uint64]
    occurrence: npt.NDArray[np.uint32]
    label: npt.NDArray[Any] | None
    prediction: npt.NDArray[Any] | None
    score: npt.NDArray[np.float64] | None
    attributes: Mapping[str, npt.NDArray[np.int32]]
    categories: Mapping[str, tuple[str, ...]]
    cluster: npt.NDArray[np.int32] | None
    asked_identity: npt.NDArray[np.uint64]
    asked_occurrence: npt.NDArray[np.uint32]
    results: Mapping[str, npt.NDArray[np.int8]] = field(default_factory=dict)

    @property
    def asked_sha256(self) -> str:
        """Digest of the rows that the model was asked about, whatever their order and file format."""
        content = np.sort(self.asked_identity).astype("<u8").tobytes()
        return hashlib.sha256(b"assay.rows/1\n" + content).hexdigest()


class AnnexStore:
    """Annexes of this installation under one folder.

    Args:
        root: made at the first `put`, with a key file that only its owner may read.
        ring: keys of the installation; where one of them seals, it seals the annex's key file too.
    """

    def __init__(self, root: Path, ring: Keyring | None = None) -> None:
        self._root = root
        self._ring = ring or Keyring()

    def put(self, rows: RunRows) -> AnnexReference:
        """Encrypt and keep `rows`. AES-256-GCM under a key of its own that the digest belongs to.

        Raises:
            BadInput: the folder cannot be written.
        """
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        arrays = _arrays(rows)
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        content = buffer.getvalue()
        key = self._key(make=True)
        digest = hmac.new(_derived(key, b"digest"), content, hashlib.sha256).hexdigest()
        nonce = os.urandom(_NONCE)
        sealed = AESGCM(_derived(key, b"content")).encrypt(nonce, content, _MAGIC + digest.encode())
        write_whole(self._path(digest), _MAGIC + nonce + sealed)
        return AnnexReference(digest=digest, rows=len(rows.identity), holds=tuple(arrays))

    def get(self, reference: AnnexReference | None) -> RunRows | None:
        """The rows behind a reference; None where this installation does not have them (any more).

        A file that was altered, or sealed under another key, counts as not there.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if reference is None or not any(self._root.glob("key*")):
            return None
        try:
            stored = self._path(reference.digest).read_bytes()
            if not stored.startswith(_MAGIC):
                return None
            start = len(_MAGIC) + _NONCE
            key = _derived(self._key(make=False), b"content")
            aad = _MAGIC + reference.digest.encode()
            content = AESGCM(key).decrypt(stored[len(_MAGIC) : start], stored[start:], aad)
            with np.load(io.BytesIO(content), allow_pickle=False) as loaded:
                return _rows({name: loaded[name] for name in loaded.files})
        except (OSError, InvalidTag, ValueError, KeyError):
            return None

    def erase(self, reference: AnnexReference) -> bool:
        """Remove the rows behind a reference; whether they were there."""
        try:
            self._path(reference.digest).unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise BadInput(f"The annex could not be erased: {error.strerror or error}.") from error
        return True

    def _path(self, digest: str) -> Path:
        return self._root / digest[:2] / digest[2:]

    def _key(self, *, make: bool) -> bytes:
        """The installation's key; two first uses at once agree on the one that was made first."""
        path, sealed = self._root / "key", self._root / "key.sealed"
        if make and not path.exists() and not sealed.exists():
            try:
                self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
                fresh = os.urandom(_KEY)
                if self._ring.first is not None:
                    fresh, path = seal_bytes(fresh, KEY_NAME, self._ring), sealed
                with contextlib.suppress(FileExistsError):
                    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                    with os.fdopen(descriptor, "wb") as file:
                        file.write(fresh)
                        file.flush()
                        os.fsync(file.fileno())
            except OSError as error:
                raise BadInput(
                    f"The key of the annex could not be made in {self._root}: {error.strerror or error}. "
                    "Free some space there, or set ASSAY_HOME to another folder."
                ) from error
        key = open_bytes(sealed, KEY_NAME, self._ring) if sealed.exists() else path.read_bytes()
        if len(key) != _KEY:
            raise BadInput(
                f"{path} is no key of {_KEY} bytes; move it away, and the annexes that it sealed stay unread."
            )
        return key


def _derived(key: bytes, purpose: bytes) -> bytes:
    """One key for each purpose, so that neither use of it weakens the other (RFC 5869, one block)."""
    return hmac.new(key, b"assay.annex " + purpose + b"\x01", hashlib.sha256).digest()


def _arrays(rows: RunRows) -> dict[str, npt.NDArray[Any]]:
    found: dict[str, npt.NDArray[Any]] = {"identity": rows.identity, "occurrence": rows.occurrence}
    named = {"label": rows.label, "prediction": rows.prediction, "score": rows.score, "cluster": rows.cluster}
    found |= {name: array for name, array in named.items() if array is not None}
    if rows.asked_identity is not rows.identity:
        found |= {"asked_identity": rows.asked_identity, "asked_occurrence": rows.asked_occurrence}
    found |= {f"attribute_{number}": codes for number, codes in enumerate(rows.attributes.values())}
    found |= {f"result_{number}": counted for number, counted in enumerate(rows.results.values())}
    names = {
        "attributes": {name: list(rows.categories[name]) for name in rows.attributes},
        "results": list(rows.results),
    }
    return found | {"names": np.frombuffer(json.dumps(names).encode(), dtype=np.uint8)}


def _rows(arrays: Mapping[str, npt.NDArray[Any]]) -> RunRows:
    names = json.loads(arrays["names"].tobytes())
    attributes = list(names["attributes"])
    return RunRows(
        identity=arrays["identity"],
        occurrence=arrays["occurrence"],
        label=arrays.get("label"),
        prediction=arrays.get("prediction"),
        score=arrays.get("score"),
        attributes={name: arrays[f"attribute_{number}"] for number, name in enumerate(attributes)},
        categories={name: tuple(names["attributes"][name]) for name in attributes},
        cluster=arrays.get("cluster"),
        asked_identity=arrays.get("asked_identity", arrays["identity"]),
        asked_occurrence=arrays.get("asked_occurrence", arrays["occurrence"]),
        results={key: arrays[f"result_{number}"] for number, key in enumerate(names["results"])},
    )
