"""Seals and countersignatures as bytes: where they must stand, and whether every byte is covered.

No PDF parser is involved. The seal's hex string is the only part of the file that its digest leaves out,
and that string must be, digit for digit, the message that the sealer writes for this file. So a change
anywhere, in the seal's own unsigned parts too, is found before anything in the file is interpreted.
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

from assay.report.certificates import (
    ForgedCertificate,
    Pair,
    check_pair,
    countersigns,
    public_key,
    signed_by,
)
from assay.report.seal_message import compose, signed_attributes, take_apart

__all__ = ["AlteredSeal", "NoSeal", "Seal", "Signatures", "read_seal", "read_signatures"]

_BYTE_RANGE = re.compile(rb"/ByteRange \[0 ([1-9][0-9]{0,11}) ([1-9][0-9]{0,11}) ([1-9][0-9]{0,11})\]")
_TRACES = (b"/ETSI.CAdES.detached", b"/T (seal)", b"/Name /Assay", b"/TransformMethod /DocMDP")
"""What the appended part of a sealed report says in plain text."""
_MAX_MESSAGE = 16_384
"""A seal is 3 kB; certificates with longer names could make it a little larger, never this large."""


class NoSeal(ValueError):
    """Nothing in the file says that Assay sealed it."""


class AlteredSeal(ValueError):
    """The file says that it was sealed, but its bytes are not those that were sealed."""


class Seal(NamedTuple):
    """A seal whose arithmetic is right. Says nothing yet about who may be trusted."""

    pair: Pair
    root: bytes
    seal: bytes
    gap: tuple[int, int]
    """The hex string with its brackets: file bytes [start, stop)."""
    message: bytes


class Signatures(NamedTuple):
    """The seal and, where a reviewer has decided, the countersignature over the sealed file."""

    seal: Seal
    sealed_bytes: int
    """How many bytes the seal covers, from the first on; the rest is the countersignature's update."""
    countersignature: Seal | None


def read_signatures(data: bytes) -> Signatures:
    """Find the seal, and the countersignature if there is one; the last of them must cover `data` whole.

    Raises:
        NoSeal: no trace of a seal.
        AlteredSeal: anything that differs from what the sealer and the countersigner write; a
            countersignature by another authority than the seal's.
    """
    last = _read_last(data)
    if not countersigns(last.pair.seal):
        return Signatures(last, len(data), None)
    place = data.rfind(b"/ByteRange ", 0, last.gap[0])
    found = _BYTE_RANGE.match(data, place) if place >= 0 else None
    if found is None:
        raise AlteredSeal("The document is countersigned, but its seal is not whole.")
    sealed_bytes = int(found[2]) + int(found[3])
    if sealed_bytes > last.gap[0]:
        raise AlteredSeal("The document does not end where the seal says that it ends.")
    seal = read_seal(data[:sealed_bytes])
    if seal.root != last.root:
        raise AlteredSeal("The countersignature is of another authority than the seal.")
    return Signatures(seal, sealed_bytes, last)


def read_seal(data: bytes) -> Seal:
    """Find the seal and check that it covers `data` to the last byte; nothing may follow it.

    Raises:
        NoSeal: no trace of a seal.
        AlteredSeal: anything that differs from what the sealer writes.
    """
    seal = _read_last(data)
    if countersigns(seal.pair.seal):
        raise AlteredSeal("The document has a countersignature where its seal should be.")
    return seal


def _read_last(data: bytes) -> Seal:
    """The last signature of the file, which must cover it to the last byte.

    Raises:
        NoSeal: no trace of a seal.
        AlteredSeal: anything that differs from what the sealer writes.
    """
    start, stop = _gap(data)
    digits = data[start + 1 : stop - 1]
    try:
        message = bytes.fromhex(digits.decode("ascii"))
    except ValueError as error:
        raise AlteredSeal("The seal is not a hexadecimal string.") from error
    # Upper case, no blanks: one spelling only.
    if message.hex().upper().encode("ascii") != digits:
        raise AlteredSeal("The seal is spelt in another way than it was written.")
    view = memoryview(data)
    covered = hashlib.sha256(view[:start])
    covered.update(view[stop:])
    document_digest = covered.digest()
    try:
        (first, second), signature = take_apart(message)
        root, seal = next(
            (root, seal)
            for root, seal in ((first, second), (second, first))
            if compose(root, seal, document_digest, signature) == message
        )
    except StopIteration:
        raise AlteredSeal("The document's bytes are not those that were sealed.") from None
    except ValueError as error:
        raise AlteredSeal("The seal's message is damaged.") from error
    try:
        pair = check_pair(root, seal)
    except ForgedCertificate as error:
        raise AlteredSeal(str(error)) from error
    if not signed_by(public_key(seal), signature, signed_attributes(document_digest, seal)):
        raise AlteredSeal("The seal's signature does not fit the document.")
    return Seal(pair, root, seal, (start, stop), message)


def _gap(data: bytes) -> tuple[int, int]:
    """Where the seal's hex string stands, if the byte range leaves out exactly it and reaches the end."""
    place = data.rfind(b"/ByteRange ")
    found = _BYTE_RANGE.match(data, place) if place >= 0 else None
    if found is None:
        if any(trace in data for trace in _TRACES):
            raise AlteredSeal("The document has traces of a seal, but the seal is not whole.")
        raise NoSeal("The document carries no seal.")
    start, stop, rest = (int(number) for number in found.groups())
    if stop + rest != len(data):
        raise AlteredSeal("The document does not end where the seal says that it ends.")
    # The entry that the sealer writes right before the byte range, and nothing between them.
    if not (
        start < stop
        and stop + 1 == place
        and stop - start <= 2 * _MAX_MESSAGE
        and data[start - 10 : start + 1] == b"/Contents <"
        and data[stop - 1 : place] == b">\n"
    ):
        raise AlteredSeal("The seal does not stand where it says that it stands.")
    return start, stop
