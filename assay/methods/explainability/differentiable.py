"""One row as tensors on which gradients are taken, and the way back to the features that people know."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.contracts import InputColumn

if TYPE_CHECKING:
    import torch

    from assay.models.torch_model import TorchModel

__all__ = ["DifferentiableRow", "differentiable_row", "explained_margin", "table_baseline"]


class DifferentiableRow(NamedTuple):
    """A row between its baseline and itself.

    encoded, baseline: (1, ...), on the model's device.
    owner: feature of each encoded number, shaped like `encoded` without its first axis.
    features: how many features there are: columns, pixels, or tokens.
    removable: features that differ from the baseline by choice (all but a text's special tokens).
    forward: (n, ...) -> logits (n, outputs).
    """

    encoded: torch.Tensor
    baseline: torch.Tensor
    owner: torch.Tensor
    features: int
    removable: npt.NDArray[np.int64]
    forward: Callable[[torch.Tensor], torch.Tensor]

    def fold(self, attributions: torch.Tensor) -> torch.Tensor:
        """Sum what belongs to one feature: (n, ...) -> (n, features)."""
        found = attributions.new_zeros((len(attributions), self.features))
        return found.index_add_(1, self.owner.reshape(-1), attributions.flatten(1))

    def without(self, removed: torch.Tensor) -> torch.Tensor:
        """Which encoded numbers belong to removed features: (n, features) bool -> (n, ...)."""
        return removed[:, self.owner]


def explained_margin(model: TorchModel, logits: torch.Tensor, output: int) -> torch.Tensor:
    """What is explained, (n,): the log-odds of a class against all others, or the number the model gives.

    Log-odds do not saturate as probabilities do, and do not change when a constant is added to all logits.
    """
    if model.signature.output != "logit":
        return logits[:, output]
    others = logits[:, [place for place in range(logits.shape[1]) if place != output]]
    return logits[:, output] - others.logsumexp(dim=1)


def table_baseline(
    columns: tuple[InputColumn, ...], background: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """The mean of a number and the most frequent code of a category, missing values aside, (columns,)."""
    found = np.full(len(columns), np.nan)
    for place, column in enumerate(columns):
        known = background[~np.isnan(background[:, place]), place]
        if known.size and column.kind == "number":
            found[place] = known.mean()
        elif known.size:
            found[place] = np.bincount(known.astype(np.int64)).argmax()
    return found


def differentiable_row(
    model: TorchModel, raw: Any, baseline: npt.NDArray[np.float64] | None
) -> DifferentiableRow:
    """One raw row for gradients.

    Args:
        raw: (columns,), (channels, height, width), or a text.
        baseline: a table's raw baseline; images start from black, texts from padding tokens.
    """
    signature = model.signature
    if signature.modality == "table":
        assert baseline is not None
        return _table_row(model, raw, baseline)
    return _image_row(model, raw) if signature.modality == "image" else _text_row(model, raw)


def _table_row(
    model: Any, raw: npt.NDArray[np.float64], baseline: npt.NDArray[np.float64]
) -> DifferentiableRow:
    import torch

    both = model.encode(np.stack([raw, baseline]))
    columns = model.signature.columns
    owner = np.repeat(np.arange(len(columns)), [column.width for column in columns])
    return DifferentiableRow(
        encoded=both[:1],
        baseline=both[1:],
        owner=torch.from_numpy(owner).to(model.device),
        features=len(columns),
        removable=np.arange(len(columns)),
        forward=model.logits,
    )


def _image_row(model: Any, raw: npt.NDArray[np.float32]) -> DifferentiableRow:
    import torch

    both = model.encode(np.stack([raw, np.zeros_like(raw)]))
    height, width = raw.shape[1:]
    pixels = torch.arange(height * width, device=model.device).reshape(1, height, width)
    return DifferentiableRow(
        encoded=both[:1],
        baseline=both[1:],
        owner=pixels.expand(raw.shape),
        features=height * width,
        removable=np.arange(height * width),
        forward=model.logits,
    )


def _text_row(model: Any, raw: str) -> DifferentiableRow:
    """Embeddings of the tokens; the baseline has the embedding of the padding token for each ordinary one."""
    import torch

    tokens = model.encode([raw])["input_ids"]
    known = model.tokenizer.get_special_tokens_mask(tokens[0].tolist(), already_has_special_tokens=True)
    special = torch.tensor(known, dtype=torch.bool, device=model.device)
    padding = torch.full_like(tokens, model.tokenizer.pad_token_id)
    with torch.no_grad():
        encoded = model.embedding_layer(tokens)
        baseline = model.embedding_layer(torch.where(special, tokens, padding))
    places = torch.arange(tokens.shape[1], device=model.device)[:, None]

    def forward(embeddings: torch.Tensor) -> torch.Tensor:
        mask = torch.ones(embeddings.shape[:2], dtype=torch.int64, device=embeddings.device)
        found: torch.Tensor = model.logits_from_embeddings(embeddings, mask)
        return found

    return DifferentiableRow(
        encoded=encoded,
        baseline=baseline,
        owner=places.expand(encoded.shape[1:]),
        features=tokens.shape[1],
        removable=np.flatnonzero(~special.cpu().numpy()),
        forward=forward,
    )
