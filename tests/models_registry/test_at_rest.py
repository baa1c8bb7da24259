"""Files at rest: sealed where there is a key, beside what lies in the clear; keys change meanwhile."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, transaction
from django.utils import timezone

from assay.annex import RunRows
from assay.endpoints.kept import KeptAnswers
from assay.errors import BadInput
from assay.sealing import Keyring, seal_bytes
from config.checks import check_storage
from models_registry import files, rotation, uploads
from models_registry.models import StoredFile
from models_registry.uploads import draft_of
from tests.conftest import People, make_people
from tests.models_registry.sending import add_chunk

FIRST, SECOND = "11" * 32, "22" * 32
CONTENT = b"name,income\nAda,1200\n" * 500


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Give the installation, which has a home of its own for the test, other keys."""

    def give(text: str) -> None:
        update = {"storage_key": text, "home": tmp_path / "home"}
        monkeypatch.setattr(settings, "ENV", settings.ENV.model_copy(update=update))

    give("")
    return give


def _lies(people: People) -> list[Path]:
    found = files.root_of(people.organisation).rglob("*")
    return sorted(path for path in found if path.is_file() and path.name != ".lock")


def _rotate() -> str:
    said = StringIO()
    call_command("rotate_storage_key", stdout=said, stderr=said)
    return said.getvalue()


def test_what_is_stored_is_sealed_and_comes_back_everywhere(
    people: People, keys: Callable[[str], None], tmp_path: Path
) -> None:
    keys(FIRST)
    stored = files.keep(people.organisation, [CONTENT])
    assert stored.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert stored.size == len(CONTENT)
    assert files.read(people.organisation, stored.sha256) == CONTENT
    files.copy_into(tmp_path, {"data.csv": files.path_of(people.organisation, stored.sha256)})
    assert (tmp_path / "data.csv").read_bytes() == CONTENT
    assert all(b"Ada" not in path.read_bytes() for path in _lies(people))
    assert files.keep(people.organisation, [CONTENT]) == stored
    assert len(_lies(people)) == 1


def test_uploads_never_lie_in_the_clear(people: People, keys: Callable[[str], None]) -> None:
    keys(FIRST)
    upload = uploads.begin_upload(people.organisation, "data.csv", len(CONTENT), people.engineer)
    step = 1_000
    for first in range(0, len(CONTENT), step):
        add_chunk(upload, first, CONTENT[first : first + step])
        add_chunk(upload, first, CONTENT[first : first + step])  # sent twice
        assert all(b"Ada" not in path.read_bytes() for path in _lies(people))
    with pytest.raises(uploads.WrongOffset, match="other bytes"):
        add_chunk(upload, 0, b"x" * step)
    stored = uploads.finish_upload(upload, hashlib.sha256(CONTENT).hexdigest())
    assert uploads.finish_upload(upload) == stored
    assert files.read(people.organisation, stored.sha256) == CONTENT
    (sealed,) = _lies(people)
    assert sealed.name.endswith(".sealed")
    assert b"Ada" not in sealed.read_bytes()


def test_an_upload_goes_on_when_keys_come_or_change(people: People, keys: Callable[[str], None]) -> None:
    half = len(CONTENT) // 2
    for before, after in (("", FIRST), (FIRST, f"{SECOND} {FIRST}"), (FIRST, f"off {FIRST}")):
        keys(before)
        upload = uploads.begin_upload(people.organisation, "data.csv", len(CONTENT), people.engineer)
        add_chunk(upload, 0, CONTENT[:half])
        keys(after)
        add_chunk(upload, half, CONTENT[half:])
        stored = uploads.finish_upload(upload)
        assert files.read(people.organisation, stored.sha256) == CONTENT
        assert not draft_of(upload).parent.exists() or not list(draft_of(upload).parent.iterdir())


def test_rotation_seals_rewraps_and_opens_again(people: People, keys: Callable[[str], None]) -> None:
    clear = files.keep(people.organisation, [b"from before"])
    keys(FIRST)
    old = files.keep(people.organisation, [b"under the first key"])
    annex = files.annex(people.organisation)
    rows = RunRows(
        identity=np.arange(3, dtype=np.uint64),
        occurrence=np.zeros(3, np.uint32),
        label=None,
        prediction=None,
        score=None,
        attributes={},
        categories={},
        cluster=None,
        asked_identity=np.arange(3, dtype=np.uint64),
        asked_occurrence=np.zeros(3, np.uint32),
    )
    reference = annex.put(rows)
    upload = uploads.begin_upload(people.organisation, "a", 4, people.engineer)
    add_chunk(upload, 0, b"ab")

    keys(f"{SECOND} {FIRST}")
    said = _rotate()
    assert "1 sealed" in said
    assert "3 brought under the present key" in said  # the file, the annex's key, the unfinished upload
    assert "0 sealed, 0 brought under the present key, 0 opened, 4 left as they were" in _rotate()
    keys(SECOND)
    assert files.read(people.organisation, clear.sha256) == b"from before"
    assert files.read(people.organisation, old.sha256) == b"under the first key"
    assert files.annex(people.organisation).get(reference) is not None
    add_chunk(upload, 2, b"cd")
    assert files.read(people.organisation, uploads.finish_upload(upload).sha256) == b"abcd"

    keys(f"off {SECOND}")
    assert "4 opened" in _rotate()
    keys("")
    assert files.read(people.organisation, clear.sha256) == b"from before"
    assert files.read(people.organisation, old.sha256) == b"under the first key"
    assert files.annex(people.organisation).get(reference) is not None
    assert not [path for path in _lies(people) if path.name.endswith(".sealed")]


def test_a_rotation_says_what_it_could_not_do_and_leaves_it(
    people: People, keys: Callable[[str], None]
) -> None:
    keys(FIRST)
    stored = files.keep(people.organisation, [b"x"])
    keys(SECOND)
    with pytest.raises(CommandError, match="1 files could not be changed; keep the older keys"):
        _rotate()
    keys(FIRST)
    assert files.read(people.organisation, stored.sha256) == b"x"
    keys("")
    with pytest.raises(CommandError, match="no storage key"):
        _rotate()


def test_a_forgery_in_the_clear_beside_keys_is_found(
    people: People, keys: Callable[[str], None], tmp_path: Path
) -> None:
    keys(FIRST)
    stored = files.keep(people.organisation, [CONTENT])
    path = files.path_of(people.organisation, stored.sha256)
    files.sealed_path(path).unlink()
    path.write_bytes(b"forged")
    for look in (
        lambda: files.read(people.organisation, stored.sha256),
        lambda: files.copy_into(tmp_path, {"a": path}),
    ):
        with pytest.raises(BadInput, match="its content has another digest"):
            look()
    path.unlink()
    with pytest.raises(BadInput, match="is not there"):
        files.read(people.organisation, stored.sha256)


def test_the_check_says_whether_files_are_encrypted(keys: Callable[[str], None]) -> None:
    keys("")
    assert "not encrypted" in check_storage()[0].msg
    keys(f"{FIRST} {SECOND}")
    (said,) = check_storage()
    assert "are encrypted (AES-256-GCM)" in said.msg
    assert "1 older key" in said.msg
    assert FIRST not in said.msg


def test_kept_answers_are_sealed_rotated_and_opened_again(
    people: People, keys: Callable[[str], None]
) -> None:
    def answers() -> KeptAnswers:
        path = files.root_of(people.organisation) / files.ANSWERS / f"{people.organisation.pk}.npz"
        return KeptAnswers("endpoint", path, settings.ENV.keyring)

    kept = answers()
    row = kept.digests(["a text"])[0]
    kept.put(row, np.array([0.25, 0.75]), unmatched=False)
    kept.save()
    for key, said in (
        (FIRST, "1 sealed"),
        (f"{SECOND} {FIRST}", "1 brought under the present key"),
        (f"off {SECOND}", "1 opened"),
    ):
        keys(key)
        assert said in _rotate()
        (path,) = _lies(people)
        assert path.name.endswith(".sealed") == (key[:3] != "off")
        found = answers().get(row)
        assert found is not None
        assert found[0].tolist() == [0.25, 0.75]
    keys(FIRST)
    again = answers()
    again.put(b"x" * 16, np.array([1.0, 0.0]), unmatched=False)
    again.save()
    (sealed,) = _lies(people)
    assert sealed.name.endswith(".sealed")
    keys("")
    with pytest.raises(BadInput, match="does not hold"):
        answers()


def test_bytes_that_are_deleted_during_a_rotation_do_not_come_back(
    committed: None, keys: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time: who deletes is done before, or begins afterwards")
    people = make_people()
    stored = files.keep(people.organisation, [CONTENT])
    keys(FIRST)
    removed = threading.Event()

    def delete() -> None:
        with transaction.atomic():
            StoredFile.unscoped.select_for_update().filter(pk=stored.pk).update(removed_at=timezone.now())
            files.remove(people.organisation, stored.sha256)
            removed.set()
            time.sleep(0.5)  # the rotation, whose sealed copy is ready, comes to the row and waits
        connection.close()

    deleting = threading.Thread(target=delete)

    def pieces(path: Path) -> Iterator[bytes]:
        yield from files.pieces(path)
        deleting.start()
        assert removed.wait(30)

    monkeypatch.setattr(rotation, "pieces", pieces)
    _rotate()
    deleting.join(30)
    assert _lies(people) == []


def test_a_rotation_removes_the_old_form_once_the_name_of_the_new_one_is_on_the_disk(
    people: People, keys: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = files.keep(people.organisation, [CONTENT])
    path = files.path_of(people.organisation, stored.sha256)
    real, synced = os.fsync, []

    def fsync(descriptor: int) -> None:
        real(descriptor)
        if path.exists() and files.sealed_path(path).exists():
            synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())

    monkeypatch.setattr(os, "fsync", fsync)
    keys(FIRST)
    assert "1 sealed" in _rotate()
    assert synced == [path.parent.resolve()]
    assert not path.exists()


def test_answers_that_are_saved_during_a_rotation_stay(
    people: People, keys: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def saved(row: bytes) -> None:
        answers = KeptAnswers("endpoint", path, settings.ENV.keyring)
        answers.put(row * 16, np.array([0.1, 0.9]), unmatched=False)
        answers.save()

    path = files.root_of(people.organisation) / files.ANSWERS / "subject.npz"
    saved(b"1")
    keys(FIRST)
    saving = threading.Thread(target=lambda: saved(b"2"))

    def seal_while_another_saves(content: bytes, name: str, ring: Keyring) -> bytes:
        saving.start()
        saving.join(1)  # it waits; where it does not, it is done by then
        return seal_bytes(content, name, ring)

    monkeypatch.setattr(rotation, "seal_bytes", seal_while_another_saves)
    assert "1 sealed" in _rotate()
    saving.join(30)
    assert len(KeptAnswers("endpoint", path, settings.ENV.keyring)) == 2


def test_what_a_rotation_opens_while_it_is_read_is_found(
    people: People, keys: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    keys(FIRST)
    stored = files.keep(people.organisation, [CONTENT])
    keys(f"off {FIRST}")
    real = files.open_sealed

    def rotate_first(path: Path, digest: str, ring: Keyring) -> Iterator[bytes]:
        monkeypatch.setattr(files, "open_sealed", real)
        assert "1 opened" in _rotate()
        return real(path, digest, ring)

    monkeypatch.setattr(files, "open_sealed", rotate_first)
    assert files.read(people.organisation, stored.sha256) == CONTENT


def test_a_draft_that_was_only_begun_and_bytes_that_go_meanwhile_do_not_fail_a_rotation(
    people: People, keys: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = files.keep(people.organisation, [CONTENT], uploaded=True)
    keys(FIRST)
    upload = uploads.begin_upload(people.organisation, "a", 4, people.engineer)
    begun = uploads._draft(upload).path
    begun.parent.mkdir(parents=True, exist_ok=True)
    begun.touch()
    real = rotation._one

    def one(path: Path, name: str, ring: Keyring, done: rotation.Rotated) -> None:
        if name == stored.sha256:
            files.remove(people.organisation, stored.sha256)
        real(path, name, ring, done)

    monkeypatch.setattr(rotation, "_one", one)
    keys(f"{SECOND} {FIRST}")
    assert "0 sealed, 0 brought under the present key, 0 opened, 0 left as they were" in _rotate()
    add_chunk(upload, 0, b"abcd")
    assert files.read(people.organisation, uploads.finish_upload(upload).sha256) == b"abcd"
