"""How an ONNX model takes its rows: one matrix, one input a column, or pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.contracts import ImageInput, InputColumn, ModelSignature
from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.onnx_graph import CheckedOnnx, OnnxValue
from assay.models.base import Inputs
from assay.models.encoding import TableEncoder, own_values, reads_words

__all__ = ["Layout", "layout_of"]

_MAX_FIXED = 65_536
_TOKENS = ("input_ids", "attention_mask", "token_type_ids", "decoder_input_ids", "tokens")
_DTYPES: Mapping[str, Any] = {
    "float": np.float32,
    "double": np.float64,
    "float16": np.float16,
    "int64": np.int64,
    "int32": np.int32,
    "int16": np.int16,
    "int8": np.int8,
    "uint8": np.uint8,
    "uint16": np.uint16,
    "uint32": np.uint32,
    "uint64": np.uint64,
    "bool": np.bool_,
    "string": np.object_,
}
_FLOATS = ("float", "double", "float16")


@dataclass(frozen=True)
class Layout:
    """Attributes:
    values: the model's inputs.
    kind: `matrix` (rows, features), `columns` (one input each, of one number or word a row) or `images`.
    batch: rows that the model takes at once, neither more nor less; None where it takes any number.
    """

    values: tuple[OnnxValue, ...]
    kind: str
    batch: int | None

    @property
    def features(self) -> int | None:
        """Columns of the matrix, or inputs; None where the model does not say."""
        if self.kind == "columns":
            return len(self.values)
        shape = self.values[0].shape
        return shape[1] if shape is not None and len(shape) == 2 else None

    def inferred(self, name: str) -> tuple[tuple[InputColumn, ...], ImageInput | None]:
        """Columns, or image, as far as the model says. Raises BadInput: it does not say enough."""
        first = self.values[0]
        if self.kind == "images":
            assert first.shape is not None
            sizes = first.shape[1:]
            if None in sizes or not 1 <= (sizes[0] or 0) <= 4:
                raise BadInput(
                    f'{name} reads pictures through "{visible(first.name[:60])}" of the shape '
                    f"{_shape(first)}; "
                    'a signature.json must say their size: "image": {"channels", "height", "width"} '
                    "(docs/models.md)."
                )
            return (), ImageInput.model_validate(
                dict(zip(("channels", "height", "width"), sizes, strict=True))
            )
        words = [value.name for value in self.values if value.element == "string"]
        if words:
            raise BadInput(
                f'{name} reads words through "{visible(words[0][:60])}", and does not say which there '
                "are. Put a "
                "signature.json beside it (or pass --signature) whose columns have the names of its inputs, "
                'with "encoding": "value" and the "categories" for words; docs/formats.md shows one.'
            )
        if self.features is None:
            raise BadInput(
                f'{name} reads "{visible(first.name[:60])}" of the shape {_shape(first)}; a '
                "signature.json must "
                "name its columns (docs/models.md)."
            )
        names = (
            [value.name for value in self.values]
            if self.kind == "columns"
            else [f"f{place}" for place in range(self.features)]
        )
        elements = [value.element for value in self.values] * (1 if self.kind == "columns" else len(names))
        return tuple(
            InputColumn(name=column, kind="number", encoding="identity", integer=element not in _FLOATS)
            for column, element in zip(names, elements, strict=True)
        ), None

    def check(self, signature: ModelSignature, name: str) -> None:
        """Raises BadInput: a signature of other inputs than the model's."""
        if self.kind == "images":
            if signature.image is None:
                raise BadInput(f"{name} reads pictures; its signature describes {signature.modality} data.")
            shape = self.values[0].shape or ()
            told = (signature.image.channels, signature.image.height, signature.image.width)
            if any(size not in (None, said) for size, said in zip(shape[1:], told, strict=True)):
                raise BadInput(
                    f"{name} reads pictures of {_shape(self.values[0])}; its signature says "
                    f"{' × '.join(map(str, told))}."
                )
            return
        if signature.modality != "table":
            raise BadInput(
                f"{name} reads the columns of a table; its signature describes {signature.modality} data."
            )
        if self.kind == "columns":
            self._check_columns(signature, name)
            return
        words = self.values[0].element == "string"
        if reads_words(signature.columns) and not (
            words and all(column.encoding == "value" for column in signature.columns)
        ):
            raise BadInput(
                f'{name} takes all its columns as one array of {self.values[0].element} values; "encoding": '
                '"value" is for columns that it takes as words.'
            )
        width = sum(column.width for column in signature.columns)
        if self.features not in (None, width):
            raise BadInput(
                f"{name} reads {self.features:,} numbers a row; its signature's columns become {width:,}."
            )

    def _check_columns(self, signature: ModelSignature, name: str) -> None:
        described = {column.name: column for column in signature.columns}
        for value in self.values:
            column = described.pop(value.name, None)
            if column is None:
                raise BadInput(
                    f'{name} reads "{visible(value.name[:60])}", which its signature does not describe '
                    f"({', '.join(visible(c.name) for c in signature.columns[:6])})."
                )
            if column.encoding == "one_hot" or (column.encoding == "value") != (value.element == "string"):
                raise BadInput(
                    f'{name} takes "{visible(value.name[:60])}" as {value.element}; the signature\'s '
                    "encoding "
                    f'"{column.encoding}" does not fit: words are "value", others one number a row.'
                )
        if described:
            raise BadInput(
                f'{name} does not read the signature\'s column "{visible(next(iter(described)))}".'
            )

    def feed(self, inputs: Inputs, signature: ModelSignature) -> dict[str, npt.NDArray[Any]]:
        """Rows in original units -> what the session is given."""
        first = self.values[0]
        if self.kind == "images":
            assert signature.image is not None
            mean = np.asarray(signature.image.mean, dtype=np.float32).reshape(1, -1, 1, 1)
            scale = np.asarray(signature.image.scale, dtype=np.float32).reshape(1, -1, 1, 1)
            pictures = (np.asarray(inputs, dtype=np.float32) - mean) / scale
            return {first.name: pictures.astype(_DTYPES[first.element])}
        rows = np.asarray(inputs, dtype=np.float64)
        if self.kind == "matrix" and first.element != "string":
            found = TableEncoder(signature.columns).encode(rows, np.float64)
            return {first.name: _as_element(found, first)}
        columns = {
            column.name: own_values(column, rows[:, place]) for place, column in enumerate(signature.columns)
        }
        if self.kind == "matrix":
            return {first.name: np.stack([_words(values) for values in columns.values()], axis=1)}
        fed = {}
        for value in self.values:
            held = columns[value.name]
            array = _words(held) if value.element == "string" else _as_element(held, value)
            fed[value.name] = array if len(value.shape or (0, 1)) == 1 else array[:, None]
        return fed


def layout_of(checked: CheckedOnnx, name: str) -> Layout:
    """How `checked` takes its rows. Raises BadInput: token ids, sequences, several matrices."""
    values = checked.inputs
    if not values:
        raise BadInput(f"{name} has no input, so that its answers depend on nothing.")
    tokens = [value.name for value in values if value.name.lower() in _TOKENS]
    if tokens:
        raise BadInput(
            f'{name} reads token ids through "{visible(tokens[0])}", and has no tokenizer. Save the '
            "model with its "
            "tokenizer as a folder instead (save_pretrained), which Assay reads."
        )
    for value in values:
        if value.element not in _DTYPES:
            raise BadInput(
                f'{name} takes "{visible(value.name[:60])}" as {value.element}, which is not read.'
            )
    batch = _batch(values, name)
    ranks = [None if value.shape is None else len(value.shape) for value in values]
    first = values[0]
    single = [
        value.shape is not None and (len(value.shape) == 1 or value.shape[1:] == (1,)) for value in values
    ]
    if all(single):
        return Layout(values, "columns", batch)
    if len(values) == 1 and ranks[0] in (None, 2):
        return Layout(values, "matrix", batch)
    if len(values) == 1 and ranks[0] == 4 and first.element in _FLOATS:
        return Layout(values, "images", batch)
    shown = ", ".join(f'"{visible(value.name[:30])}" {_shape(value)}' for value in values[:4])
    raise BadInput(
        f"{name} reads {shown}; what is audited takes one array (rows, features), one input a column, or "
        "pictures "
        "(rows, channels, height, width)."
    )


def _batch(values: tuple[OnnxValue, ...], name: str) -> int | None:
    fixed = {value.shape[0] for value in values if value.shape}
    if fixed == {None} or not fixed:
        return None
    if len(fixed) > 1:
        raise BadInput(f"{name} takes different numbers of rows through its inputs.")
    batch = fixed.pop()
    if batch is not None and batch > _MAX_FIXED:
        raise BadInput(f"{name} takes {batch:,} rows at once; at most {_MAX_FIXED:,} are given.")
    return batch


def _as_element(found: npt.NDArray[Any], value: OnnxValue) -> npt.NDArray[Any]:
    dtype = _DTYPES[value.element]
    if value.element in _FLOATS:
        return found.astype(dtype)
    if not np.isfinite(found).all():
        raise BadInput(
            f'The model takes "{visible(value.name[:60])}" as whole numbers ({value.element}), and the '
            "data has rows "
            "where a value is missing or unknown; fill them in."
        )
    return np.asarray(np.rint(found), dtype=dtype)


def _words(values: npt.NDArray[Any]) -> npt.NDArray[np.object_]:
    """Words as onnxruntime takes them: a missing one is empty."""
    return np.array(["" if word is None else word for word in values], dtype=object)


def _shape(value: OnnxValue) -> str:
    if value.shape is None:
        return "(any)"
    return f"({' × '.join('any' if size is None else str(size) for size in value.shape)})"
