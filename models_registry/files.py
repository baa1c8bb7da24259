"""Stored files: content of one organisation under its digest, below ASSAY_HOME/files/<organisation>/.

Written once, whole or not at all. Where the installation has a storage key, files are sealed, and lie under
their digest with the ending .sealed (assay/sealing.py); files in the clear stay readable beside them.
A path from `path_of` names content: `pieces`, `read` and `copy_into` find it in either form.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from django.conf import settings
from django.db import transaction

from accounts.models import Organisation
from assay.annex import AnnexStore
from assay.errors import BadInput
from assay.sealing import open_sealed, seal
from models_registry.models import StoredFile
from models_registry.straight_files import StraightStream

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = [
    "ANSWERS",
    "SEALED",
    "Written",
    "adopt",
    "annex",
    "chunks_of",
    "copy_into",
    "is_there",
    "keep",
    "mend",
    "path_of",
    "pieces",
    "read",
    "remove",
    "root_of",
    "sealed_path",
    "sync_folder",
    "written",
]

SEALED = ".sealed"
ANSWERS = "answers"
"""Folder of what endpoints answered, a file a subject (assay/endpoints/kept.py)."""
_PIECE = 1 << 20


class Written(NamedTuple):
    """A whole file that has no place yet: where it lies, SHA-256 and size of its content."""

    path: Path
    digest: str
    size: int
    sealed: bool


def root_of(organisation: Organisation | uuid.UUID) -> Path:
    """Where an organisation's files live."""
    key = organisation if isinstance(organisation, uuid.UUID) else organisation.pk
    return Path(settings.ENV.files) / str(key)


def annex(organisation: Organisation | uuid.UUID) -> AnnexStore:
    """The organisation's encrypted row-level results, under a key of its own."""
    return AnnexStore(root_of(organisation) / "annex", settings.ENV.keyring)


def path_of(organisation: Organisation | uuid.UUID, sha256: str) -> Path:
    return root_of(organisation) / "content" / sha256[:2] / sha256[2:]


def keep(organisation: Organisation, chunks: Iterable[bytes], *, uploaded: bool = False) -> StoredFile:
    """Store content in constant memory; the same content again changes nothing.

    Args:
        uploaded: somebody sent it; what the service writes itself rests on its bytes for good.

    Raises:
        BadInput: the disk is full or cannot be written; nothing half-written stays.
    """
    try:
        with written(organisation, chunks) as content:
            mend(organisation, content)
            return adopt(organisation, content, uploaded=uploaded)
    except OSError as error:
        raise BadInput(f"The file could not be stored: {error.strerror or error}.") from error


@contextmanager
def written(organisation: Organisation, chunks: Iterable[ReadableBuffer]) -> Iterator[Written]:
    """Content as it will be stored, synced, without its place yet; gone afterwards unless it was adopted.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    root, ring = root_of(organisation) / "content", settings.ENV.keyring
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, name = tempfile.mkstemp(prefix=".put-", dir=root)
    draft = Path(name)
    try:
        with StraightStream(descriptor) as file:
            if ring.first is not None:
                digest, size = seal(chunks, file, ring)
            else:
                hashed, size = hashlib.sha256(), 0
                for chunk in chunks:
                    file.write(chunk)
                    hashed.update(chunk)
                    size += memoryview(chunk).nbytes
                digest = hashed.hexdigest()
            file.flush()
            os.fsync(file.fileno())
        yield Written(draft, digest, size, sealed=ring.first is not None)
    finally:
        draft.unlink(missing_ok=True)


def mend(organisation: Organisation, content: Written) -> None:
    """Put content that somebody just brought in the place of the same content that is damaged on the disk.

    What lies there already is read once, outside of any transaction: SQLite's other writers would wait.
    """
    if not is_there(organisation, content.digest):
        return
    target = path_of(organisation, content.digest)
    try:
        for _ in pieces(target):
            pass
    except BadInput:  # also one that no key at hand opens
        place, other = (target, sealed_path(target))[:: -1 if content.sealed else 1]
        draft = target.parents[1] / f".put-{uuid.uuid4().hex}"
        try:
            try:
                os.link(content.path, draft)
            except OSError:  # a file system without links
                shutil.copyfile(content.path, draft)
            draft.chmod(0o400)
            draft.replace(place)
        finally:
            draft.unlink(missing_ok=True)
        sync_folder(place.parent)
        other.unlink(missing_ok=True)


def adopt(organisation: Organisation, content: Written, *, uploaded: bool = False) -> StoredFile:
    """Give a whole, synced file of the same folder tree its place under its digest, without a copy.

    The draft stays until its owner removes it, so a crash between here and the commit loses nothing.
    """
    draft, sha256, size, sealed = content
    with transaction.atomic():
        found, made = StoredFile.unscoped.get_or_create(
            organisation=organisation,
            sha256=sha256,
            defaults={"size": size, "only_uploaded": uploaded},
        )
        if not made and found.only_uploaded:
            # Such bytes can be deleted, under the same lock (models_registry/removal.py): it is held until
            # what rests on them is committed.
            found = StoredFile.unscoped.select_for_update().get(pk=found.pk)
        _place(path_of(organisation, sha256), draft, sealed=sealed)
        if found.removed_at is not None or (found.only_uploaded and not uploaded):
            found.removed_at, found.only_uploaded = None, found.only_uploaded and uploaded
            found.save(update_fields=["removed_at", "only_uploaded"])
    return found


def _place(target: Path, draft: Path, *, sealed: bool) -> None:
    """Give a file its place for good: its name is on the disk, too, before the database says so."""
    made = not target.parent.exists()
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not target.exists() and not sealed_path(target).exists():
        place = sealed_path(target) if sealed else target
        draft.chmod(0o400)
        try:
            os.link(draft, place)
        except FileExistsError:
            pass
        except OSError:  # a file system without links
            draft.replace(place)
    # Also where it was there already: whoever put it there may not have come to this yet.
    for folder in list(target.parents)[: 4 if made else 1]:  # .../files/<organisation>/content/<two digits>
        sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Let the names in a folder reach the disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(organisation: Organisation | uuid.UUID, sha256: str) -> None:
    """Delete the bytes, in whatever form they lie."""
    path = path_of(organisation, sha256)
    for each in (path, sealed_path(path)):
        each.unlink(missing_ok=True)


def is_there(organisation: Organisation | uuid.UUID, sha256: str) -> bool:
    """Whether the bytes lie there, in whatever form."""
    path = path_of(organisation, sha256)
    return path.exists() or sealed_path(path).exists()


def chunks_of(path: Path) -> Iterator[bytes]:
    """The content of a file that is no stored one, in pieces of 1 MB."""
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece


def sealed_path(path: Path) -> Path:
    """Where content lies sealed that lies at `path` in the clear."""
    return path.with_name(path.name + SEALED)


def read(organisation: Organisation | uuid.UUID, sha256: str) -> bytes:
    """Small stored content (a snapshot, a report). Raises BadInput where it is gone or damaged."""
    return b"".join(pieces(path_of(organisation, sha256)))


def pieces(path: Path) -> Iterator[bytes]:
    """Stored content at `path` in constant memory, sealed or in the clear, held against its digest.

    Raises:
        BadInput: it is gone or damaged, or the key that it is sealed under is not at hand.
    """
    sha256, hashed = path.parent.name + path.name, hashlib.sha256()
    try:
        for piece in _as_it_lies(path, sha256):
            hashed.update(piece)
            yield piece
    except OSError as error:
        raise BadInput(f"The stored file {sha256[:12]} is not there: {error.strerror}.") from error
    if hashed.hexdigest() != sha256:
        raise BadInput(f"The stored file {sha256[:12]} is damaged: its content has another digest.")


def _as_it_lies(path: Path, sha256: str) -> Iterator[bytes]:
    """A rotation may come in between: a form that is gone when it is opened is looked for once more."""
    for last in (False, True):
        sealed = sealed_path(path).exists()
        try:
            if sealed:
                yield from open_sealed(sealed_path(path), sha256, settings.ENV.keyring)
            else:
                with path.open("rb") as file:
                    while piece := file.read(_PIECE):
                        yield piece
            return
        except FileNotFoundError:  # only at the beginning: what is open stays
            if last or sealed == sealed_path(path).exists():
                raise


def copy_into(folder: Path, files: Mapping[str, Path]) -> None:
    """Lay copies of stored files out under relative names: what a child does to them, it does to copies."""
    for name, source in files.items():
        target = folder / name
        if not target.resolve().is_relative_to(folder.resolve()):
            raise BadInput(f'The name "{name}" leads out of its folder.')
        target.parent.mkdir(parents=True, exist_ok=True)
        if not len(settings.ENV.keyring) and source.exists():
            shutil.copyfile(source, target)  # the system copies faster; the child tells the digest
            continue
        # Where files are sealed, one in the clear may be a forgery: each is held against its digest.
        with target.open("wb") as file:
            file.writelines(pieces(source))
