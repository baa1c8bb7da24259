"""lightgbm_text: trees as LightGBM's save_model writes them, alone or in a folder beside signature.json."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from assay.contracts import Capability, FormatSpec, InputColumn, ModelFacts, ModelSignature
from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.lightgbm_trees import CheckedLightGBM, check_lightgbm, looks_like_lightgbm
from assay.intake.model_files import the_file
from assay.models.base import Inputs, Model
from assay.models.encoding import TableEncoder
from assay.models.feature_order import feature_order
from assay.models.one_file import OneFile

if TYPE_CHECKING:
    import lightgbm

__all__ = ["FORMAT", "LightGBMText", "LightGBMTrees"]

_BINARY = ("binary", "cross_entropy")
_MULTICLASS = ("multiclass", "multiclassova")
_REGRESSION = (
    *("regression", "regression_l1", "huber", "fair", "poisson", "quantile", "mape", "gamma", "tweedie"),
)


class LightGBMTrees(Model):
    """Gradient-boosted trees. `booster` is the library's own object, for methods that walk the trees.

    Args:
        order: encoded place of each of the booster's features.
        leaf_depths: comparisons on the way to each leaf, one array a tree.
    """

    kind_capabilities: ClassVar[tuple[Capability, ...]] = ("query", "weights")

    def __init__(
        self,
        booster: lightgbm.Booster,
        objective: str,
        signature: ModelSignature,
        facts: ModelFacts,
        order: npt.NDArray[np.int64],
        leaf_depths: tuple[npt.NDArray[np.int64], ...],
    ) -> None:
        super().__init__(signature, facts)
        self.booster = booster
        self.objective = objective.partition(" ")[0]
        self.leaf_depths = leaf_depths
        self.encoder = TableEncoder(signature.columns)
        self._order = order
        self._slope = _slope(objective)
        self._threads = _threads()

    @property
    def feature_columns(self) -> npt.NDArray[np.int64]:
        """Which of the signature's columns each of the booster's features belongs to, (features,)."""
        widths = [column.width for column in self.signature.columns]
        return np.repeat(np.arange(len(widths)), widths)[self._order]

    def encode(self, inputs: Inputs) -> npt.NDArray[np.float64]:
        """(rows, columns) of original values -> float64 (rows, features) in the booster's order."""
        return self.encoder.encode(np.asarray(inputs), np.float64)[:, self._order]

    def margins(self, encoded: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Sums over the trees, (rows, 1) or (rows, classes), before any link function; log-odds if binary."""
        return self._slope * self._predict(encoded, raw_score=True)

    def comparisons(self, encoded: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Depth of the leaf that each row reaches, summed over the trees, (rows,)."""
        leaves = self._predict(encoded, pred_leaf=True).astype(np.int64)
        total = np.zeros(len(leaves))
        for place, depths in enumerate(self.leaf_depths):
            total += depths[leaves[:, place]]
        return total

    def _predict(self, encoded: npt.NDArray[np.float64], **what: bool) -> npt.NDArray[np.float64]:
        if not len(encoded):
            return np.zeros((0, self.outputs))
        found = self.booster.predict(encoded, num_threads=self._threads, **what)
        return np.asarray(found, dtype=np.float64).reshape(len(encoded), -1)

    def _outputs(self, inputs: Inputs) -> npt.NDArray[np.float64]:
        found = self._predict(self.encode(inputs))
        if self.signature.output == "score":
            return found
        if found.shape[1] == 1:
            found = np.hstack([1 - found, found])
        if self.objective == "multiclassova":
            found = found / found.sum(axis=1, keepdims=True)
        if self.signature.output == "logit":
            return np.log(np.clip(found, 1e-300, None))
        return found


class LightGBMText:
    """Trees are numbers; nothing in them can run."""

    spec = FormatSpec(
        id="lightgbm_text",
        title="LightGBM text",
        recognised_by='text of lines "tree", "version=…", alone or in a folder beside signature.json',
        trust="A",
        modalities=("table",),
    )

    def recognise(self, path: Path) -> bool:
        return the_file(path, looks_like_lightgbm) is not None

    def load(self, path: Path, signature: ModelSignature | None, device: str) -> LightGBMTrees:
        import lightgbm

        given = OneFile(path, looks_like_lightgbm, "lightgbm_text", signature)
        name, shown = given.name, given.shown
        checked = check_lightgbm(given.file, shown)
        objective = checked.objective.partition(" ")[0]
        found = given.signature or _inferred(checked, objective, shown)
        _check_task(checked, objective, found, shown)
        order = feature_order(
            checked.feature_names,
            len(checked.feature_names),
            checked.categorical,
            found,
            shown,
            spell=_spelt,
        )
        try:
            booster = lightgbm.Booster(model_str=checked.content)
        except lightgbm.basic.LightGBMError as error:
            what = visible(" ".join(str(error).split())[:160]).rstrip(".")
            raise BadInput(f"{shown} cannot be loaded by LightGBM {lightgbm.__version__}: {what}.") from error
        facts = given.facts(
            architecture=_in_words(checked),
            parameters=checked.leaves,
            weight_bytes=given.file.stat().st_size,
            dtype="float64",
            device="cpu",
        )
        model = LightGBMTrees(booster, checked.objective, found, facts, order, checked.leaf_depths)
        if given.signature is None:
            words = [checked.feature_names[place] for place in checked.categories]
            kinds = f", {', '.join(visible(word[:40]) for word in words[:6])} as categories" if words else ""
            model.notes.append(
                f"{name} came without a signature: its inputs are its feature names as plain numbers{kinds}, "
                f"its classes {', '.join(found.classes) or 'none'}; --signature says otherwise."
            )
        if objective == "multiclassova":
            model.notes.append(
                f"{name} scores each class by itself (multiclassova); its answers were divided by their sum."
            )
        return model


def _slope(objective: str) -> float:
    """What the sigmoid of a binary objective multiplies the sum with; 1 for others."""
    kind, _, rest = objective.partition(" ")
    said = dict(part.partition(":")[::2] for part in rest.split())
    return float(said.get("sigmoid") or 1) if kind == "binary" else 1.0


def _spelt(name: str) -> str:
    """LightGBM writes names without blanks."""
    return "_".join(name.split(" "))


def _inferred(checked: CheckedLightGBM, objective: str, name: str) -> ModelSignature:
    """Features are numbers, or categories where a data frame's were kept; classes "0", "1", ..."""
    unknown = [place for place in checked.categorical if place not in checked.categories]
    if unknown:
        feature = visible(checked.feature_names[unknown[0]])
        raise BadInput(
            f'{name} splits feature "{feature}" by category, and does not say what its codes mean. '
            'Put a signature.json beside it (or pass --signature) whose columns name the "categories" in the '
            'order of their codes, with "encoding": "code"; docs/formats.md shows one.'
        )
    columns = tuple(
        InputColumn(name=feature, kind="category", encoding="code", categories=checked.categories[place])
        if place in checked.categories
        else InputColumn(name=feature, kind="number", encoding="identity")
        for place, feature in enumerate(checked.feature_names)
    )
    if objective in _BINARY:
        return ModelSignature(task="binary", output="probability", classes=("0", "1"), columns=columns)
    if objective in _MULTICLASS:
        classes = tuple(str(place) for place in range(checked.num_class))
        task = "binary" if len(classes) == 2 else "multiclass"
        return ModelSignature.model_validate(
            {"task": task, "output": "probability", "classes": classes, "columns": columns}
        )
    return ModelSignature(task="regression", output="score", columns=columns)


def _check_task(checked: CheckedLightGBM, objective: str, signature: ModelSignature, name: str) -> None:
    """The signature and the objective must tell of the same outputs."""
    if objective not in (*_BINARY, *_MULTICLASS, *_REGRESSION):
        raise BadInput(
            f'{name} has the objective "{visible(objective[:60])}"; Assay audits trees trained for '
            f"{', '.join((*_BINARY, *_MULTICLASS, *_REGRESSION))}."
        )
    if signature.modality != "table":
        raise BadInput(f"{name}: trees read tables, its signature describes {signature.modality} data.")
    if objective in _REGRESSION:
        fits, needed = signature.task == "regression" and signature.output == "score", "regression with score"
    elif objective in _BINARY:
        fits, needed = signature.task == "binary", "binary"
    else:
        fits = len(signature.classes) == checked.num_class and signature.output in ("probability", "logit")
        needed = f"{checked.num_class} classes with probability or logit"
    if not fits:
        raise BadInput(
            f"{name}: the objective {objective} needs a signature of {needed}; its signature says "
            f"{signature.task}, {len(signature.classes)} classes, {signature.output}."
        )


def _in_words(checked: CheckedLightGBM) -> str:
    depth = max(int(depths.max()) for depths in checked.leaf_depths)
    return (
        f"LightGBM {visible(checked.objective)}: {len(checked.leaf_depths):,} trees, {checked.nodes:,} "
        "nodes, "
        f"depth at most {depth}"
    )


def _threads() -> int:
    told = os.environ.get("OMP_NUM_THREADS", "")
    return int(told) if told.isdigit() and int(told) else len(os.sched_getaffinity(0))


FORMAT = LightGBMText()
