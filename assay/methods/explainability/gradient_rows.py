"""Integrated gradients and their checks, one explained row at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from assay.contracts import Context, SubjectProtocol
from assay.methods.explainability.agreement import rank_correlation
from assay.methods.explainability.differentiable import (
    DifferentiableRow,
    differentiable_row,
    table_baseline,
)
from assay.methods.explainability.explained import background_inputs, class_in_question
from assay.methods.explainability.gradient_path import GradientPath
from assay.methods.explainability.masking import masked_score
from assay.methods.explainability.patches import patch_of_pixel
from assay.methods.explainability.randomised import randomised_model
from assay.methods.explainability.removal import (
    FRACTIONS,
    Removal,
    masked_curves,
    removal,
    replaced_curves,
)
from assay.models.precision import full_precision
from assay.models.torch_model import TorchModel

if TYPE_CHECKING:
    import torch

    from assay.methods.explainability.integrated_gradients import IntegratedGradientsParams

__all__ = ["GradientRows"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_CHECK_STEPS = 128
"""Most steps of the attributions that only checks need: of moved rows and of randomised models."""


class GradientRows:
    """What the rows of a shard share: baseline, background, units of a small move, randomised models."""

    def __init__(
        self, subject: SubjectProtocol, params: IntegratedGradientsParams, context: Context, rows: int
    ) -> None:
        model = subject.model
        assert isinstance(model, TorchModel)
        self.model, self._params, self._context = model, params, context
        self._rows, self._done = rows, 0
        self._background: npt.NDArray[Any] | None = None
        self._baseline: Floats | None = None
        if model.signature.modality == "table":
            self._background = background_inputs(subject, params.background, context)
            self._baseline = table_baseline(model.signature.columns, self._background)
        self._unit = self._move_unit()
        self._randomised = [
            randomised_model(model, int(context.rng("randomised", number).integers(0, 2**63)))
            for number in range(params.randomised)
        ]

    def explain(self, raw: Any, row: int) -> dict[str, Any]:
        """Attributions of one raw row and all that is measured of it; `row` keys its random numbers."""
        with full_precision(self.model.module):
            scores = self.model.scores([raw] if isinstance(raw, str) else raw[None])
            output = int(class_in_question(self.model, scores)[0])
            found = self._explained(raw, output, row)
        self._done += 1
        self._tick()
        return {**found, "predicted": int(self.model.decide(scores)[0])}

    def _tick(self) -> None:
        self._context.progress(self._done / self._rows)

    def _explained(self, raw: Any, output: int, row: int) -> dict[str, Any]:
        params, rng = self._params, self._context.rng
        point = differentiable_row(self.model, raw, self._baseline)
        path = GradientPath(self.model, point, output, self._tick)
        found = path.integrate(params.steps, params.most_steps, params.tolerance)
        groups, checked = self._groups(point), min(found.steps, _CHECK_STEPS)
        infidelity, sensitivity = np.nan, np.nan
        if groups.max(initial=-1) >= 0:
            infidelity = path.infidelity(found, groups, params.perturbations, rng("removals", row))
        if self._unit is not None:
            sensitivity = path.sensitivity(
                found, self._unit, params.radius, params.moves, checked, rng("moves", row)
            )
        deleted, kept = self._removed(raw, point, output, found.values, groups, row)
        return {
            "gap": found.gap,
            "steps": found.steps,
            "infidelity": infidelity,
            "sensitivity": sensitivity,
            "correlations": self._correlations(raw, point, output, found.values, checked),
            "informed": deleted.informed,
            "random": deleted.random,
            "kept": kept.informed,
            "kept_random": kept.random,
            **({} if self.model.signature.modality == "text" else {"values": found.values}),
        }

    def _groups(self, point: DifferentiableRow) -> Integers:
        """What is removed together: a column, a superpixel, or a token; -1 = never."""
        image = self.model.signature.image
        if image is not None:
            return patch_of_pixel(image.height, image.width, self._params.side).ravel()
        groups = np.full(point.features, -1)
        groups[point.removable] = np.arange(point.removable.size)
        return groups

    def _correlations(
        self, raw: Any, point: DifferentiableRow, output: int, values: Floats, steps: int
    ) -> Floats:
        """Rank correlation of |phi| with each randomised model's, (models,).

        Only over features that differ from the baseline: all others have phi = 0 under any weights.
        """
        apart = point.fold((point.encoded - point.baseline).abs())[0].cpu().numpy() > 0
        if apart.sum() < 3:
            return np.full(len(self._randomised), np.nan)
        others = []
        for model in self._randomised:
            other = differentiable_row(model, raw, self._baseline)
            gradients = GradientPath(model, other, output, self._tick).gradients(other.encoded, steps)
            others.append(other.fold(gradients.double())[0].cpu().numpy()[apart])
        return rank_correlation(np.tile(values[apart], (len(others), 1)), np.stack(others))

    def _removed(
        self, raw: Any, point: DifferentiableRow, output: int, values: Floats, groups: Integers, row: int
    ) -> tuple[Removal, Removal]:
        """Deletion, and insertion as deletion from the least important on; NaN with one group only."""
        count = int(groups.max(initial=-1)) + 1
        if count < 2:
            nothing = Removal(np.full(len(FRACTIONS), np.nan), np.full(len(FRACTIONS), np.nan))
            return nothing, nothing
        inside = groups >= 0
        summed = np.asarray(np.bincount(groups[inside], weights=values[inside], minlength=count), float)
        curves = self._curves(raw, point, output, groups, row)
        orders = self._context.rng("orders", row)
        deleted = removal(summed, curves, orders)
        self._tick()
        return deleted, removal(summed, lambda asked: curves(asked[:, ::-1]), orders)

    def _curves(
        self, raw: Any, point: DifferentiableRow, output: int, groups: Integers, row: int
    ) -> Callable[[Integers], Floats]:
        """Tables: features replaced from the background, as in other methods; else put on the baseline."""
        if self._background is None:
            score = masked_score(self.model, point, output, groups)
            return lambda orders: masked_curves(score, orders)
        background, draws = self._background, self._params.draws

        def replaced(orders: Integers) -> Floats:
            rng = self._context.rng("replacements", row)
            return replaced_curves(
                lambda rows: self.model.scores(rows)[:, output], raw, background, draws, orders, rng
            )

        return replaced

    def _move_unit(self) -> torch.Tensor | None:
        """Encoded size of one standard deviation of each number, or of full brightness; None for texts."""
        import torch

        signature, model = self.model.signature, self.model
        if signature.image is not None:
            scale = torch.tensor(signature.image.scale, device=model.device).view(1, -1, 1, 1)
            return 1 / scale
        if self._background is None:
            return None
        numbers = np.repeat(
            [column.kind == "number" for column in signature.columns],
            [column.width for column in signature.columns],
        )
        spread = model.encode(self._background).std(dim=0)
        return torch.where(torch.from_numpy(numbers).to(model.device), spread.nan_to_num(0.0), 0.0)
