"""The attacks on one shard: which rows fall to what, at every budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import torch

from assay.contracts import Context, SubjectProtocol
from assay.methods.robustness.attack_space import AttackSpace, ImageSpace, TableSpace
from assay.methods.robustness.descent import (
    between,
    descend,
    differentiable,
    gradient_vanishes,
    single_step,
    struck_by,
)
from assay.methods.robustness.sampled_rows import Rows
from assay.methods.robustness.table_features import TableFeatures

if TYPE_CHECKING:
    from assay.models.torch_model import ArrayNetwork

__all__ = ["Settings", "attack_rows"]

Arrays = dict[str, npt.NDArray[Any]]
_IMAGES_ON_A_CPU = 64
"""Attacked together there: about a second a step of a slow network, so that a stop is heard soon."""
_HUGE_IMAGE, _HUGE_TABLE = 1.0, 1_000.0


class Settings(NamedTuple):
    budgets: tuple[float, ...]
    steps: int
    relative_step: float
    """A step is `relative_step` * eps / steps."""
    restarts: int
    noise_draws: int


def attack_rows(
    subject: SubjectProtocol,
    rows: Rows,
    labels: npt.NDArray[np.int64],
    features: TableFeatures | None,
    settings: Settings,
    context: Context,
) -> Arrays:
    """Attack the rows that are decided rightly as they are.

    Returns:
        right (rows,) bool; pgd, single, noise (budgets, rows) bool: fallen to that attack at that budget;
        zero, huge (rows,) bool: without a gradient, fallen to any of these or under a boundless budget. Rows
        that are decided wrongly as they are count as not fallen.
    """
    model = cast("ArrayNetwork", subject.model)

    def attack(piece: slice) -> Arrays:
        inputs = np.asarray(subject.inputs(subject.profile.asked_role, rows[piece]))
        right = model.decide(model.scores(inputs)) == labels[piece]
        chosen = rows[piece][right]
        space: AttackSpace
        if features is None:
            space = ImageSpace(model, inputs[right], labels[piece][right])
        else:
            space = TableSpace(model, inputs[right], labels[piece][right], features)
        work = _Progress(context, piece.start / len(rows), len(inputs) / len(rows), settings)
        with differentiable(model.module):
            found = _Batch(space, chosen, settings, context, work).attack() if chosen.size else {}
        return {"right": right, **_spread(found, right, len(settings.budgets))}

    few = features is None and model.device == "cpu"
    size = _IMAGES_ON_A_CPU if few else max(len(rows), 1)
    parts: list[Arrays] = []
    for first in range(0, len(rows), size):

        def further(piece: slice, first: int = first) -> Arrays:
            return attack(slice(first + piece.start, first + piece.stop))

        parts += model.in_batches(min(size, len(rows) - first), further)
    if not parts:
        nobody = np.zeros(0, dtype=bool)
        return {"right": nobody, **_spread({}, nobody, len(settings.budgets))}
    return {name: np.concatenate([part[name] for part in parts], axis=-1) for name in parts[0]}


class _Progress:
    """Turns shares of phases into a share of the shard."""

    def __init__(self, context: Context, done: float, width: float, settings: Settings) -> None:
        self.context, self.done = context, done
        self.phase = width / (len(settings.budgets) * (settings.restarts + 1) + 1)

    def __call__(self, share: float) -> None:
        self.context.progress(self.done + self.phase * share)

    def next(self) -> None:
        self.done += self.phase
        self(0.0)


class _Batch(NamedTuple):
    """Rows that are decided rightly, and everything that is tried on them."""

    space: AttackSpace
    rows: Rows
    settings: Settings
    context: Context
    progress: _Progress

    def attack(self) -> Arrays:
        found: dict[str, Sequence[torch.Tensor]] = {"pgd": [], "single": [], "noise": []}
        for eps in self.settings.budgets:
            space = self.space.within(eps)
            found["pgd"] = [*found["pgd"], self._descend(space, eps)]
            found["single"] = [*found["single"], single_step(space, eps)]
            found["noise"] = [*found["noise"], self._noise(space)]
            self.progress.next()
        first = self.space.within(self.settings.budgets[-1])
        huge = _HUGE_IMAGE if isinstance(self.space, ImageSpace) else _HUGE_TABLE
        fallen = torch.stack([row for rows in found.values() for row in rows]).any(dim=0)
        fallen = self._descend(self.space.within(huge, ranged=False), huge, fallen)
        arrays = {name: torch.stack(list(rows)).cpu().numpy() for name, rows in found.items()}
        return {**arrays, "zero": gradient_vanishes(first).cpu().numpy(), "huge": fallen.cpu().numpy()}

    def _descend(self, space: AttackSpace, eps: float, fallen: torch.Tensor | None = None) -> torch.Tensor:
        """The iterated attack on the rows that stand, with restarts on those that still do."""
        s = self.settings
        nobody = torch.zeros(space.rows, dtype=torch.bool, device=space.centre.device)
        fallen = nobody if fallen is None else fallen.clone()
        for restart in range(s.restarts):
            standing = ~fallen
            if not bool(standing.any()):
                break
            here, rows = space.take(standing), self.rows[standing.cpu().numpy()]
            start = between(here, self._uniform("start", restart, rows))
            fell = descend(here, start, s.relative_step * eps / s.steps, s.steps, self.progress)
            fallen[standing.nonzero()[:, 0][fell]] = True
            self.progress.next()
        return fallen

    def _noise(self, space: AttackSpace) -> torch.Tensor:
        fallen = torch.zeros(space.rows, dtype=torch.bool, device=space.centre.device)
        for draw in range(self.settings.noise_draws):
            fallen |= struck_by(space, self._uniform("noise", draw, self.rows))
            self.progress(0.0)
        return fallen

    def _uniform(self, purpose: str, number: int, rows: Rows) -> torch.Tensor:
        """In [0, 1), keyed by row: the same whatever rows are attacked together."""
        shape = self.space.width
        drawn = [self.context.rng(purpose, number, int(row)).random(shape, dtype=np.float32) for row in rows]
        return torch.from_numpy(np.stack(drawn)).to(self.space.centre.device)


def _spread(found: Arrays, right: npt.NDArray[np.bool_], budgets: int) -> Arrays:
    """The arrays over the attacked rows as arrays over all rows of the batch."""
    shapes: dict[str, tuple[int, ...]] = {
        "pgd": (budgets,),
        "single": (budgets,),
        "noise": (budgets,),
        "zero": (),
        "huge": (),
    }
    spread = {}
    for name, shape in shapes.items():
        spread[name] = np.zeros((*shape, len(right)), dtype=bool)
        if name in found:
            spread[name][..., right] = found[name]
    return spread
