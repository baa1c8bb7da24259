"""Trees, texts and images: what each of them costs, in closed form where there is one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from assay.execution import run_method
from assay.methods.cost.flops import count_arithmetic
from assay.methods.cost.inference import METHOD
from tests.models.images import image_subject
from tests.models.made import model_subject, tiny_bert
from tests.models.pictures import squares, tiny_cnn

SHORT = {"seconds": 0.05, "batch_sizes": (1, 4)}


def values(result: object) -> dict[str, float | None]:
    return {m.id.removeprefix("cost."): m.value for m in result.measures if "batch" not in m.at}  # type: ignore[attr-defined]


def test_a_transformers_arithmetic_grows_with_its_tokens(tmp_path: Path) -> None:
    texts = ["good day", "a very bad film ."]
    columns = {"tweet": texts * 10, "label": ["good", "bad"] * 10}
    subject = model_subject(tmp_path, tiny_bert(tmp_path / "m"), columns, label="label", text="tweet")
    size, wide, layers, classes = 8, 16, 2, 2

    def flops(tokens: int) -> int:
        """Projections and feed-forward, scores and weighted sums, pooler and classifier."""
        a_layer = 2 * tokens * (4 * size**2 + 2 * size * wide) + 4 * tokens**2 * size
        return layers * a_layer + 2 * size**2 + 2 * size * classes

    for text, tokens in zip(texts, (4, 7), strict=True):
        assert count_arithmetic(subject.model, [text]).flops == flops(tokens)
    found = values(run_method(METHOD, subject, SHORT))["flops_per_row"]
    assert found is not None
    assert flops(4) <= found <= flops(7)


def test_trees_compare_and_have_no_floating_point_arithmetic(tmp_path: Path) -> None:
    xgboost = pytest.importorskip("xgboost")
    bits = np.array([[a, b] for a in (0, 1) for b in (0, 1)] * 16, dtype=np.float32)
    # 1, 5, 9 and 14 of the 16 rows of a cell are positive, so that every question is worth asking
    label = np.concatenate([[int(row < most) for most in (1, 5, 9, 14)] for row in range(16)])
    exact = {"objective": "binary:logistic", "max_depth": 2, "min_child_weight": 0, "nthread": 1}
    booster = xgboost.train(exact, xgboost.DMatrix(bits, label, feature_names=["a", "b"]), 3)
    path = tmp_path / "trees.json"
    path.write_bytes(bytes(booster.save_raw("json")))
    columns = {"a": bits[:, 0].tolist(), "b": bits[:, 1].tolist(), "label": label.tolist()}
    result = run_method(METHOD, model_subject(tmp_path, path, columns, label="label"), SHORT)
    depths = {text.count("leaf") for text in booster.get_dump()}
    assert depths == {4}, "every tree must be full for the closed form to hold"
    assert values(result)["comparisons_per_row"] == 2 * 3
    flops = next(m for m in result.measures if m.id == "cost.flops_per_row")
    assert (flops.status, flops.note) == ("not_applicable", "trees compare; they do not multiply")
    assert next(m for m in result.measures if m.id == "cost.training_flops").status == "not_applicable"


def test_images_are_timed_from_their_pixels(tmp_path: Path) -> None:
    pictures, classes = squares(40)
    subject = image_subject(
        tmp_path, tiny_cnn(tmp_path / "m"), pictures.transpose(0, 3, 1, 2), [str(c) for c in classes]
    )
    convolution, hidden, head = 8 * 8 * 4 * 2 * 9, 2 * (4 * 4 * 4) * 8, 2 * 8 * 2
    assert values(run_method(METHOD, subject, SHORT))["flops_per_row"] == convolution + hidden + head
