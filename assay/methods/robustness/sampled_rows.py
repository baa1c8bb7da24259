"""Which of the rows are perturbed: drawn once, the same for every shard and for every model asked."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from assay.contracts import Context, Profile, SubjectProtocol

__all__ = ["Rows", "labelled_sample", "sample_size", "sampling_note"]

Rows = npt.NDArray[np.int64]


def sample_size(profile: Profile, rows: int) -> int:
    return min(rows, profile.asked.rows)


def labelled_sample(
    subject: SubjectProtocol, rows: int, first: int, stop: int, context: Context
) -> tuple[Rows, npt.NDArray[Any] | None]:
    """Rows [first, stop) of the sample of `rows`, ascending, and their labels (None without a label column).

    The draw hangs on the seed and the number of rows alone, so two models that are asked about the same file
    are perturbed at the same rows. Rows without a label are left out.
    """
    profile = subject.profile
    total = profile.asked.rows
    drawn = context.rng("rows").choice(total, sample_size(profile, rows), replace=False)
    sample = np.sort(drawn)[first:stop].astype(np.int64)
    if profile.roles.label is None:
        return sample, None
    labels = np.asarray(subject.labels(profile.asked_role, sample), dtype=np.int64)
    known = labels >= 0
    return sample[known], labels[known]


def sampling_note(profile: Profile, used: int) -> str:
    total = profile.asked.rows
    if used == total:
        return f"All {total:,} rows were perturbed."
    return f"{used:,} of {total:,} rows were perturbed, drawn at random; intervals are about all such rows."
