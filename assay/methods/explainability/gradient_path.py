"""Integrated gradients of one row through captum, with the steps that completeness takes, and checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.methods.explainability.differentiable import DifferentiableRow, explained_margin

if TYPE_CHECKING:
    import torch

    from assay.models.torch_model import TorchModel

__all__ = ["GradientPath", "Integrated"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_NO_CHANGE = 1e-4
"""Where the output changes by less than this part of its size, there is nothing to be complete about."""


class Integrated(NamedTuple):
    """Attributions of one row.

    encoded: what captum gave, shaped like the encoded row; for further checks of captum's.
    values: summed to features, (features,).
    change: f(x) - f(baseline).
    gap: |sum phi - change| / |change|; NaN where the output does not change.
    steps: points of the path that were evaluated.
    """

    encoded: torch.Tensor
    values: Floats
    change: float
    gap: float
    steps: int


class GradientPath:
    """The straight path from a row's baseline to the row, for one output of one model.

    Args:
        tick: called at each evaluation, so that whoever waits knows that work goes on.
    """

    def __init__(
        self, model: TorchModel, row: DifferentiableRow, output: int, tick: Callable[[], None]
    ) -> None:
        self.model, self.row, self.output, self._tick = model, row, output, tick

    def margin(self, encoded: torch.Tensor) -> torch.Tensor:
        """What is explained, (n, ...) -> (n,)."""
        self._tick()
        return explained_margin(self.model, self.row.forward(encoded), self.output)

    def gradients(self, encoded: torch.Tensor, steps: int) -> torch.Tensor:
        """Integrated gradients of rows that share the baseline, (n, ...) -> (n, ...).

        `internal_batch_size` is given: without it captum holds all steps of all rows in memory at once.
        """
        import torch
        from captum.attr import IntegratedGradients

        explainer = IntegratedGradients(self.margin)

        def attribute(piece: slice) -> torch.Tensor:
            found: torch.Tensor = explainer.attribute(
                encoded[piece],
                baselines=self.row.baseline,
                n_steps=steps,
                internal_batch_size=self.model.batch_rows,
            )
            return found.detach()

        return torch.cat(self.model.in_batches(len(encoded), attribute))

    def integrate(self, steps: int, most_steps: int, tolerance: float) -> Integrated:
        """Double the steps from `steps` until the gap is within tolerance or `most_steps` are reached."""
        import torch

        with torch.inference_mode():
            start, end = (float(self.margin(point)) for point in (self.row.baseline, self.row.encoded))
        change = end - start
        known = abs(change) > _NO_CHANGE * max(1.0, abs(start), abs(end))
        while True:
            encoded = self.gradients(self.row.encoded, steps)
            values = self.row.fold(encoded.double())[0].cpu().numpy()
            gap = abs(float(values.sum()) - change) / abs(change) if known else np.nan
            if not known or gap <= tolerance or steps * 2 > most_steps:
                return Integrated(encoded, values, change, float(gap), steps)
            steps *= 2

    def infidelity(
        self, found: Integrated, groups: Integers, perturbations: int, rng: np.random.Generator
    ) -> float:
        """Share of the squared change of f under random removals that the attributions leave unexplained.

        E (b I.phi - (f(x) - f(x - I)))^2 / E (f(x) - f(x - I))^2 with the best factor b (captum's
        `normalize`), where I puts each group of features on its baseline with probability 1/2.
        0 = fully faithful, 1 = worth nothing; NaN where no removal changes f.

        Args:
            groups: group of each feature; -1 = never removed.

        Source: Yeh et al. 2019, definition 2.1 and section 2.3.
        """
        import torch
        from captum.metrics import infidelity

        row, device = self.row, self.model.device
        member = torch.from_numpy(groups).to(device)
        count = int(groups.max()) + 1

        def asked(attributions: torch.Tensor, drawn: np.random.Generator, normalize: bool) -> float:
            def remove(inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
                picked = torch.from_numpy(drawn.random((len(inputs), count)) < 0.5).to(device)
                mask = row.without(picked[:, member.clamp(min=0)] & (member >= 0))
                return mask.to(inputs.dtype), torch.where(mask, row.baseline, inputs)

            with torch.no_grad():
                value = infidelity(
                    self.margin,
                    remove,
                    row.encoded,
                    attributions,
                    n_perturb_samples=perturbations,
                    max_examples_per_batch=min(self.model.batch_rows, perturbations),
                    normalize=normalize,
                )
            return float(value)

        seed = int(rng.integers(0, 2**63))
        missed = asked(found.encoded, np.random.default_rng(seed), True)
        whole = asked(torch.zeros_like(found.encoded), np.random.default_rng(seed), False)
        return min(max(missed / whole, 0.0), 1.0) if whole > 0 else np.nan

    def sensitivity(
        self,
        found: Integrated,
        unit: torch.Tensor,
        radius: float,
        draws: int,
        steps: int,
        rng: np.random.Generator,
    ) -> float:
        """Largest ||phi(x') - phi(x)|| / ||phi(x)|| over random x' within `radius` units of x.

        Args:
            steps: of the integrals compared.
            unit: encoded size of one unit (a standard deviation, full brightness); 0 = not moved.

        Source: Yeh et al. 2019, definition 3.1 (max-sensitivity).
        """
        import torch
        from captum.metrics import sensitivity_max

        if not found.values.any():
            return np.nan

        def move(inputs: torch.Tensor) -> torch.Tensor:
            noise = rng.uniform(-radius, radius, size=tuple(inputs.shape))
            return inputs + torch.from_numpy(noise).to(inputs) * unit

        def explain(inputs: torch.Tensor | tuple[torch.Tensor, ...]) -> tuple[torch.Tensor]:
            # a tuple always: captum takes a plain tensor apart along its rows and compares the wrong numbers
            rows = inputs[0] if isinstance(inputs, tuple) else inputs
            return (self.row.fold(self.gradients(rows, steps)),)

        value = sensitivity_max(
            explain,
            self.row.encoded,
            perturb_func=move,
            n_perturb_samples=draws,
            max_examples_per_batch=min(self.model.batch_rows, draws),
        )
        return float(value)
