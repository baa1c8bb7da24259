"""xgboost_json: a model.json or model.ubj of trees, alone or in a folder beside its signature.json."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from assay.contracts import Capability, FormatSpec, InputColumn, ModelFacts, ModelSignature
from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.model_files import the_file
from assay.intake.xgboost_trees import CheckedTrees, check_xgboost, looks_like_xgboost
from assay.models.base import Inputs, Model
from assay.models.encoding import TableEncoder
from assay.models.feature_order import feature_order
from assay.models.one_file import OneFile

if TYPE_CHECKING:
    import xgboost

__all__ = ["FORMAT", "TreeEnsemble", "XGBoostJson"]

_BINARY = ("binary:logistic", "binary:logitraw")
_MULTICLASS = ("multi:softprob", "multi:softmax")
_REGRESSION = (
    *("reg:squarederror", "reg:squaredlogerror", "reg:logistic", "reg:pseudohubererror"),
    *("reg:absoluteerror", "reg:gamma", "reg:tweedie", "count:poisson", "reg:linear"),
)


class TreeEnsemble(Model):
    """Gradient-boosted trees. `booster` is the library's own object, for methods that walk the trees.

    Args:
        order: encoded place of each of the booster's features.
    """

    kind_capabilities: ClassVar[tuple[Capability, ...]] = ("query", "weights")

    def __init__(
        self,
        booster: xgboost.Booster,
        objective: str,
        signature: ModelSignature,
        facts: ModelFacts,
        order: npt.NDArray[np.int64],
        categorical: tuple[int, ...] = (),
        *,
        batch_rows: int = 1024,
    ) -> None:
        super().__init__(signature, facts, batch_rows=batch_rows)
        self.booster = booster
        self.objective = objective
        self.encoder = TableEncoder(signature.columns)
        self._order = order
        self._kinds = ["c" if place in categorical else "q" for place in range(len(order))]

    @property
    def feature_columns(self) -> npt.NDArray[np.int64]:
        """Which of the signature's columns each of the booster's features belongs to, (features,)."""
        widths = [column.width for column in self.signature.columns]
        return np.repeat(np.arange(len(widths)), widths)[self._order]

    def encode(self, inputs: Inputs) -> npt.NDArray[np.float32]:
        """(rows, columns) of original values -> float32 (rows, features) in the booster's order."""
        return self.encoder.encode(np.asarray(inputs))[:, self._order]

    def margins(self, encoded: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Sums over the trees, (rows, 1) or (rows, classes), before any link function."""
        return self._predict(encoded, margin=True)

    def _predict(self, encoded: npt.NDArray[np.float32], *, margin: bool) -> npt.NDArray[np.float64]:
        import xgboost

        if self.device == "cpu" and "c" not in self._kinds:
            found = self.booster.inplace_predict(
                encoded, predict_type="margin" if margin else "value", validate_features=False
            )
        else:
            matrix = xgboost.DMatrix(encoded, feature_types=self._kinds, enable_categorical=True)
            found = self.booster.predict(matrix, output_margin=margin, validate_features=False)
        return np.asarray(found, dtype=np.float64).reshape(len(encoded), -1)

    def _outputs(self, inputs: Inputs) -> npt.NDArray[np.float64]:
        encoded = self.encode(inputs)
        if self.signature.output == "score":
            return self._predict(encoded, margin=False)
        margins = self.margins(encoded)
        if margins.shape[1] == 1:
            margins = np.hstack([np.zeros_like(margins), margins])
        if self.signature.output == "logit":
            return margins
        powers = np.exp(margins - margins.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))


class XGBoostJson:
    """Trees are numbers; nothing in them can run."""

    spec = FormatSpec(
        id="xgboost_json",
        title="XGBoost JSON or UBJSON",
        recognised_by='JSON or UBJSON with "learner" and "version", alone or beside signature.json',
        trust="A",
        modalities=("table",),
    )

    def recognise(self, path: Path) -> bool:
        return the_file(path, looks_like_xgboost) is not None

    def load(self, path: Path, signature: ModelSignature | None, device: str) -> TreeEnsemble:
        import xgboost

        given = OneFile(path, looks_like_xgboost, "xgboost_json", signature)
        shown = given.shown
        checked = check_xgboost(given.file, shown)
        found = given.signature or _inferred(checked, shown)
        _check_task(checked, found, shown)
        order = feature_order(checked.feature_names, checked.num_feature, checked.categorical, found, shown)
        try:
            booster = xgboost.Booster()
            booster.load_model(bytearray(checked.content))
            booster, notes = _up_to_the_best(booster, checked)
            booster.set_param({"device": device})
            rounds = booster.num_boosted_rounds()  # asks the library to read the rest
        except xgboost.core.XGBoostError as error:
            raise BadInput(
                f"{shown} cannot be loaded by XGBoost {xgboost.__version__}: {_first(error)}."
            ) from error
        facts = given.facts(
            architecture=_in_words(checked, rounds),
            parameters=checked.leaves,
            weight_bytes=given.file.stat().st_size,
            dtype="float32",
            device=device,
        )
        model = TreeEnsemble(booster, checked.objective, found, facts, order, checked.categorical)
        model.notes.extend(notes)
        if given.signature is None:
            model.notes.append(
                f"{given.name} came without a signature: its inputs are its feature names as plain numbers, "
                f"its classes {', '.join(found.classes) or 'none'}; --signature says otherwise."
            )
        return model


def _inferred(checked: CheckedTrees, name: str) -> ModelSignature:
    """Every feature a plain number, classes "0", "1", ... from the objective."""
    if checked.categorical:
        feature = checked.categorical[0]
        shown = checked.feature_names[feature] if checked.feature_names else f"f{feature}"
        raise BadInput(
            f'{name} splits feature "{visible(shown)}" by category; what its codes mean is not read. '
            'Put a signature.json beside it (or pass --signature) whose columns name the "categories" in the '
            'order of their codes, with "encoding": "code"; docs/formats.md shows one.'
        )
    names = checked.feature_names or tuple(f"f{place}" for place in range(checked.num_feature))
    columns = tuple(InputColumn(name=feature, kind="number", encoding="identity") for feature in names)
    if checked.objective in _BINARY:
        return ModelSignature(task="binary", output="probability", classes=("0", "1"), columns=columns)
    if checked.objective in _MULTICLASS:
        classes = tuple(str(place) for place in range(checked.num_class))
        task = "binary" if len(classes) == 2 else "multiclass"
        return ModelSignature.model_validate(
            {"task": task, "output": "probability", "classes": classes, "columns": columns}
        )
    return ModelSignature(task="regression", output="score", columns=columns)


def _check_task(checked: CheckedTrees, signature: ModelSignature, name: str) -> None:
    """The signature and the objective must tell of the same outputs."""
    objective = checked.objective
    if objective not in (*_BINARY, *_MULTICLASS, *_REGRESSION):
        raise BadInput(
            f'{name} has the objective "{visible(objective[:60])}"; Assay audits trees trained for '
            f"{', '.join((*_BINARY, *_MULTICLASS))} and {', '.join(_REGRESSION)}."
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


def _up_to_the_best(booster: xgboost.Booster, checked: CheckedTrees) -> tuple[xgboost.Booster, list[str]]:
    """Early stopping: XGBoost's classifiers answer with the trees up to the best round; so does Assay."""
    text = checked.attributes.get("best_iteration", "")
    rounds = booster.num_boosted_rounds()
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) + 1 >= rounds:
        return booster, []
    kept = int(text) + 1
    return booster[:kept], [
        f"The model stopped early: its first {kept:,} of {rounds:,} boosting rounds answer, as XGBoost's "
        "own classifiers do."
    ]


def _in_words(checked: CheckedTrees, rounds: int) -> str:
    return (
        f"{checked.booster} {checked.objective}: {checked.trees:,} trees, {checked.nodes:,} nodes, depth at "
        f"most {checked.depth}, {rounds:,} rounds"
    )


def _first(error: Exception) -> str:
    """The sentence in a message of the library, without its place in its source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    line = lines[0] if lines else type(error).__name__
    _, _, after = line.partition(": ")
    return visible((after or line)[:160]).rstrip(".")


FORMAT = XGBoostJson()
