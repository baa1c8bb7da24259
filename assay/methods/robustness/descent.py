"""Projected gradient descent, one step, and random noise: three ways to look for a wrong decision."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from assay.methods.robustness.attack_space import AttackSpace

__all__ = ["between", "descend", "differentiable", "gradient_vanishes", "single_step", "struck_by"]

Tick = Callable[[float], None]


@contextmanager
def differentiable(module: nn.Module) -> Iterator[None]:
    """Lets recurrent networks in evaluation mode give gradients on a GPU, which cuDNN's kernels refuse."""
    recurrent = any(isinstance(part, nn.RNNBase) for part in module.modules())
    with torch.backends.cudnn.flags(enabled=False) if recurrent else torch.enable_grad():
        yield


def descend(space: AttackSpace, start: torch.Tensor, step: float, steps: int, tick: Tick) -> torch.Tensor:
    """Rows (rows,) bool that fall within `steps` sign-gradient steps from `start`, kept inside the budget.

    v <- clip(v + step * sign(gradient of the loss)). A row is dropped at its first wrong decision: whatever
    the attack would do later, that decision stands. The decision at v is read off the forward pass that the
    gradient needs anyway, so looking at every step costs next to nothing.

    Source: Madry et al. 2018, Towards deep learning models resistant to adversarial attacks, ICLR.
    """
    fallen = torch.zeros(space.rows, dtype=torch.bool, device=start.device)
    active = torch.arange(space.rows, device=start.device)
    v = start
    for number in range(steps):
        v = v.detach().requires_grad_()
        outputs = space.outputs(v)
        (gradient,) = torch.autograd.grad(space.objective.loss(outputs), v)
        v = v.detach()
        wrong = space.objective.wrong(outputs.detach())
        if bool(wrong.any()):
            wrong = space.confirm(v, wrong)
            fallen[active[wrong]] = True
            keep = ~wrong
            if not bool(keep.any()):
                return fallen
            space, active, v, gradient = space.take(keep), active[keep], v[keep], gradient[keep]
        v = (v + step * space.direction(gradient)).clamp(space.low, space.high)
        tick((number + 1) / (steps + 1))
    fallen[active[_wrong_at(space, v)]] = True
    return fallen


def single_step(space: AttackSpace, eps: float) -> torch.Tensor:
    """Rows that fall to one step of the whole budget from where they are (Goodfellow et al. 2015)."""
    v = (space.centre + eps * space.direction(_gradient(space))).clamp(space.low, space.high)
    return _wrong_at(space, v)


def struck_by(space: AttackSpace, uniform: torch.Tensor) -> torch.Tensor:
    """Rows that fall at a random place of the budget; `uniform` in [0, 1), shaped as `centre`."""
    return _wrong_at(space, between(space, uniform))


def gradient_vanishes(space: AttackSpace) -> torch.Tensor:
    """Rows where the loss does not change to first order in anything that may move: nothing to descend."""
    movable = (space.high > space.low).flatten(1)
    steep = (_gradient(space).abs() > 0).flatten(1)
    return movable.any(dim=1) & ~(steep & movable).any(dim=1)


def between(space: AttackSpace, uniform: torch.Tensor) -> torch.Tensor:
    """The place of the budget at the share `uniform` of the way from low to high."""
    return space.low + uniform * (space.high - space.low)


def _gradient(space: AttackSpace) -> torch.Tensor:
    v = space.centre.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(space.objective.loss(space.outputs(v)), v)
    return gradient


def _wrong_at(space: AttackSpace, v: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        outputs = space.outputs(v)
    return space.confirm(v, space.suspects(v, outputs))
