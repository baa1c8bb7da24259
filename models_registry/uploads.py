"""Files on their way in, chunk by chunk: whatever breaks, the next chunk goes on where the last one ended.

The row says how many bytes count; the draft on disk may hold more (a process died between writing and
committing), and what is beyond is written again. One request at a time writes to the draft, which lies below
the organisation's own file root.

Longer than other files: an upload's life, from its announcement to its place or its end, is read as one,
since each step rests on what the one before left on the disk.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from io import BytesIO
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import F, Sum
from django.utils import timezone

from accounts.models import Organisation, User
from assay.errors import AssayError, BadInput
from models_registry.draft_files import DraftFile, DraftWriter
from models_registry.files import Written, adopt, is_there, keep, mend, root_of, written
from models_registry.models import StoredFile, Upload
from models_registry.names import checked_paths
from models_registry.running_digests import HashedBeside, digest_of, forget

__all__ = [
    "MOST_CHECKED",
    "PORTION",
    "TURN",
    "WrongOffset",
    "begin_upload",
    "draft_of",
    "finish_upload",
    "finished_files",
    "finished_uploads",
    "keep_whole",
    "receive",
    "sweep_uploads",
]

MOST_CHECKED = 16 * 2**20
"""Bytes of a request that comes with a digest of its own."""
PORTION = 4 * 2**20
"""Bytes of a request that are received, hashed and written at a time; whole pages."""
COUNTED = 16 * 2**20
"""Bytes of a request that begin to count at a time."""
TURN = 40.0
"""Seconds that a request waits for another one that sends the same upload: a broken one ends within them."""
KEPT = timedelta(days=2)
"""How long an upload that nobody touches stays."""
EXPECTED = timedelta(hours=1)
"""How long room is left for what an upload that nobody touches has not sent yet."""


class WrongOffset(AssayError):
    """A chunk that does not begin where the upload ended; `received` says where that is."""

    code = "conflict"

    def __init__(self, message: str, received: int) -> None:
        super().__init__(message)
        self.received = received


def begin_upload(organisation: Organisation, name: str, size: int, by: User) -> Upload:
    """Announce a file; `name` is its relative path within what is uploaded.

    Raises:
        BadInput: a name that cannot be kept, more bytes than are taken in, no room on the disk.
    """
    checked_paths([name])
    if size < 0:
        raise BadInput("A file has 0 bytes or more; say how many it has.")
    if size > settings.ENV.upload_bytes:
        raise BadInput(
            f"{name} has {size:,} bytes; files of at most {settings.ENV.upload_bytes:,} are taken in here. "
            "Ask the operator to raise ASSAY_UPLOAD_BYTES."
        )
    try:
        folder = _drafts(organisation.pk)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        free = max(0, shutil.disk_usage(folder).free - _expected())
    except OSError as error:
        raise BadInput(f"Files cannot be stored: {error.strerror or error}.") from error
    twice = settings.ENV.keyring.first is not None  # what has arrived lies beside what is sealed of it
    if (2 * size if twice else size) > free:
        takes = " and takes twice that until it is stored" if twice else ""
        raise BadInput(
            f"{name} has {size:,} bytes{takes}; there is room for {free:,} only, beside what others are "
            "sending. Tell the operator."
        )
    upload: Upload = Upload.objects.create(organisation=organisation, name=name, size=size, by=by)
    return upload


def _expected() -> int:
    """Bytes that uploads under way have announced and not sent yet, on the same disk.

    What nobody has touched for a while does not count, so that announcing alone keeps nobody else out.
    """
    under_way = Upload.unscoped.filter(file=None, touched_at__gte=timezone.now() - EXPECTED)
    return int(under_way.aggregate(lacking=Sum(F("size") - F("received")))["lacking"] or 0)


def receive(
    upload: Upload, offset: int, readinto: Callable[[memoryview], int], sha256: str | None = None
) -> Upload:
    """Add what comes from `offset` on: what was there when the connection broke counts.

    What is there already is compared and changes nothing. The answer's `received` says how much is there.

    Args:
        readinto: fills a buffer from its beginning, as far as bytes are there; 0 at the end.
        sha256: of all that comes; nothing of it counts where it differs, so that all of it is held in memory.

    Raises:
        BadInput: a digest that differs, more than MOST_CHECKED bytes that come with one, more bytes than were
            announced, a full disk, a draft that is damaged.
        WrongOffset: it begins elsewhere, other bytes are there already, or somebody else sends them just now.
    """
    if sha256 is not None:
        readinto = _checked(offset, readinto, sha256)
    found = Upload.unscoped.get(pk=upload.pk)
    if found.file_id is not None and 0 <= offset <= found.received:
        return found
    try:
        with _draft(upload).writer(TURN) as draft:
            found = Upload.unscoped.get(pk=upload.pk)
            if not 0 <= offset <= found.received:
                raise _conflict(found, f"begins at byte {offset:,}")
            if found.file_id is not None:  # finished while this waited
                return found
            offset = _compared(found, offset, readinto)
            return _appended(found, draft, readinto) if offset == found.received else found
    except BlockingIOError:
        now = Upload.unscoped.get(pk=upload.pk)
        raise WrongOffset(
            f"{now.name} is being sent by another request; go on in a minute, from byte {now.received:,}.",
            now.received,
        ) from None
    except OSError as error:
        raise BadInput(
            f"The chunk could not be stored: {error.strerror or error}. What is there stays; go on later."
        ) from error


def _checked(offset: int, readinto: Callable[[memoryview], int], sha256: str) -> Callable[[memoryview], int]:
    """All that comes, once its digest was found right."""
    buffer = bytearray(MOST_CHECKED + 1)
    size = _filled(memoryview(buffer), readinto)
    if size > MOST_CHECKED:
        raise BadInput(f"A chunk with a SHA-256 of its own has at most {MOST_CHECKED:,} bytes.")
    chunk = bytes(buffer[:size])
    if hashlib.sha256(chunk).hexdigest() != sha256.lower():
        raise BadInput(f"The chunk at byte {offset:,} arrived damaged: its SHA-256 differs. Send it again.")
    return BytesIO(chunk).readinto


def _filled(buffer: memoryview, readinto: Callable[[memoryview], int]) -> int:
    size = 0
    while size < len(buffer) and (count := readinto(buffer[size:])):
        size += count
    return size


def _compared(upload: Upload, offset: int, readinto: Callable[[memoryview], int]) -> int:
    """Where what comes and is there already ends: a doubled chunk is harmless, other bytes are not."""
    draft, buffer = _draft(upload), memoryview(bytearray(min(PORTION, upload.received - offset)))
    while count := _filled(buffer[: upload.received - offset], readinto):
        if draft.read(offset, count) != buffer[:count]:
            raise _conflict(upload, f"has other bytes at {offset:,} already")
        offset += count
    return offset


def _appended(upload: Upload, draft: DraftWriter, readinto: Callable[[memoryview], int]) -> Upload:
    """What comes, hashed while it is written, and counted now and then and at its end, however it ends."""
    if draft.size() < upload.received:
        raise BadInput(f"What arrived of {upload.name} is damaged on the disk; begin a new upload.")
    draft.cut(upload.received)  # bytes of somebody who ended before they counted
    with HashedBeside(upload.pk, upload.received, upload.touched_at, PORTION) as hashing:
        end, ended = upload.received, False
        while not ended:
            room = hashing.buffer()[: PORTION - end % PORTION]  # so that the next ones begin at a page
            content = room[: _filled(room, readinto)]
            ended = len(content) < len(room)
            if end + len(content) > upload.size:
                raise BadInput(
                    f"{upload.name} was announced with {upload.size:,} bytes; this chunk goes beyond."
                )
            hashing.add(content)
            draft.write(end, content)
            draft.write_out(end, len(content))
            end += len(content)
            if end - upload.received >= (1 if ended else COUNTED):
                _count(upload, end)
        hashing.counted(upload.touched_at)
    return upload


def _count(upload: Upload, received: int) -> None:
    """Let bytes that are there count. Raises WrongOffset where the upload was begun anew meanwhile."""
    now = timezone.now()
    same = Upload.unscoped.filter(
        pk=upload.pk, received=upload.received, touched_at=upload.touched_at, file=None
    )
    if not same.update(received=received, touched_at=now):
        raise _conflict(Upload.unscoped.get(pk=upload.pk), "was begun anew")
    upload.received, upload.touched_at = received, now


def finish_upload(upload: Upload, sha256: str | None = None) -> StoredFile:
    """Store the file under its digest; doing it again gives the same file.

    Args:
        sha256: of the whole, to be checked; a wrong one begins the upload anew.

    Raises:
        BadInput: another digest than the given one; the draft is gone.
        WrongOffset: bytes are lacking.
    """
    found = Upload.unscoped.select_related("organisation", "file").get(pk=upload.pk)
    draft = _draft(found)
    if found.file is not None:
        if sha256 and found.file.sha256 != sha256.lower():
            raise BadInput(f"{found.name} was stored with SHA-256 {found.file.sha256}, not {sha256}.")
        if is_there(found.organisation, found.file.sha256):
            draft.remove()
            return found.file
        sha256 = found.file.sha256  # the disk lost it: the draft, where it is still there, is the last copy
    if found.received != found.size:
        raise _conflict(found, f"has {found.received:,} of {found.size:,} bytes")
    try:
        if not found.size:
            draft.touch()
        running = digest_of(found.pk, found.size, found.touched_at)
        if draft.sealed or settings.ENV.keyring.first is not None:
            with written(found.organisation, draft.pieces()) as sealed:
                stored = _placed(found, sealed, sha256, running)
        else:
            digest = _synced_digest(draft, running)
            with _own_name(draft) as own:
                whole = Written(own, digest, own.stat().st_size, sealed=False)
                stored = _placed(found, whole, sha256, digest)
        draft.remove()
        forget(found.pk)
    except FileNotFoundError:
        now = Upload.unscoped.select_related("file").get(pk=upload.pk)
        if now.file is not None:  # somebody finished it at the same time
            return now.file
        _begin_anew(found)
        raise BadInput(f"What arrived of {found.name} is gone. Send it again from byte 0.") from None
    except OSError as error:
        raise BadInput(f"{found.name} could not be stored: {error.strerror or error}.") from error
    return stored


@contextmanager
def _own_name(draft: DraftFile) -> Iterator[Path]:
    """A second name of the draft, which no other request knows: one that begins anew removes the first."""
    own = draft.path.with_name(f"{draft.path.name}.{uuid.uuid4().hex}")
    try:
        os.link(draft.path, own)
    except FileNotFoundError:
        raise
    except OSError:  # a file system without links
        draft.path.replace(own)
    try:
        yield own
    finally:
        own.unlink(missing_ok=True)


def _placed(upload: Upload, content: Written, sha256: str | None, came: str | None) -> StoredFile:
    """Give what was written its place; an upload that became something else begins anew.

    Args:
        came: SHA-256 of what was received, where this process received all of it.

    A draft that is whole is never written to; one that is begun anew touches the row, which is asked last.
    """
    now = Upload.unscoped.get(pk=upload.pk)
    if now.file_id is None and now.touched_at != upload.touched_at:
        raise BadInput(f"{upload.name} was sent anew while it was being finished. Finish it once more.")
    if content.size != upload.size or content.digest != (came or content.digest):
        _begin_anew(upload)
        raise BadInput(f"{upload.name} is damaged on the disk. Send it again from byte 0.")
    if sha256 and content.digest != sha256.lower():
        _begin_anew(upload)
        raise BadInput(
            f"{upload.name} arrived with SHA-256 {content.digest}, not {sha256}. Send it again from byte 0."
        )
    mend(upload.organisation, content)
    with transaction.atomic():
        stored = adopt(upload.organisation, content, uploaded=True)
        Upload.unscoped.filter(pk=upload.pk).update(file=stored, touched_at=timezone.now())
    return stored


def keep_whole(organisation: Organisation, name: str, size: int, chunks: Iterable[bytes], by: User) -> Upload:
    """A file that came in one piece, with a form. Raises BadInput as `begin_upload`."""
    upload = begin_upload(organisation, name, size, by)
    upload.file = keep(organisation, chunks, uploaded=True)
    upload.received = upload.file.size
    upload.save(update_fields=["file", "received", "touched_at"])
    return upload


def finished_uploads(
    organisation: Organisation, by: User, ids: Iterable[str]
) -> dict[str, tuple[str, StoredFile]]:
    """Id -> (name, stored file) of uploads that this person finished here, in the order of `ids`.

    Raises:
        BadInput: an id that is none of them, whoever else it belongs to.
    """
    try:
        keys = [uuid.UUID(each) for each in ids]
    except ValueError:
        raise BadInput("The list of uploaded files is malformed; choose the files again.") from None
    rows = Upload.objects.of(organisation).filter(pk__in=keys, by=by, file__isnull=False)
    found = {upload.pk: upload for upload in rows.select_related("file")}
    for key in keys:
        if key not in found:
            raise BadInput(f"The upload {key} is not there or not finished; send the file again.")
    return {str(key): (found[key].name, found[key].file) for key in keys}


def finished_files(organisation: Organisation, by: User, ids: Iterable[str]) -> dict[str, StoredFile]:
    """Name -> stored file of such uploads. Raises BadInput too where two have the same name."""
    named: dict[str, StoredFile] = {}
    for name, stored in finished_uploads(organisation, by, ids).values():
        if name in named:
            raise BadInput(f'Two uploaded files have the path "{name}"; leave one out.')
        named[name] = stored
    return named


def sweep_uploads(older_than: timedelta = KEPT) -> int:
    """Remove uploads that nobody touched, drafts without a row, and what a crash left of storing.

    Returns how many went. Stored files stay: only the way in is forgotten.
    """
    before, count = timezone.now() - older_than, 0
    for key in list(Upload.unscoped.filter(touched_at__lt=before).values_list("pk", flat=True)):
        with transaction.atomic():
            upload = Upload.unscoped.select_for_update().filter(pk=key, touched_at__lt=before).first()
            if upload is None:
                continue
            draft = draft_of(upload)
            upload.delete()
        DraftFile(draft, settings.ENV.keyring).remove()
        count += 1
    files = Path(settings.ENV.files)
    for draft in (*files.glob("*/drafts/*"), *files.glob("*/*/.put-*")):
        try:
            old = draft.stat().st_mtime < before.timestamp()
            if old and not _has_row(draft.stem):
                draft.unlink(missing_ok=True)
                count += 1
        except OSError:
            continue
    return count


def draft_of(upload: Upload) -> Path:
    """Where the draft lies in the clear; see `DraftFile` for where it lies sealed."""
    return _drafts(upload.organisation_id) / str(upload.pk)


def _draft(upload: Upload) -> DraftFile:
    return DraftFile(draft_of(upload), settings.ENV.keyring)


def _has_row(name: str) -> bool:
    try:
        return Upload.unscoped.filter(pk=uuid.UUID(name)).exists()
    except ValueError:
        return False


def _drafts(organisation_id: uuid.UUID) -> Path:
    return root_of(organisation_id) / "drafts"


def _synced_digest(draft: DraftFile, running: str | None) -> str:
    """SHA-256 of the whole draft, read again where it is not known; the draft reaches the disk meanwhile."""
    with ThreadPoolExecutor(1) as beside:
        synced = beside.submit(draft.sync)
        if running is None:
            hashed = hashlib.sha256()
            for piece in draft.pieces():
                hashed.update(piece)
            running = hashed.hexdigest()
        synced.result()
    return running


def _begin_anew(upload: Upload) -> None:
    forget(upload.pk)
    # The draft goes first: nothing is ever written into one that was whole, and may have its place by now.
    _draft(upload).remove()
    Upload.unscoped.filter(pk=upload.pk, file=None).update(received=0, touched_at=timezone.now())


def _conflict(upload: Upload, what: str) -> WrongOffset:
    return WrongOffset(
        f"{upload.name}: this {what}, the upload goes on at byte {upload.received:,}.", upload.received
    )
