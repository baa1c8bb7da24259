"""Scratch folders that a supervisor left behind when it was killed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

__all__ = ["sweep"]


def sweep(parent: Path) -> None:
    """Remove scratch folders whose supervisor was killed before it could clean up."""
    for folder in parent.glob("assay-*-*"):
        owner = folder.name.split("-")[1]
        if owner.isdigit() and folder.is_dir() and not folder.is_symlink() and not _lives(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
