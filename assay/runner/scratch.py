"""Removing what a child wrote: scratch folders of supervisors, also of those that were killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from pathlib import Path

__all__ = ["remove", "sweep"]


def sweep(parent: Path) -> None:
    """Remove scratch folders whose supervisor was killed before it could clean up."""
    for folder in parent.glob("assay-*-*"):
        owner = folder.name.split("-")[1]
        if owner.isdigit() and folder.is_dir() and not folder.is_symlink() and not _lives(int(owner)):
            remove(folder)


def remove(folder: Path) -> None:
    """Remove a folder whatever a child that has ended left in it; what cannot be removed stays.

    shutil.rmtree calls itself for every level, so that folders 1,000 deep end it by RecursionError, and
    stops at folders that their owner may not list. Here every folder is opened up and moved to one place
    before it is emptied: no path grows long and nothing calls itself.
    """
    try:
        folder.chmod(stat.S_IRWXU)
        pool = Path(tempfile.mkdtemp(prefix="removed-", dir=folder))
    except OSError:
        with contextlib.suppress(RecursionError):
            shutil.rmtree(folder, ignore_errors=True)
        return
    waiting, moved = [folder], 0
    while waiting:
        path = waiting.pop()
        members: list[Path] = []
        with contextlib.suppress(OSError):
            members += path.iterdir()
        for member in members:
            if member == pool:
                continue
            with contextlib.suppress(OSError):
                if not stat.S_ISDIR(member.lstat().st_mode):
                    member.unlink()
                    continue
                member.chmod(stat.S_IRWXU)  # or it could not be moved, nor listed
                waiting.append(member.replace(pool / str(moved)))
                moved += 1
        if path != folder:
            with contextlib.suppress(OSError):
                path.rmdir()
    with contextlib.suppress(OSError):
        pool.rmdir()
        folder.rmdir()


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
