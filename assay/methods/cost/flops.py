"""Arithmetic of one answer: floating point operations of networks, comparisons of trees."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.models.base import Inputs, Model, take
from assay.models.torch_model import TorchModel

__all__ = ["Arithmetic", "count_arithmetic", "module_flops", "tree_comparisons"]

_HEAVY = ("mm", "mv", "conv", "linear", "attention", "transformer", "rnn", "lstm", "gru", "matmul")
"""Parts of the names of operations whose arithmetic is worth counting."""


class Arithmetic(NamedTuple):
    """Per row, averaged over `rows` rows; null where it was not counted."""

    flops: float | None
    comparisons: float | None
    rows: int
    uncounted: tuple[str, ...] = ()
    """Heavy operations for which there is no formula."""
    error: float = 0.0
    """Standard error of the mean over rows; 0 where every row takes the same."""


def count_arithmetic(model: Model, inputs: Inputs) -> Arithmetic:
    """Count each row by itself (texts differ in length), without its softmax.

    Networks: matrix products, convolutions, attention and recurrent layers, a multiply-add as 2; activations,
    normalisations and the encoding are not counted. Trees: comparisons on the way to each row's leaves.
    """
    rows = len(inputs)
    if isinstance(model, TorchModel):
        counts, uncounted = list[float](), dict[str, None]()
        for row in range(rows):
            found = module_flops(model.logits, model.encode(take(inputs, slice(row, row + 1))))
            counts.append(found[0])
            uncounted |= dict.fromkeys(found[1])
        mean = None if uncounted else float(np.mean(counts))
        return Arithmetic(mean, None, rows, tuple(uncounted), _error(counts))
    if hasattr(model, "booster") and hasattr(model, "encode"):
        encoded = model.encode(inputs)
        if hasattr(model, "comparisons"):
            compared = model.comparisons(encoded)
        else:
            compared = tree_comparisons(model.booster, encoded)
        return Arithmetic(None, float(compared.mean()), rows, error=_error(compared))
    return Arithmetic(None, None, rows)


def _error(counts: npt.ArrayLike) -> float:
    values = np.asarray(counts, dtype=np.float64)
    return float(values.std(ddof=1) / math.sqrt(values.size)) if values.size > 1 else 0.0


def module_flops(call: Callable[[Any], Any], encoded: Any) -> tuple[int, tuple[str, ...]]:
    """FLOPs of one call, and the heavy operations in it that have no formula.

    torch's FlopCounterMode lacks the attention and recurrent kernels that CPUs take; they are added here.
    """
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import FlopCounterMode, flop_registry

    formulas = _more_formulas()
    known = {*flop_registry, *formulas}
    missed: dict[str, None] = {}

    class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
        """Sees the operations that the counter has taken apart."""

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
        ) -> Any:
            packet = func._overloadpacket
            name = str(packet).rpartition(".")[2]
            if packet not in known and any(part in name for part in _HEAVY):
                missed[str(packet)] = None
            return func(*args, **(kwargs or {}))

    counter = FlopCounterMode(display=False, custom_mapping=formulas)
    with torch.no_grad(), Watch(), counter:  # type: ignore[no-untyped-call]  # as above
        call(encoded)
    return int(counter.get_total_flops()), tuple(missed)


def tree_comparisons(booster: Any, encoded: Any) -> npt.NDArray[np.float64]:
    """Depth of the leaf that each row reaches, summed over the trees, (rows,)."""
    import xgboost

    matrix = xgboost.DMatrix(encoded, feature_types=booster.feature_types, enable_categorical=True)
    leaves = booster.predict(matrix, pred_leaf=True, validate_features=False)
    leaves = np.asarray(leaves, dtype=np.int64).reshape(len(encoded), -1)
    total = np.zeros(len(leaves))
    for place, text in enumerate(booster.get_dump(dump_format="json")):
        depth: dict[int, int] = {}
        _leaf_depths(json.loads(text), 0, depth)
        total += [depth[leaf] for leaf in leaves[:, place]]
    return total


def _leaf_depths(node: dict[str, Any], above: int, found: dict[int, int]) -> None:
    if "leaf" in node:
        found[int(node["nodeid"])] = above
    for child in node.get("children", ()):
        _leaf_depths(child, above + 1, found)


def _more_formulas() -> dict[Any, Any]:
    """Formulas by operation, for those that torch's registry lacks."""
    import torch

    aten = torch.ops.aten
    wanted = {
        "_scaled_dot_product_flash_attention_for_cpu": _attention_flops,
        "_scaled_dot_product_fused_attention_overrideable": _attention_flops,
        "_addmm_activation": _addmm_flops,
        "mkldnn_rnn_layer": _mkldnn_rnn_flops,
        "_cudnn_rnn": _cudnn_rnn_flops,
    }
    return {getattr(aten, name): formula for name, formula in wanted.items() if hasattr(aten, name)}


def _attention_flops(
    query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: Any, **__: Any
) -> int:
    """Q K^T and the weighted sum of V: 2 b h s_q s_k (d_qk + d_v)."""
    batch, heads, queries, width = query
    return 2 * batch * heads * queries * key[-2] * (width + value[-1])


def _addmm_flops(_: Sequence[int], first: Sequence[int], second: Sequence[int], *__: Any, **___: Any) -> int:
    """A linear layer fused with its activation."""
    return 2 * first[0] * first[1] * second[1]


def _mkldnn_rnn_flops(inputs: Sequence[int], *arguments: Any, **_: Any) -> int:
    """One layer and direction of an LSTM: (sequence, batch, width) times input and hidden weights."""
    input_weights, hidden_weights = arguments[0], arguments[1]
    steps = inputs[0] * inputs[1]
    return 2 * steps * (_size(input_weights) + _size(hidden_weights))


def _cudnn_rnn_flops(inputs: Sequence[int], weights: Sequence[Any], *_: Any, **__: Any) -> int:
    """All layers: every weight matrix is used once a step; biases are vectors."""
    steps = inputs[0] * inputs[1]
    return 2 * steps * sum(_size(shape) for shape in weights if len(shape) == 2)


def _size(shape: Sequence[int]) -> int:
    found = 1
    for length in shape:
        found *= int(length)
    return found
