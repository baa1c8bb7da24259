"""Chunks that come doubled, late, damaged, or not at all; and whose file it is in the end.

Longer than other files: every way in which one upload can break stands beside the others.
"""

from __future__ import annotations

import hashlib
import os
import random
import threading
from collections import OrderedDict
from datetime import timedelta
from io import BytesIO, StringIO
from pathlib import Path
from typing import NamedTuple

import pytest
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone

from assay.errors import BadInput
from models_registry import files, running_digests, uploads
from models_registry.draft_files import DraftFile, DraftWriter
from models_registry.models import StoredFile, Upload
from models_registry.services import begin_upload, finish_upload, finished_files, receive
from models_registry.uploads import WrongOffset, draft_of, sweep_uploads
from tests.at_once import at_once
from tests.conftest import People, make_people
from tests.models_registry.sending import add_chunk

CONTENT = b"first half, second half"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def begun(people: People, size: int = len(CONTENT), name: str = "data.csv") -> Upload:
    return begin_upload(people.organisation, name, size, people.engineer)


def sent(upload: Upload, content: bytes = CONTENT, step: int = 5) -> Upload:
    for start in range(upload.received, len(content), step):
        upload = add_chunk(upload, start, content[start : start + step])
    return upload


def test_chunks_become_one_stored_file_under_its_digest(people: People) -> None:
    upload = sent(begun(people))
    stored = finish_upload(upload, DIGEST)
    assert (stored.sha256, stored.size, stored.organisation) == (DIGEST, len(CONTENT), people.organisation)
    path = files.path_of(people.organisation, DIGEST)
    assert path.read_bytes() == CONTENT
    assert path.stat().st_mode & 0o777 == 0o400
    assert not draft_of(upload).exists()


def test_finishing_twice_gives_the_same_file(people: People) -> None:
    upload = sent(begun(people))
    assert finish_upload(upload) == finish_upload(upload, DIGEST)
    with pytest.raises(BadInput, match="was stored with"):
        finish_upload(upload, "0" * 64)


def test_a_broken_connection_is_gone_on_from_where_it_ended(people: People) -> None:
    upload = add_chunk(begun(people), 0, CONTENT[:7])
    with pytest.raises(WrongOffset, match="goes on at byte 7") as told:
        add_chunk(upload, 12, CONTENT[12:])
    assert told.value.received == 7
    with pytest.raises(WrongOffset, match=r"has 7 of 23 bytes"):
        finish_upload(upload)
    assert finish_upload(sent(upload)).sha256 == DIGEST


def test_a_doubled_chunk_is_harmless(people: People) -> None:
    upload = add_chunk(begun(people), 0, CONTENT[:7])
    assert add_chunk(upload, 0, CONTENT[:7]).received == 7
    assert add_chunk(upload, 2, CONTENT[2:5]).received == 7
    upload = sent(upload)
    finish_upload(upload)
    assert add_chunk(upload, 16, CONTENT[16:]).received == len(CONTENT)


def test_other_bytes_in_the_place_of_a_chunk_are_a_conflict(people: People) -> None:
    upload = add_chunk(begun(people), 0, CONTENT[:7])
    with pytest.raises(WrongOffset, match="other bytes"):
        add_chunk(upload, 0, b"FIRST")
    with pytest.raises(WrongOffset, match="other bytes at 5"):
        add_chunk(upload, 5, CONTENT[6:12])
    assert add_chunk(upload, 5, CONTENT[5:12]).received == 12
    assert finish_upload(sent(upload)).sha256 == DIGEST


def test_a_writer_that_died_before_its_commit_leaves_bytes_that_do_not_count(people: People) -> None:
    upload = add_chunk(begun(people), 0, CONTENT[:7])
    with draft_of(upload).open("ab") as file:
        file.write(b"torn bytes that no row knows of, more than fit")
    assert finish_upload(sent(upload)).sha256 == DIGEST


def test_a_chunk_with_another_digest_is_refused_and_nothing_is_kept(people: People) -> None:
    upload = begun(people)
    with pytest.raises(BadInput, match="arrived damaged"):
        receive(upload, 0, BytesIO(CONTENT[:7]).readinto, sha256="0" * 64)
    good = hashlib.sha256(CONTENT[:7]).hexdigest().upper()
    assert receive(upload, 0, BytesIO(CONTENT[:7]).readinto, sha256=good).received == 7
    longer = bytes(uploads.MOST_CHECKED + 1)
    with pytest.raises(BadInput, match="of its own has at most"):
        receive(upload, 7, BytesIO(longer).readinto, sha256=hashlib.sha256(longer).hexdigest())


def test_what_came_before_the_connection_broke_counts(people: People) -> None:
    content = random.Random(1).randbytes(2 * uploads.PORTION + 5_000)
    upload = begun(people, len(content))
    at = 0
    for size in (3, uploads.PORTION, 4_100):  # each goes on where no page begins
        at += size
        assert add_chunk(upload, at - size, content[at - size : at]).received == at
    add_chunk(upload, at, content[at:])
    assert uploads.finish_upload(upload).sha256 == hashlib.sha256(content).hexdigest()


def test_much_of_what_came_before_the_process_ended_counts(people: People) -> None:
    content = random.Random(2).randbytes(uploads.COUNTED + uploads.PORTION + 5_000)
    upload, stream = begun(people, len(content)), BytesIO(content)

    def ended(buffer: memoryview) -> int:
        if stream.tell() >= uploads.COUNTED + uploads.PORTION:
            raise KeyboardInterrupt("the process ended")
        return stream.readinto(buffer)

    with pytest.raises(KeyboardInterrupt):
        receive(upload, 0, ended)
    upload.refresh_from_db()
    assert upload.received == uploads.COUNTED
    # the same request again: what is there is compared, what is lacking is added
    receive(upload, 0, BytesIO(content).readinto)
    assert finish_upload(upload).sha256 == hashlib.sha256(content).hexdigest()


def test_a_whole_with_another_digest_begins_anew(people: People) -> None:
    upload = sent(begun(people))
    with pytest.raises(BadInput, match="Send it again from byte 0"):
        finish_upload(upload, "0" * 64)
    upload.refresh_from_db()
    assert upload.received == 0
    assert finish_upload(sent(upload), DIGEST).sha256 == DIGEST


def test_more_than_announced_or_allowed_is_refused(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = begun(people, 4)
    with pytest.raises(BadInput, match="announced with 4 bytes"):
        add_chunk(upload, 0, b"12345")
    monkeypatch.setattr(settings, "ENV", settings.ENV.model_copy(update={"upload_bytes": 2048}))
    with pytest.raises(BadInput, match="ASSAY_UPLOAD_BYTES"):
        begun(people, 2049)
    with pytest.raises(BadInput, match="0 bytes or more"):
        begun(people, -1)


def test_what_fits_no_disk_is_refused_at_once(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "ENV", settings.ENV.model_copy(update={"upload_bytes": 2**60}))
    with pytest.raises(BadInput, match="there is room for"):
        begun(people, 2**59)


@pytest.mark.parametrize("name", ["../up", "/etc/passwd", "a\\b", "a\x00b", "a//b", "", "x" * 300, "C:/x"])
def test_names_that_lead_elsewhere_are_refused(people: People, name: str) -> None:
    with pytest.raises(BadInput):
        begun(people, name=name)


def test_an_empty_file_can_be_finished(people: People) -> None:
    assert finish_upload(begun(people, 0)).size == 0


def test_a_draft_that_vanished_is_said_and_sent_again(people: People) -> None:
    upload = sent(begun(people))
    draft_of(upload).unlink()
    with pytest.raises(BadInput, match="is gone"):
        finish_upload(upload)
    upload.refresh_from_db()
    assert finish_upload(sent(upload)).sha256 == DIGEST


def test_a_crash_after_the_file_got_its_place_is_finished_by_the_next_call(people: People) -> None:
    upload = sent(begun(people))
    files.adopt(people.organisation, files.Written(draft_of(upload), DIGEST, len(CONTENT), sealed=False))
    assert finish_upload(upload, DIGEST).sha256 == DIGEST


def test_the_same_content_in_two_organisations_is_two_files(people: People) -> None:
    ours = finish_upload(sent(begun(people)))
    again = finish_upload(sent(begun(people, name="again.csv")))
    theirs = finish_upload(sent(begin_upload(people.elsewhere, "data.csv", len(CONTENT), people.outsider)))
    assert ours == again != theirs
    assert StoredFile.unscoped.filter(sha256=DIGEST).count() == 2
    one, two = (files.path_of(each, DIGEST) for each in (people.organisation, people.elsewhere))
    assert not Path(one).samefile(two)


def test_only_whoever_sent_a_file_uses_its_upload(people: People) -> None:
    upload = sent(begun(people))
    stored = finish_upload(upload)
    assert finished_files(people.organisation, people.engineer, [str(upload.pk)]) == {"data.csv": stored}
    for organisation, person in ((people.elsewhere, people.outsider), (people.organisation, people.owner)):
        with pytest.raises(BadInput, match="not there or not finished"):
            finished_files(organisation, person, [str(upload.pk)])
    with pytest.raises(BadInput, match="malformed"):
        finished_files(people.organisation, people.engineer, ["no id"])
    with pytest.raises(BadInput, match="not there or not finished"):
        finished_files(people.organisation, people.engineer, [str(begun(people).pk)])


def test_abandoned_uploads_are_swept_and_stored_files_stay(people: People) -> None:
    left, done, fresh = begun(people), sent(begun(people)), begun(people)
    add_chunk(left, 0, CONTENT[:7])
    finish_upload(done)
    Upload.unscoped.filter(pk__in=[left.pk, done.pk]).update(touched_at=timezone.now() - timedelta(days=3))
    orphan = draft_of(fresh).with_name("00000000-0000-4000-8000-000000000000")
    torn = [
        files.root_of(people.organisation) / folder / ".put-x" for folder in ("content", "annex", "answers")
    ]
    for path in (orphan, *torn):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
        os.utime(path, (0, 0))
    out = StringIO()
    call_command("sweep_uploads", stdout=out)
    assert out.getvalue() == "6 uploads removed.\n"
    assert [u.pk for u in Upload.objects.of(people.organisation)] == [fresh.pk]
    assert not draft_of(left).exists()
    assert not any(path.exists() for path in torn)
    assert files.read(people.organisation, DIGEST) == CONTENT
    assert sweep_uploads() == 0


def test_a_file_that_one_process_received_is_not_read_again(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = sent(begun(people, len(CONTENT)))
    monkeypatch.setattr(DraftFile, "pieces", lambda _draft: pytest.fail("read again"))
    assert uploads.finish_upload(upload, DIGEST).sha256 == DIGEST


def test_a_file_whose_chunks_others_received_is_read_when_it_is_whole(people: People) -> None:
    """Another process had the first chunk: this one's running digest counts for nothing."""
    upload = begun(people, len(CONTENT))
    add_chunk(upload, 0, CONTENT[:5])
    running_digests.forget(upload.pk)
    add_chunk(upload, 5, CONTENT[5:])
    assert running_digests.digest_of(upload.pk, len(CONTENT), upload.touched_at) is None
    assert uploads.finish_upload(upload).sha256 == DIGEST


def test_a_chunk_that_was_not_kept_is_not_counted_in_the_digest(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = begun(people, len(CONTENT))
    add_chunk(upload, 0, CONTENT[:5])
    with monkeypatch.context() as broken:
        broken.setattr(DraftWriter, "size", lambda _: 0)
        with pytest.raises(BadInput, match="damaged on the disk"):
            add_chunk(upload, 5, b"other bytes"[: len(CONTENT) - 5])
    add_chunk(upload, 5, CONTENT[5:])
    assert uploads.finish_upload(upload).sha256 == DIGEST


def test_two_requests_that_send_one_upload_take_turns(
    committed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one writes nothing while the first one is on its way, and is told where that ended."""
    people = make_people()
    upload = begun(people)
    monkeypatch.setattr(uploads, "TURN", 0.2)
    at, stream = threading.Event(), BytesIO(CONTENT[:7])
    told = threading.Event()

    def slow(buffer: memoryview) -> int:
        at.set()
        assert told.wait(20)
        return stream.readinto(buffer)

    def first() -> int:
        return receive(upload, 0, slow).received

    def second() -> str:
        assert at.wait(20)
        with pytest.raises(WrongOffset, match="sent by another request") as error:
            add_chunk(upload, 0, OTHER)
        told.set()
        return str(error.value.received)

    assert at_once(first, second) == [7, "0"]
    assert finish_upload(sent(add_chunk(upload, 7, CONTENT[7:]))).sha256 == DIGEST


def test_what_was_begun_anew_meanwhile_does_not_count(people: People) -> None:
    """Whoever sends into the draft of before learns of it, and the bytes of now stay."""
    upload = add_chunk(begun(people), 0, CONTENT[:7])
    stream = BytesIO(CONTENT[7:])

    def meddling(buffer: memoryview) -> int:
        if not stream.tell():
            uploads._begin_anew(upload)
            sent(Upload.unscoped.get(pk=upload.pk), OTHER)
        return stream.readinto(buffer)

    with pytest.raises(WrongOffset, match="was begun anew"):
        receive(upload, 7, meddling)
    assert finish_upload(upload).sha256 == hashlib.sha256(OTHER).hexdigest()


OTHER = bytes(reversed(CONTENT))


def _sent_anew(upload: Upload) -> None:
    """What another process does: a wrong digest begins the upload anew, and other bytes come."""
    with pytest.raises(BadInput, match="Send it again"):
        finish_upload(upload, "0" * 64)
    upload.refresh_from_db()
    sent(upload, OTHER)


def test_what_another_process_received_anew_is_not_stored_under_the_digest_of_before(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = sent(begun(people))
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(running_digests, "_running", OrderedDict())
        _sent_anew(upload)
    stored = finish_upload(upload)
    assert stored.sha256 == hashlib.sha256(OTHER).hexdigest()
    assert files.read(people.organisation, stored.sha256) == OTHER
    assert not files.path_of(people.organisation, DIGEST).exists()


def test_what_is_sent_anew_while_it_is_finished_is_not_stored_under_the_digest_of_before(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = sent(begun(people))
    real = uploads._synced_digest

    def digest_then_meddle(draft: DraftFile, running: str | None) -> str:
        digest = real(draft, running)
        monkeypatch.setattr(uploads, "_synced_digest", real)
        _sent_anew(upload)
        return digest

    monkeypatch.setattr(uploads, "_synced_digest", digest_then_meddle)
    with pytest.raises(BadInput, match="sent anew"):
        finish_upload(upload)
    assert not files.path_of(people.organisation, DIGEST).exists()
    assert files.read(people.organisation, finish_upload(upload).sha256) == OTHER
    assert not list(draft_of(upload).parent.iterdir())


def test_an_upload_that_two_finish_at_once_is_one_stored_file(committed: None) -> None:
    people = make_people()
    upload = sent(begun(people))
    results = at_once(*[lambda: finish_upload(upload, DIGEST)] * 2)
    stored = StoredFile.objects.of(people.organisation).get()
    assert results == [stored, stored]
    assert files.path_of(people.organisation, DIGEST).read_bytes() == CONTENT


def test_the_same_content_in_two_uploads_finished_at_once_is_one_stored_file(committed: None) -> None:
    people = make_people()
    first, second = sent(begun(people)), sent(begun(people, name="copy.csv"))
    results = at_once(lambda: finish_upload(first), lambda: finish_upload(second))
    stored = StoredFile.objects.of(people.organisation).get()
    assert results == [stored, stored]


def _damage(path: Path) -> None:
    """The disk, or somebody on it, alters the last byte."""
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        (last,) = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last ^ 1]))


@pytest.mark.parametrize("before", ["", "11" * 32], ids=["clear", "sealed"])
@pytest.mark.parametrize("after", ["", "11" * 32, "22" * 32], ids=["clear", "sealed", "lost"])
def test_content_that_was_damaged_on_the_disk_is_mended_when_it_is_sent_again(
    people: People, monkeypatch: pytest.MonkeyPatch, before: str, after: str
) -> None:
    def keys(text: str) -> None:
        monkeypatch.setattr(settings, "ENV", settings.ENV.model_copy(update={"storage_key": text}))

    keys(before)
    upload = sent(begun(people))
    path = files.path_of(people.organisation, DIGEST)
    if before:
        assert finish_upload(upload, DIGEST).sha256 == DIGEST
        _damage(files.sealed_path(path))
    else:
        _damage(draft_of(upload))  # under way: it is stored under the digest of what came
        assert finish_upload(upload, DIGEST).sha256 == DIGEST
    with pytest.raises(BadInput):
        files.read(people.organisation, DIGEST)
    keys(after)
    assert finish_upload(sent(begun(people)), DIGEST).sha256 == DIGEST
    assert files.read(people.organisation, DIGEST) == CONTENT
    lies = [each.name for each in path.parent.iterdir()]
    assert lies == [(files.sealed_path(path) if after else path).name]
    files.sealed_path(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(b"x")
    files.keep(people.organisation, [CONTENT])
    assert files.read(people.organisation, DIGEST) == CONTENT


def test_a_sealed_draft_that_was_altered_on_the_disk_is_not_stored(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "ENV", settings.ENV.model_copy(update={"storage_key": "11" * 32}))
    upload = sent(begun(people))
    _damage(DraftFile(draft_of(upload), settings.ENV.keyring).path)
    with pytest.raises(BadInput, match="damaged on the disk"):
        finish_upload(upload, DIGEST)
    upload.refresh_from_db()
    assert finish_upload(sent(upload), DIGEST).sha256 == DIGEST
    assert files.read(people.organisation, DIGEST) == CONTENT


def test_the_name_of_a_stored_file_is_on_the_disk_before_its_upload_is_finished(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload, path = sent(begun(people)), files.path_of(people.organisation, DIGEST)
    real, synced = os.fsync, []

    def fsync(descriptor: int) -> None:
        real(descriptor)
        if path.exists() and Upload.unscoped.get(pk=upload.pk).file_id is None:
            synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())

    monkeypatch.setattr(os, "fsync", fsync)
    finish_upload(upload)
    assert synced == [folder.resolve() for folder in list(path.parents)[:4]]


def test_a_draft_stays_where_the_stored_file_is_not_there_and_is_stored_again(people: People) -> None:
    upload = sent(begun(people))
    kept = draft_of(upload).with_name("kept")
    os.link(draft_of(upload), kept)
    finish_upload(upload)
    kept.rename(draft_of(upload))  # as after a power cut, on a disk that lost the name of the stored file
    files.path_of(people.organisation, DIGEST).unlink()
    assert finish_upload(upload).sha256 == DIGEST
    assert files.read(people.organisation, DIGEST) == CONTENT
    assert not draft_of(upload).exists()
    files.path_of(people.organisation, DIGEST).unlink()
    assert finish_upload(upload).sha256 == DIGEST, "there is nothing left to store"


def test_room_is_for_what_others_have_announced_and_for_the_sealed_copy_too(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Disk(NamedTuple):
        free: int = 1_000

    monkeypatch.setattr(uploads.shutil, "disk_usage", lambda _: Disk())
    first = begun(people, 700)
    with pytest.raises(BadInput, match="room for 300 only"):
        begun(people, 301)
    add_chunk(first, 0, bytes(100))  # the disk that stands still has 100 more by that
    begun(people, 400)
    Upload.unscoped.update(touched_at=timezone.now() - uploads.EXPECTED)
    begun(people, 1_000)
    Upload.unscoped.update(touched_at=timezone.now() - uploads.EXPECTED)
    monkeypatch.setattr(settings, "ENV", settings.ENV.model_copy(update={"storage_key": "11" * 32}))
    with pytest.raises(BadInput, match="takes twice that until it is stored"):
        begun(people, 501)
    begun(people, 500)
