"""Bringing everything that is stored under the installation's present key, or into the clear again.

Each file is finished before the next begins, and its own state says whether it is done: the command can be
broken off at any moment and run again, while the service runs.
"""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.db import transaction

from assay.annex import KEY_NAME
from assay.endpoints.kept import answers_held, answers_name
from assay.errors import BadInput
from assay.sealing import Keyring, is_under, open_bytes, rewrap, seal, seal_bytes
from models_registry.draft_files import HEAD, draft_name
from models_registry.files import ANSWERS, SEALED, pieces, sync_folder
from models_registry.models import StoredFile
from models_registry.straight_files import StraightStream

__all__ = ["Rotated", "rotate"]


@dataclass
class Rotated:
    """What was done, in files; `failed` are sentences on those that stayed as they are."""

    sealed: int = 0
    rewrapped: int = 0
    opened: int = 0
    unchanged: int = 0
    failed: list[str] = field(default_factory=list)

    @property
    def seen(self) -> int:
        return self.sealed + self.rewrapped + self.opened + self.unchanged + len(self.failed)


def rotate(progress: Callable[[Rotated], None] | None = None) -> Rotated:
    """Go through all stored files, keys of annexes, answers of endpoints and unfinished uploads.

    With a key that writes, files in the clear are sealed and sealed ones wrapped anew, so that older keys can
    be given up; with "off", sealed ones are opened. Unfinished uploads in the clear are sealed when they are
    finished.

    Args:
        progress: called after each file.

    Raises:
        BadInput: no key is set at all.
    """
    ring: Keyring = settings.ENV.keyring
    if not len(ring):
        raise BadInput("There is no storage key to rotate to; set ASSAY_STORAGE_KEY (docs/deploy.md).")
    done = Rotated()
    for path, name in _everything(Path(settings.ENV.files)):
        try:
            with answers_held(path) if path.parent.name == ANSWERS else nullcontext():
                _one(path, name, ring, done)
        except FileNotFoundError:
            continue  # an upload that was finished, or an annex erased, meanwhile
        except (BadInput, OSError) as error:
            if _is_gone(path):
                continue  # refused bytes that were deleted meanwhile
            done.failed.append(str(error.message if isinstance(error, BadInput) else error))
        if progress is not None:
            progress(done)
    return done


def _is_gone(path: Path) -> bool:
    plain = path.with_name(path.name.removesuffix(SEALED))
    return not plain.exists() and not plain.with_name(plain.name + SEALED).exists()


def _everything(files: Path) -> Iterator[tuple[Path, str]]:
    """Path and the name that a sealed file is bound to."""
    for path in sorted(files.glob("*/content/??/[0-9a-f]*")):
        yield path, path.parent.name + path.name.removesuffix(SEALED)
    for path in sorted(files.glob("*/annex/key*")):
        yield path, KEY_NAME
    for path in sorted(files.glob(f"*/{ANSWERS}/*.npz*")):
        yield path, answers_name(path.with_name(path.name.removesuffix(SEALED)))
    for path in sorted(files.glob(f"*/drafts/*{SEALED}")):
        with suppress(FileNotFoundError):
            if path.stat().st_size < HEAD:
                continue  # begun at this moment, or broken off before its key was written
        yield path, draft_name(path.name.removesuffix(SEALED))


def _one(path: Path, name: str, ring: Keyring, done: Rotated) -> None:
    sealed = path.name.endswith(SEALED)
    if sealed and ring.first is not None:
        if is_under(path, ring.first):
            done.unchanged += 1
        else:
            rewrap(path, name, ring)
            done.rewrapped += 1
    elif not sealed and ring.first is not None:
        _replaced(path, path.with_name(path.name + SEALED), name, ring)
        done.sealed += 1
    elif sealed and path.parent.name != "drafts":
        _replaced(path, path.with_name(path.name.removesuffix(SEALED)), name, ring)
        done.opened += 1
    else:
        done.unchanged += 1


def _replaced(path: Path, target: Path, name: str, ring: Keyring) -> None:
    """Write the other form of a file beside it, synced, and only then remove this one."""
    whole = name == KEY_NAME or path.parent.name == ANSWERS  # short, and named otherwise than by its digest
    folder = path.parent if whole else path.parent.parent  # where leftovers are swept
    descriptor, temporary = tempfile.mkstemp(prefix=".put-", dir=folder)
    draft = Path(temporary)
    try:
        with StraightStream(descriptor) as file:
            if whole:
                to_seal = target.name.endswith(SEALED)
                file.write(
                    seal_bytes(path.read_bytes(), name, ring) if to_seal else open_bytes(path, name, ring)
                )
            elif target.name.endswith(SEALED):
                seal(pieces(path), file, ring)
            else:
                file.writelines(pieces(target))
            file.flush()
            os.fsync(file.fileno())
        draft.chmod(0o400)
        if whole:
            _swap(draft, target, path)
            return
        with transaction.atomic():
            # Under the lock of whoever deletes refused bytes: what went meanwhile does not come back.
            row = (
                StoredFile.unscoped.select_for_update()
                .filter(organisation=uuid.UUID(path.parents[2].name), sha256=name)
                .first()
            )
            if row is not None and row.removed_at is not None:
                path.unlink(missing_ok=True)
                return
            _swap(draft, target, path)
    finally:
        draft.unlink(missing_ok=True)


def _swap(draft: Path, target: Path, old: Path) -> None:
    """The old form goes once the name of the new one is on the disk, too."""
    draft.replace(target)
    sync_folder(target.parent)
    old.unlink()
