"""Arithmetic against closed forms: a multiply-add counts as 2."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from assay.methods.cost.flops import module_flops, tree_comparisons

ROWS, STEPS = 4, 7


@pytest.mark.parametrize(
    ("module", "shape", "flops"),
    [
        (nn.Linear(30, 8), (ROWS, 30), ROWS * 2 * 30 * 8),
        # every output pixel of every filter: 2 x channels x 3 x 3
        (nn.Conv2d(3, 8, 3, padding=1), (ROWS, 3, 10, 12), ROWS * 8 * 10 * 12 * 2 * 3 * 3 * 3),
        (nn.Conv2d(4, 8, 3, stride=2, groups=2), (1, 4, 9, 9), 8 * 4 * 4 * 2 * 2 * 3 * 3),
        # four gates (LSTM) or three (GRU), each from input and hidden state; the second layer reads the first
        (nn.LSTM(3, 5, 2, batch_first=True), (ROWS, STEPS, 3), ROWS * STEPS * 2 * 4 * 5 * (3 + 5 + 5 + 5)),
        (nn.LSTM(3, 5, bidirectional=True), (STEPS, ROWS, 3), 2 * ROWS * STEPS * 2 * 4 * 5 * (3 + 5)),
        (nn.GRU(3, 5, batch_first=True), (ROWS, STEPS, 3), ROWS * STEPS * 2 * 3 * 5 * (3 + 5)),
    ],
    ids=["linear", "convolution", "grouped convolution", "lstm", "two-way lstm", "gru"],
)
def test_layers_with_a_closed_form(module: nn.Module, shape: tuple[int, ...], flops: int) -> None:
    assert module_flops(module.eval(), torch.zeros(shape)) == (flops, ())


def test_attention_on_a_processor_is_counted() -> None:
    # torch's own counter gives 0 here: the processor's kernel is missing from its registry
    rows, heads, queries, keys, width = 2, 4, 6, 9, 8
    query = torch.zeros(rows, heads, queries, width)
    key = torch.zeros(rows, heads, keys, width)
    found = module_flops(lambda q: nn.functional.scaled_dot_product_attention(q, key, key), query)
    assert found == (2 * rows * heads * queries * keys * (width + width), ())


def test_heavy_operations_without_a_formula_are_named_rather_than_counted_as_nothing() -> None:
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True).eval()
    flops, missed = module_flops(layer, torch.zeros(3, 5, 16))
    assert (flops, missed) == (0, ("aten._transformer_encoder_layer_fwd",))


def test_trees_compare_once_a_level_on_the_way_to_each_rows_leaf() -> None:
    xgboost = pytest.importorskip("xgboost")
    bits = np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)] * 8, dtype=np.float32)
    exact = {"max_depth": 3, "min_child_weight": 0, "lambda": 0, "gamma": 1e-6, "nthread": 1}
    # 4a + 2b + c needs all eight leaves of depth 3; a b is known after one question where a is 0
    full = xgboost.train(exact, xgboost.DMatrix(bits, bits @ [4, 2, 1]), 2)
    lopsided = xgboost.train(exact, xgboost.DMatrix(bits, bits[:, 0] * (1 + bits[:, 1])), 1)
    assert set(tree_comparisons(full, bits)) == {3 * 2}
    assert tree_comparisons(lopsided, bits).tolist() == (1 + bits[:, 0]).tolist()
