"""Work folders of a remedy's attempts: each writes to its own, and begins where an earlier one stood.

A worker that was stopped past its lease may wake up and go on writing. It does so in its own folder, so it
never harms the attempt that took over.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from assay.remedies.checkpoint import adopt, epochs_done
from assay.repair import TRAINING

__all__ = ["epochs_in", "new_attempt"]

_PREFIX = "attempt-"


def new_attempt(work: Path) -> tuple[Path, tuple[int, int] | None]:
    """A folder below the job's, with the last whole epoch that any attempt before it reached.

    Returns:
        The folder, and (epochs done already, epochs asked for) where there was a checkpoint.
    """
    earlier = [(epochs_in(folder) or (0, 0), folder) for folder in work.glob(f"{_PREFIX}*")]
    made = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=work))
    for _done, folder in sorted(earlier, reverse=True):
        reached = adopt(folder / TRAINING, made / TRAINING)
        if reached is not None:
            return made, reached
    return made, None


def epochs_in(attempt: Path) -> tuple[int, int] | None:
    """Epochs done and asked for, where the attempt has a whole checkpoint."""
    return epochs_done(attempt / TRAINING)
