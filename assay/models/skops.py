"""skops: a scikit-learn model or pipeline, alone or in a folder beside its signature.json."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from assay.contracts import Capability, FormatSpec, InputColumn, ModelFacts, ModelSignature
from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.model_files import the_file
from assay.intake.skops_file import CheckedSkops, check_skops, looks_like_skops
from assay.intake.skops_types import SEARCH_TREES, TRUSTED
from assay.models.base import Inputs, Model
from assay.models.encoding import TableEncoder, own_values, reads_words
from assay.models.one_file import OneFile
from assay.models.sklearn_checks import Unsound, check_estimators, fitted
from assay.models.sklearn_signature import feature_names, infer_signature

__all__ = ["FORMAT", "Skops", "SkopsModel"]


class SkopsModel(Model):
    """A fitted estimator.

    Args:
        names: the features as the estimator names them; None where it was fitted on arrays.
    """

    kind_capabilities: ClassVar[tuple[Capability, ...]] = ("query",)

    def __init__(self, estimator: Any, signature: ModelSignature, facts: ModelFacts) -> None:
        super().__init__(signature, facts)
        self.estimator = estimator
        self._names = feature_names(estimator)
        self._words = reads_words(signature.columns)
        self._encoder = None if self._words else TableEncoder(signature.columns)
        self._order = _order(estimator, signature, facts.name)
        known = [str(name) for name in getattr(estimator, "classes_", ())]
        same = set(known) == set(signature.classes) and tuple(known) != signature.classes
        self._classes = [known.index(name) for name in signature.classes] if same else None

    def _outputs(self, inputs: Inputs) -> npt.NDArray[np.float64]:
        with _quiet(self.facts.name):
            return self._answers(self._given(np.asarray(inputs, dtype=np.float64)))

    def _given(self, rows: npt.NDArray[np.float64]) -> Any:
        """Rows in original units as the estimator was fitted on them: a frame where it knows names."""
        if self._encoder is not None:
            columns = list(self._encoder.encode(rows, np.float64).T)
        else:
            columns = [
                own_values(column, rows[:, place]) for place, column in enumerate(self.signature.columns)
            ]
        columns = [columns[place] for place in self._order]
        if self._names is None:
            return np.stack(columns, axis=1) if columns else np.zeros((len(rows), 0))
        import pandas

        # words stay Python's own, and a missing one NaN, as frames of objects have it
        return pandas.DataFrame(
            {
                name: pandas.Series(values, dtype=object).where(pandas.notna(values), np.nan)
                if values.dtype == object
                else values
                for name, values in zip(self._names, columns, strict=True)
            }
        )

    def _answers(self, given: Any) -> npt.NDArray[np.float64]:
        estimator, output = self.estimator, self.signature.output
        if self.signature.task == "regression":
            return np.asarray(estimator.predict(given), dtype=np.float64).reshape(len(given), -1)
        if not hasattr(estimator, "classes_"):
            # outliers have negative decisions
            return -np.asarray(estimator.decision_function(given), dtype=np.float64).reshape(-1, 1)
        if output == "label":
            known = [str(name) for name in estimator.classes_]
            places = [known.index(str(label)) for label in estimator.predict(given)]
            return self._in_order(np.eye(len(known))[places])
        if output == "probability":
            return self._in_order(np.asarray(estimator.predict_proba(given), dtype=np.float64))
        found = np.asarray(estimator.decision_function(given), dtype=np.float64)
        found = found.reshape(len(given), -1)
        if output == "score":
            turned = self._classes is not None and found.shape[1] == 1
            return -found if turned else found[:, -1:]
        return self._in_order(np.hstack([np.zeros_like(found), found]) if found.shape[1] == 1 else found)

    def _in_order(self, found: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return found if self._classes is None else found[:, self._classes]


class Skops:
    """Arrays, numbers and the names of known classes; nothing in them can run."""

    spec = FormatSpec(
        id="skops",
        title="skops (scikit-learn)",
        recognised_by="a zip archive with schema.json, alone or in a folder beside signature.json",
        trust="A",
        modalities=("table",),
    )

    def recognise(self, path: Path) -> bool:
        return the_file(path, looks_like_skops) is not None

    def load(self, path: Path, signature: ModelSignature | None, device: str) -> SkopsModel:
        given = OneFile(path, looks_like_skops, "skops", signature)
        name, shown = given.name, given.shown
        checked = check_skops(given.file, shown)
        estimator = _opened(checked, shown)
        found = given.signature
        notes = _of_versions(checked, shown)
        if set(checked.replaced) & set(SEARCH_TREES):
            notes.append(
                f"{name}: neighbours are searched among all rows, not through the file's search tree."
            )
        if found is None:
            try:
                found, said = infer_signature(estimator)
            except ValueError as error:
                raise BadInput(f"{shown} {error}") from None
            notes.append(f"{name} came without a signature: {said} --signature says otherwise.")
        _check_task(estimator, found, shown)
        facts = given.facts(
            architecture=_in_words(estimator, checked.sklearn_version),
            parameters=checked.numbers,
            weight_bytes=checked.array_bytes,
            dtype="float64",
            device="cpu",
        )
        model = SkopsModel(estimator, found, facts)
        model.notes.extend(notes)
        return model


def _opened(checked: CheckedSkops, name: str) -> Any:
    """The estimator, told to stay in this process."""
    import skops.io

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = skops.io.load(io.BytesIO(checked.content), trusted=TRUSTED)
            check_estimators(found)
        except Unsound as error:
            raise BadInput(f"{name} is no sound model: {visible(str(error)[:300])}.") from None
        except Exception as error:  # whatever a class makes of attributes that are not its own
            what = visible(f"{type(error).__name__} {' '.join(str(error).split())[:160]}")
            raise BadInput(f"{name} cannot be opened by skops: {what}.{_hint(checked)}") from error
    return found


def _hint(checked: CheckedSkops) -> str:
    import sklearn

    if checked.sklearn_version in ("", sklearn.__version__):
        return ""
    return (
        f" It was written with scikit-learn {visible(checked.sklearn_version[:20])}, here is "
        f"{sklearn.__version__}:"
        " fit and save it with this one."
    )


def _of_versions(checked: CheckedSkops, name: str) -> list[str]:
    """A note where scikit-learn is another than that of the file. Raises BadInput: another major version."""
    import sklearn

    there, here = checked.sklearn_version[:20], str(sklearn.__version__)
    if not there or there.split(".")[:2] == here.split(".")[:2]:
        return []
    if there.split(".")[0] != here.split(".")[0]:
        raise BadInput(
            f"{name} was written with scikit-learn {visible(there)}, here is {here}; fit and save it "
            "with this one."
        )
    return [
        f"{name} was written with scikit-learn {visible(there)} and is opened with {here}, which does "
        "not promise to "
        "answer the same; compare a few answers."
    ]


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Warnings of the library are not ours; its errors are those of the rows or of the file."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            yield
        except (MemoryError, BadInput):
            raise
        except Exception as error:  # an estimator may raise anything about rows that it does not like
            what = " ".join(str(error).split())[:200].rstrip(". ") or type(error).__name__
            raise BadInput(f"{name} cannot answer these rows: {visible(what)}.") from error


def _check_task(estimator: Any, signature: ModelSignature, name: str) -> None:
    """The signature and the estimator must tell of the same outputs."""
    if signature.modality != "table":
        raise BadInput(f"{name} reads a table, its signature describes {signature.modality} data.")
    classes = getattr(estimator, "classes_", None)
    if classes is not None:
        fits = len(signature.classes) == len(classes) and signature.task in ("binary", "multiclass")
        needed = f"{len(classes)} classes"
        lacks = {"probability": "predict_proba", "logit": "decision_function", "score": "decision_function"}
        wanted = lacks.get(signature.output)
        if fits and wanted is not None and not hasattr(estimator, wanted):
            raise BadInput(
                f'{name} has no {wanted}, which "output": "{signature.output}" needs; write '
                '"output": "label" where it gives labels only.'
            )
        if fits and signature.output == "score" and signature.task != "binary":
            fits, needed = False, "several classes with probability, logit or label"
    elif hasattr(estimator, "decision_function"):
        fits, needed = signature.task == "binary" and signature.output == "score", "binary with score"
    else:
        fits = signature.task == "regression" and signature.output == "score"
        needed = "regression with score"
    if not fits:
        raise BadInput(
            f"{name} needs a signature of {needed}; its signature says {signature.task}, "
            f"{len(signature.classes)} classes, {signature.output}."
        )


def _order(estimator: Any, signature: ModelSignature, name: str) -> list[int]:
    """Which of the signature's encoded places each of the estimator's features is: by name, else as "
    "they stand."""
    if reads_words(signature.columns) and any(c.encoding == "one_hot" for c in signature.columns):
        raise BadInput(f'{name} cannot read words ("value") and places ("one_hot") both.')
    places = [feature for column in signature.columns for feature in _places(column)]
    names = feature_names(estimator)
    count = int(getattr(estimator, "n_features_in_", len(places)))
    if count != len(places):
        raise BadInput(f"{name} reads {count:,} features; its signature's columns become {len(places):,}.")
    if names is None:
        return list(range(count))
    if set(names) == set(places):
        return [places.index(feature) for feature in names]
    if all(column.encoding != "one_hot" for column in signature.columns):
        foreign = next(feature for feature in names if feature not in places)
        raise BadInput(
            f'{name} reads feature "{visible(foreign[:60])}", which its signature does not describe '
            f"({', '.join(visible(column.name) for column in signature.columns[:6])})."
        )
    return list(range(count))


def _places(column: InputColumn) -> list[str]:
    if column.encoding == "one_hot":
        return [f"{column.name}_{category}" for category in column.categories]
    return [column.name]


def _in_words(estimator: Any, version: str) -> str:
    steps = fitted(estimator)
    counts = {step: steps.count(step) for step in dict.fromkeys(steps)}
    listed = [step if count == 1 else f"{count:,} {step}" for step, count in counts.items()]
    more = f" and {len(listed) - 8} more kinds" if len(listed) > 8 else ""
    fitted_with = f", scikit-learn {visible(version[:20])}" if version else ""
    return f"{', '.join(listed[:8])}{more}{fitted_with}"


FORMAT = Skops()
