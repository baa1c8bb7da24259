"""Blobs by digest: written whole, read back only if they are still what they were."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.errors import BadInput, Internal
from assay.store import Store


@given(content=st.binary(max_size=2_000))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_a_blob_comes_back_under_its_sha256(tmp_path: Path, content: bytes) -> None:
    store = Store(tmp_path)
    digest = store.put(content)
    assert digest == hashlib.sha256(content).hexdigest()
    assert store.get(digest) == content
    assert store.put(content) == digest
    assert digest in store


def test_a_damaged_blob_is_not_handed_out(tmp_path: Path) -> None:
    store = Store(tmp_path)
    digest = store.put(b"evidence")
    (tmp_path / digest[:2] / digest[2:]).write_bytes(b"evidencf")
    with pytest.raises(Internal, match="damaged"):
        store.get(digest)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "0" * 64, "A" * 64, "0" * 63])
def test_what_is_no_kept_digest_is_not_there(tmp_path: Path, name: str) -> None:
    store = Store(tmp_path)
    store.put(b"x")
    assert name not in store
    assert store.find(name) == []
    with pytest.raises(KeyError):
        store.get(name)


def test_blobs_are_found_by_their_first_digits(tmp_path: Path) -> None:
    store = Store(tmp_path)
    digests = [store.put(bytes([i])) for i in range(50)]
    assert sorted(store) == sorted(digests)
    assert store.find(digests[7][:12]) == [digests[7]]
    assert store.find(digests[7][:5]) == [], "five digits are too few to mean one run"


def test_only_the_owner_can_read_the_folder(tmp_path: Path) -> None:
    root = tmp_path / "kept"
    Store(root).put(b"x")
    assert root.stat().st_mode & 0o077 == 0


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="ASSAY_HOME"):
        Store(tmp_path / "file" / "store").put(b"x")


def test_processes_that_keep_the_same_blob_at_once_leave_one(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from assay.store import Store\n"
        "for i in range(50): Store(Path(sys.argv[1])).put(b'same' * 1000 + bytes([i]))"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert len(list(Store(tmp_path))) == 50
    assert not list(tmp_path.glob("*/.put-*"))
