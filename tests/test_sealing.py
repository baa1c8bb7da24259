"""Sealed files: the same bytes back in constant memory, and every way of tampering with them is found."""

from __future__ import annotations

import hashlib
import os
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import BadInput
from assay.sealing import (
    BODY,
    MORE,
    PIECE,
    Keyring,
    is_under,
    open_bytes,
    open_sealed,
    opened_key,
    rewrap,
    seal,
    seal_bytes,
    stream_cipher,
    stream_key,
)

FIRST, SECOND = "11" * 32, "22" * 32
RING = Keyring.read(FIRST)
LAID = PIECE + 16


def _sealed(path: Path, content: bytes, ring: Keyring = RING, chunk: int = 300_000) -> str:
    with path.open("wb") as file:
        digest, size = seal((content[i : i + chunk] for i in range(0, len(content), chunk)), file, ring)
    assert digest == hashlib.sha256(content).hexdigest()
    assert size == len(content)
    return digest


def _back(path: Path, digest: str, ring: Keyring = RING) -> bytes:
    return b"".join(open_sealed(path, digest, ring))


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 77])
def test_content_comes_back_and_is_nowhere_on_the_disk(tmp_path: Path, size: int) -> None:
    content = (b"a secret row of somebody's data\n" * (size // 32 + 1))[:size]
    digest = _sealed(tmp_path / "f", content)
    assert _back(tmp_path / "f", digest) == content
    assert b"secret" not in (tmp_path / "f").read_bytes()
    assert (tmp_path / "f").stat().st_size == BODY + size + 16 * max(1, -(-size // PIECE))


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 700_000), max_size=8))
def test_however_the_chunks_fall(tmp_path_factory: pytest.TempPathFactory, sizes: list[int]) -> None:
    path = tmp_path_factory.mktemp("s") / "f"
    chunks = [bytes([place + 1]) * size for place, size in enumerate(sizes)]
    with path.open("wb") as file:
        digest, size = seal(chunks, file, RING)
    assert size == sum(sizes)
    assert _back(path, digest) == b"".join(chunks)


def test_the_same_content_twice_is_not_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        _sealed(tmp_path / name, b"same" * 100)
    first, second = ((tmp_path / name).read_bytes() for name in "ab")
    assert first[16 + 8 :] != second[16 + 8 :]
    assert first[BODY:] != second[BODY:]


def test_pieces_are_aes_256_gcm_as_anybody_else_computes_it(tmp_path: Path) -> None:
    """The layout is open: with the key alone, and no code of ours, the content can be read."""
    digest = _sealed(tmp_path / "f", b"hello")
    raw = (tmp_path / "f").read_bytes()
    nonce, size, wrapped = raw[24:36], int.from_bytes(raw[36:44], "big"), raw[44:92]
    bound = f"assay.sealed data key\n{digest}\n{size}".encode()
    data_key = AESGCM(bytes.fromhex(FIRST)).decrypt(nonce, wrapped, bound)
    assert AESGCM(data_key).decrypt(bytes(11) + b"\1", raw[BODY:], None) == b"hello"


def _swap_pieces(raw: bytearray) -> None:
    first, second = raw[BODY : BODY + LAID], raw[BODY + LAID : BODY + 2 * LAID]
    raw[BODY : BODY + 2 * LAID] = second + first


def _repeat_a_piece(raw: bytearray) -> None:
    raw[BODY + LAID : BODY + 2 * LAID] = raw[BODY : BODY + LAID]


def _cut_a_piece_and_say_so(raw: bytearray) -> None:
    del raw[BODY + 2 * LAID :]
    raw[36:44] = (2 * PIECE).to_bytes(8, "big")


def _flip(place: int) -> Callable[[bytearray], None]:
    def flip(raw: bytearray) -> None:
        raw[place] ^= 1

    return flip


@pytest.mark.parametrize(
    ("tamper", "says"),
    [
        (_flip(BODY + 5), "piece 1 of 3 was altered"),
        (_flip(BODY + LAID - 1), "piece 1 of 3 was altered"),
        (_flip(BODY + 2 * LAID + 9), "piece 3 of 3 was altered"),
        (_swap_pieces, "piece 1 of 3 was altered or moved"),
        (_repeat_a_piece, "piece 2 of 3 was altered or moved"),
        (lambda raw: raw.__delitem__(slice(-1, None)), "cut off"),
        (lambda raw: raw.__delitem__(slice(BODY + LAID, None)), "cut off"),
        (lambda raw: raw.extend(b"x"), "bytes to spare"),
        (_cut_a_piece_and_say_so, "header was altered"),
        (_flip(30), "header was altered"),
        (_flip(60), "header was altered"),
        (_flip(0), "header is gone"),
        (lambda raw: raw.__delitem__(slice(200, None)), "header is gone"),
        (_flip(18), "which ASSAY_STORAGE_KEY does not hold"),
    ],
)
def test_tampering_is_found(tmp_path: Path, tamper: Callable[[bytearray], None], says: str) -> None:
    path = tmp_path / "f"
    digest = _sealed(path, os.urandom(2 * PIECE + 1_000))
    raw = bytearray(path.read_bytes())
    tamper(raw)
    path.write_bytes(raw)
    with pytest.raises(BadInput, match=says) as refused:
        _back(path, digest)
    assert refused.value.message.startswith(f"The stored file {digest[:12]} is ")
    assert "\n" not in refused.value.message


def test_a_file_in_the_place_of_another_is_found(tmp_path: Path) -> None:
    one, other = _sealed(tmp_path / "a", b"one"), _sealed(tmp_path / "b", b"two")
    (tmp_path / "a").rename(tmp_path / "c")
    (tmp_path / "b").rename(tmp_path / "a")
    with pytest.raises(BadInput, match="another file than its name says"):
        _back(tmp_path / "a", one)
    assert _back(tmp_path / "a", other) == b"two"


def test_a_body_under_the_header_of_another_is_found(tmp_path: Path) -> None:
    one = _sealed(tmp_path / "a", b"one")
    _sealed(tmp_path / "b", b"two")
    (tmp_path / "a").write_bytes((tmp_path / "a").read_bytes()[:BODY] + (tmp_path / "b").read_bytes()[BODY:])
    with pytest.raises(BadInput, match="piece 1 of 1 was altered"):
        _back(tmp_path / "a", one)


def test_without_the_key_it_says_which_one_is_missing(tmp_path: Path) -> None:
    digest = _sealed(tmp_path / "f", b"x")
    for ring in (Keyring(), Keyring.read(SECOND)):
        with pytest.raises(BadInput, match=f"sealed under the key {RING.sealing().id.hex()}") as refused:
            _back(tmp_path / "f", digest, ring)
        assert FIRST not in refused.value.message


def test_a_new_key_takes_over_and_the_old_one_opens_no_more(tmp_path: Path) -> None:
    path, both, new = tmp_path / "f", Keyring.read(f"{SECOND}, {FIRST}"), Keyring.read(SECOND)
    digest = _sealed(path, b"content" * 1_000)
    body = path.read_bytes()[BODY:]
    assert not is_under(path, new.sealing())
    rewrap(path, digest, both)
    assert is_under(path, new.sealing())
    assert _back(path, digest, new) == b"content" * 1_000
    assert path.read_bytes()[BODY:] == body
    with pytest.raises(BadInput, match="does not hold"):
        _back(path, digest, RING)
    rewrap(path, digest, Keyring.read(f"{FIRST} {SECOND}"))
    assert _back(path, digest, RING) == b"content" * 1_000


def test_a_rotation_that_broke_off_half_way_opens_with_either_key(tmp_path: Path) -> None:
    path, both = tmp_path / "f", Keyring.read(f"{SECOND} {FIRST}")
    digest = _sealed(path, b"content")
    before = path.read_bytes()
    rewrap(path, digest, both)
    after = path.read_bytes()
    half = before[:512] + after[512:]
    path.write_bytes(half)
    for ring in (RING, Keyring.read(SECOND), both):
        assert _back(path, digest, ring) == b"content"
    assert not is_under(path, both.sealing())
    torn = before[:512] + after[512:540] + bytes(484) + before[BODY:]
    path.write_bytes(torn)
    assert _back(path, digest, both) == b"content"
    rewrap(path, digest, both)
    assert is_under(path, both.sealing())
    assert _back(path, digest, Keyring.read(SECOND)) == b"content"


def test_sealing_and_opening_take_constant_memory(tmp_path: Path) -> None:
    def much() -> Iterator[bytes]:
        for _ in range(64):
            yield bytes(PIECE)

    tracemalloc.start()
    with (tmp_path / "f").open("wb") as file:
        digest, _ = seal(much(), file, RING)
    for _piece in open_sealed(tmp_path / "f", digest, RING):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * PIECE


def test_short_secrets_and_drafts_are_bound_to_their_names(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(seal_bytes(b"k" * 32, "one", RING))
    assert open_bytes(tmp_path / "key", "one", RING) == b"k" * 32
    with pytest.raises(BadInput, match="another file"):
        open_bytes(tmp_path / "key", "two", RING)
    key, head = stream_key("draft 1", RING)
    (tmp_path / "draft").write_bytes(head)
    assert opened_key(tmp_path / "draft", "draft 1", RING) == key
    content = os.urandom(1_000)

    def turned(offset: int, content: bytes) -> bytes:
        return bytes(stream_cipher(key, offset, content, memoryview(bytearray(len(content) + MORE))))

    whole = turned(0, content)
    standard = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).decryptor()
    assert standard.update(whole) == content
    for cut in (0, 1, 15, 16, 17, 999):
        assert turned(0, content[:cut]) + turned(cut, content[cut:]) == whole
        assert turned(cut, whole[cut:]) == content[cut:]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("abc", "64 hexadecimal digits"),
        (f"{FIRST} {FIRST}", "stands twice"),
        (f"{FIRST} off", "key 2 is not"),
    ],
)
def test_keys_that_cannot_be_used_are_named_by_their_place_only(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as refused:
        Keyring.read(text)
    assert FIRST not in str(refused.value)
    assert FIRST not in repr(RING.sealing())


def test_off_reads_and_does_not_write() -> None:
    ring = Keyring.read(f"off {FIRST}")
    assert ring.first is None
    assert len(ring) == 1
    assert Keyring.read("").first is None
