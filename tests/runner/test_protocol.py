"""Frames between supervisor and child."""

from __future__ import annotations

import io
import socket
import struct
import zipfile
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import ChildFailed
from assay.runner import protocol


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(5)
        yield ours, theirs


def test_a_frame_arrives_as_it_was_sent(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    protocol.send(theirs, {"kind": "partial", "data": {"a": [1, "ü"]}}, b"\x00\x01")
    assert protocol.receive(ours) == ({"kind": "partial", "data": {"a": [1, "ü"]}}, b"\x00\x01")


def test_a_hang_up_is_told_apart_from_nonsense(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    theirs.close()
    with pytest.raises(protocol.Closed):
        protocol.receive(ours)


def test_an_announced_size_over_the_limit_is_refused_before_it_is_read(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    theirs.sendall(struct.pack("!QQ", 2**60, 0))
    with pytest.raises(ChildFailed, match="over the protocol's limit"):
        protocol.receive(ours)


@pytest.mark.parametrize("text", [b"", b"[1]", b"null", b"{", b"\xff", b"[" * 100_000])
def test_a_header_that_is_no_json_object_is_refused(
    pair: tuple[socket.socket, socket.socket], text: bytes
) -> None:
    ours, theirs = pair
    theirs.sendall(struct.pack("!QQ", len(text), 0) + text)
    with pytest.raises(ChildFailed):
        protocol.receive(ours)


def test_arrays_survive_the_journey() -> None:
    arrays = {"counts": np.arange(6).reshape(2, 3), "scores": np.array([0.5, np.inf])}
    back = protocol.unpack_arrays(protocol.pack_arrays(arrays))
    assert back.keys() == arrays.keys()
    assert all(np.array_equal(back[name], arrays[name]) for name in arrays)
    assert protocol.unpack_arrays(protocol.pack_arrays({})) == {}


def test_compressed_arrays_are_refused_since_they_could_be_bombs() -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, zeros=np.zeros(10_000_000))
    with pytest.raises(ChildFailed, match="compressed"):
        protocol.unpack_arrays(buffer.getvalue())


def test_object_arrays_are_refused_since_they_are_pickles() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, evil=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ChildFailed, match="cannot be read"):
        protocol.unpack_arrays(buffer.getvalue())


def _npy(header: str, content: bytes = b"") -> bytes:
    text = header.encode("latin1")
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


def _claiming(kind: str, shape: str) -> bytes:
    return _npy(f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}, }}\n", b"x" * 8)


@pytest.mark.parametrize(
    "member",
    [
        pytest.param(_claiming("'<f8'", "(1099511627776000,)"), id="petabytes"),
        pytest.param(_claiming("'<f8'", "(4294967296,)"), id="gigabytes"),
        pytest.param(_claiming("'<f8'", "(4611686018427387904, 4)"), id="more than an address"),
        pytest.param(_claiming("'<f8'", "(-1,)"), id="less than nothing"),
        pytest.param(_claiming("'<f8'", "(True,)"), id="a truth for a size"),
        pytest.param(_claiming("'V0'", "(4611686018427387904,)"), id="nothing, very often"),
        pytest.param(_npy("(" * 9_000), id="brackets"),
        pytest.param(_npy("-" * 9_000 + "1"), id="signs"),
        pytest.param(_npy("{'descr': '''"), id="a text that stays open"),
        pytest.param(_npy("  a\n b\n"), id="indented"),
    ],
)
def test_an_array_that_lies_is_refused_before_it_is_made(member: bytes) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x.npy", member)
    with pytest.raises(ChildFailed, match="cannot be read"):
        protocol.unpack_arrays(buffer.getvalue())


@pytest.mark.parametrize(("place", "byte"), [(6, 0xFF), (8, 0x01)], ids=["a version to come", "encrypted"])
def test_a_zip_that_its_reader_will_not_read_is_refused(place: int, byte: int) -> None:
    body = bytearray(protocol.pack_arrays({"x": np.arange(3)}))
    body[body.index(b"PK\x01\x02") + place] = byte
    with pytest.raises(ChildFailed, match="cannot be read"):
        protocol.unpack_arrays(bytes(body))


def test_a_directory_of_very_many_arrays_is_refused_before_it_is_listed() -> None:
    """46 bytes in the directory become a kilobyte of objects."""
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 0, 20, 0, *[0] * 12, 0, 0)[:46]
    directory = entry * 40_000
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 40_000, 40_000, len(directory), 0, 0)
    with pytest.raises(ChildFailed, match="no archive of a few arrays"):
        protocol.unpack_arrays(directory + end)


def test_empty_and_transposed_arrays_survive_too() -> None:
    arrays = {"none": np.zeros((0, 3)), "turned": np.arange(6).reshape(2, 3).T, "one": np.array(2.0)}
    back = protocol.unpack_arrays(protocol.pack_arrays(arrays))
    assert all(np.array_equal(back[name], arrays[name]) for name in arrays)
    back["turned"][0, 0] = 7  # they are their receiver's own


@given(st.binary(max_size=300))
def test_random_bytes_are_never_arrays_and_never_crash(body: bytes) -> None:
    try:
        protocol.unpack_arrays(body)
    except ChildFailed:
        return
    assert body == b""
