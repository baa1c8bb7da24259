"""Row-level results are kept encrypted, come back whole, and can be erased."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from assay.annex import AnnexStore, RunRows
from assay.contracts import AnnexReference
from assay.errors import BadInput


def rows(count: int = 50, *, asked: bool = False) -> RunRows:
    rng = np.random.default_rng(1)
    identity = rng.integers(0, 2**63, count).astype(np.uint64)
    other = rng.integers(0, 2**63, 7).astype(np.uint64)
    return RunRows(
        identity=identity,
        occurrence=np.zeros(count, np.uint32),
        label=rng.integers(0, 2, count).astype(np.int32),
        prediction=rng.integers(0, 2, count).astype(np.int32),
        score=rng.random(count),
        attributes={"sex": rng.integers(-1, 2, count).astype(np.int32)},
        categories={"sex": ("Female", "Male")},
        cluster=None,
        asked_identity=other if asked else identity,
        asked_occurrence=np.zeros(7 if asked else count, np.uint32),
        results={"ab" * 32: rng.integers(-1, 2, 7 if asked else count).astype(np.int8)},
    )


@pytest.mark.parametrize("asked", [False, True])
def test_rows_come_back_as_they_were(tmp_path: Path, asked: bool) -> None:
    store, kept = AnnexStore(tmp_path / "annex"), rows(asked=asked)
    found = store.get(store.put(kept))
    assert found is not None
    for name in ("identity", "occurrence", "label", "prediction", "score", "asked_identity"):
        np.testing.assert_array_equal(getattr(found, name), getattr(kept, name))
    np.testing.assert_array_equal(found.attributes["sex"], kept.attributes["sex"])
    assert found.categories == kept.categories
    np.testing.assert_array_equal(found.results["ab" * 32], kept.results["ab" * 32])
    assert found.cluster is None


def test_nothing_of_the_rows_can_be_read_on_disk(tmp_path: Path) -> None:
    store, kept = AnnexStore(tmp_path), rows()
    reference = store.put(kept)
    stored = (tmp_path / reference.digest[:2] / reference.digest[2:]).read_bytes()
    assert b"Female" not in stored
    assert kept.identity.tobytes()[:16] not in stored
    for path in tmp_path.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_another_installation_gives_the_same_rows_another_digest(tmp_path: Path) -> None:
    first, second = AnnexStore(tmp_path / "a"), AnnexStore(tmp_path / "b")
    references = [store.put(rows()) for store in (first, second)]
    assert references[0].digest != references[1].digest
    assert first.put(rows()).digest == references[0].digest
    assert second.get(references[0]) is None


def test_an_altered_or_foreign_annex_counts_as_not_there(tmp_path: Path) -> None:
    store = AnnexStore(tmp_path)
    reference = store.put(rows())
    path = tmp_path / reference.digest[:2] / reference.digest[2:]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert store.get(reference) is None
    assert store.get(None) is None
    assert AnnexStore(tmp_path / "none").get(reference) is None


def test_one_annex_cannot_stand_in_for_another(tmp_path: Path) -> None:
    store = AnnexStore(tmp_path)
    one, two = store.put(rows(50)), store.put(rows(60))
    target = tmp_path / two.digest[:2] / two.digest[2:]
    target.write_bytes((tmp_path / one.digest[:2] / one.digest[2:]).read_bytes())
    assert store.get(two) is None


def test_an_erased_annex_is_gone(tmp_path: Path) -> None:
    store = AnnexStore(tmp_path)
    reference = store.put(rows())
    assert store.erase(reference)
    assert store.get(reference) is None
    assert not store.erase(reference)


def test_a_broken_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"short")
    with pytest.raises(BadInput, match="no key of 32 bytes"):
        AnnexStore(tmp_path).put(rows())


def test_the_digest_of_the_asked_rows_does_not_hang_on_their_order() -> None:
    kept = rows()
    order = np.random.default_rng(2).permutation(len(kept.identity))
    shuffled = RunRows(**{**vars(kept), "asked_identity": kept.identity[order]})
    assert shuffled.asked_sha256 == kept.asked_sha256
    assert rows(51).asked_sha256 != kept.asked_sha256


def test_a_reference_says_what_is_held(tmp_path: Path) -> None:
    reference: AnnexReference = AnnexStore(tmp_path).put(rows())
    assert reference.rows == 50
    assert {"identity", "label", "score", "attribute_0", "result_0"} <= set(reference.holds)
