"""Stored files: content of one organisation under its digest, below ASSAY_HOME/files/<organisation>/.

Written once, whole or not at all; handed out as a path that nobody writes to.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from django.conf import settings
from django.db import transaction

from accounts.models import Organisation
from assay.annex import AnnexStore
from assay.errors import BadInput
from models_registry.models import StoredFile

__all__ = ["adopt", "annex", "chunks_of", "copy_into", "keep", "path_of", "read", "root_of", "sha256_of"]

_PIECE = 1 << 20


def root_of(organisation: Organisation | uuid.UUID) -> Path:
    """Where an organisation's files live."""
    key = organisation if isinstance(organisation, uuid.UUID) else organisation.pk
    return Path(settings.ENV.files) / str(key)


def annex(organisation: Organisation | uuid.UUID) -> AnnexStore:
    """The organisation's encrypted row-level results, under a key of its own."""
    return AnnexStore(root_of(organisation) / "annex")


def path_of(organisation: Organisation | uuid.UUID, sha256: str) -> Path:
    return root_of(organisation) / "content" / sha256[:2] / sha256[2:]


def keep(organisation: Organisation, chunks: Iterable[bytes], *, uploaded: bool = False) -> StoredFile:
    """Store content in constant memory; the same content again changes nothing.

    Args:
        uploaded: somebody sent it; what the service writes itself rests on its bytes for good.

    Raises:
        BadInput: the disk is full or cannot be written; nothing half-written stays.
    """
    root = root_of(organisation) / "content"
    draft: Path | None = None
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, name = tempfile.mkstemp(prefix=".put-", dir=root)
        draft, hashed, size = Path(name), hashlib.sha256(), 0
        with os.fdopen(descriptor, "wb") as file:
            for chunk in chunks:
                file.write(chunk)
                hashed.update(chunk)
                size += len(chunk)
            file.flush()
            os.fsync(file.fileno())
        return adopt(organisation, draft, hashed.hexdigest(), size, uploaded=uploaded)
    except OSError as error:
        raise BadInput(f"The file could not be stored: {error.strerror or error}.") from error
    finally:
        if draft is not None:
            draft.unlink(missing_ok=True)


def adopt(
    organisation: Organisation, draft: Path, sha256: str, size: int, *, uploaded: bool = False
) -> StoredFile:
    """Give a whole, synced file of the same folder tree its place under its digest, without a copy.

    The draft stays until its owner removes it, so a crash between here and the commit loses nothing.
    """
    with transaction.atomic():
        found, made = StoredFile.unscoped.get_or_create(
            organisation=organisation,
            sha256=sha256,
            defaults={"size": size, "only_uploaded": uploaded},
        )
        if made or (found.removed_at is None and (uploaded or not found.only_uploaded)):
            _place(path_of(organisation, sha256), draft)
            return found
        # bytes are deleted under the same lock (models_registry/removal.py)
        found = StoredFile.unscoped.select_for_update().get(pk=found.pk)
        _place(path_of(organisation, sha256), draft)
        found.removed_at, found.only_uploaded = None, found.only_uploaded and uploaded
        found.save(update_fields=["removed_at", "only_uploaded"])
    return found


def _place(target: Path, draft: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not target.exists():
        draft.chmod(0o400)
        try:
            os.link(draft, target)
        except FileExistsError:
            pass
        except OSError:  # a file system without links
            draft.replace(target)


def chunks_of(path: Path) -> Iterator[bytes]:
    """The content of a file in pieces of 1 MB."""
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece


def sha256_of(path: Path) -> str:
    """Digest of a file, streamed."""
    hashed = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            hashed.update(piece)
    return hashed.hexdigest()


def read(organisation: Organisation | uuid.UUID, sha256: str) -> bytes:
    """Small stored content (a snapshot, a report). Raises BadInput where it is gone or damaged."""
    try:
        content = path_of(organisation, sha256).read_bytes()
    except OSError as error:
        raise BadInput(f"The stored file {sha256[:12]} is not there: {error.strerror}.") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise BadInput(f"The stored file {sha256[:12]} is damaged: its content has another digest.")
    return content


def copy_into(folder: Path, files: Mapping[str, Path]) -> None:
    """Lay copies of stored files out under relative names: what a child does to them, it does to copies."""
    for name, source in files.items():
        target = folder / name
        if not target.resolve().is_relative_to(folder.resolve()):
            raise BadInput(f'The name "{name}" leads out of its folder.')
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
