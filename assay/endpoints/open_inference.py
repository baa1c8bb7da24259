"""Open Inference Protocol v2: typed tensors in JSON, as KServe, Triton, MLServer and TorchServe speak it.

Source: https://github.com/kserve/open-inference-protocol, "Predict Protocol - Version 2", HTTP/REST.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from assay.contracts import EndpointRequest, ModelSignature
from assay.datasets.values import as_number
from assay.endpoints.caller import Caller
from assay.endpoints.labels import Answered, class_of, label_outputs
from assay.endpoints.tensor_data import FLOATS, INTEGERS, column_data, plain_data
from assay.errors import BadInput, EndpointFailed
from assay.models.base import Inputs
from assay.models.encoding import TableEncoder, reads_words

__all__ = ["OpenInference"]

_LARGEST = 3.5e38
"""What a float of 32 bits holds: squares of squares of it are still finite."""
_MOST = 64
"""Tensors of one model."""


class _Tensor(NamedTuple):
    name: str
    datatype: str
    shape: tuple[int, ...]


class OpenInference:
    """Asks one model by its metadata and its `infer`.

    Rows go as the one input tensor that the metadata lists (encoded by the signature), or as one tensor a
    column where the inputs are named as the signature's columns are (original values). A model's name may end
    in "/versions/V".
    """

    def __init__(self, request: EndpointRequest, signature: ModelSignature, caller: Caller) -> None:
        self._signature, self._caller = signature, caller
        name, _, version = request.model.partition("/versions/")
        pinned = f"/versions/{quote(version, safe='')}" if version else ""
        self._path = f"/v2/models/{quote(name, safe='')}{pinned}"
        # Words go column by column only, as they are.
        self._encoder = None if reads_words(signature.columns) else TableEncoder(signature.columns)
        self._inputs: tuple[_Tensor, ...] = ()
        self.rows_per_request = request.limits.batch_rows
        self.rounding = False
        """Whether rows are made up by a method: then fractions are rounded where integers are read."""
        self.answered_as: list[str] = []
        self.notes: list[str] = []

    def describe(self) -> None:
        """Ask for the metadata and settle how rows go. Raises BadInput where they do not fit it."""
        said = self._caller.get(self._path)
        listed = said.get("inputs") or []
        if not isinstance(listed, list) or len(listed) > _MOST * 16:
            raise EndpointFailed(f"{self._host} lists its inputs in no way that the protocol knows.")
        self._inputs = tuple(self._described(entry) for entry in listed)
        if not self._inputs:
            datatype = "BYTES" if self._signature.text is not None else "FP32"
            self._inputs = (_Tensor("input-0", datatype, ()),)
        self._check_inputs()
        whole = ", ".join(self._caller.shown(t.name, 40) for t in self._inputs if t.datatype in INTEGERS)
        if whole:
            self.notes = [
                f"The endpoint reads whole numbers ({whole}): a fraction that a method makes up is rounded "
                "there."
            ]

    def ask(self, inputs: Inputs) -> Answered:
        """Outputs of at most `rows_per_request` rows."""
        body = {"inputs": list(self._tensors(inputs))}
        said = self._caller.post(f"{self._path}/infer", body)
        self._note(said.get("model_name"), said.get("model_version"))
        listed = said.get("outputs")
        if not isinstance(listed, list) or not 0 < len(listed) <= _MOST:
            raise EndpointFailed(f"{self._host} answers without a list of outputs.")
        outputs = [self._output(entry, len(inputs)) for entry in listed]
        return self._read([found for found in outputs if found is not None], listed, len(inputs))

    @property
    def _host(self) -> str:
        return self._caller.place.name

    def _note(self, name: Any, version: Any) -> None:
        words = [self._caller.shown(part, 200) for part in (name, version) if isinstance(part, str | int)]
        shown = " version ".join(word for word in words if word)
        if shown and shown not in self.answered_as and len(self.answered_as) < 20:
            self.answered_as.append(shown)

    def _described(self, entry: Any) -> _Tensor:
        shape = entry.get("shape") if isinstance(entry, dict) else None
        if (
            not isinstance(entry, dict)
            or not isinstance(entry.get("name"), str)
            or not _is_shape(shape, free=True)
        ):
            raise EndpointFailed(f"{self._host} lists its inputs in no way that the protocol knows.")
        datatype = self._caller.shown(entry.get("datatype", ""), 10)
        return _Tensor(entry["name"], datatype, tuple(shape or ()))

    # --- rows to tensors

    def _by_column(self) -> bool:
        names = {column.name for column in self._signature.columns}
        return bool(names) and {tensor.name for tensor in self._inputs} == names

    def _check_inputs(self) -> None:
        shown = self._caller.shown
        listed = ", ".join(
            f'"{shown(t.name, 40)}" {shown(t.datatype, 10)} {list(t.shape)}' for t in self._inputs[:8]
        )
        if self._by_column():
            return
        if self._encoder is None:
            raise BadInput(
                f'The signature gives a column the encoding "value", but {self._host} reads {listed}, none '
                "of which is named as the columns are. Words go there as one tensor a column; for one tensor "
                'a row write "code" or "one_hot".'
            )
        if len(self._inputs) != 1:
            raise BadInput(
                f"{self._host} reads the tensors {listed}: neither one for the whole row nor one for each "
                "of the signature's columns, by name."
            )
        wanted = self._row_shape()
        given = self._inputs[0].shape[1:]
        fits = not self._inputs[0].shape or (
            len(given) == len(wanted) and all(g in (-1, w) for g, w in zip(given, wanted, strict=True))
        )
        if self._signature.text is not None:
            fits = self._inputs[0].datatype == "BYTES" and given in ((), (1,), (-1,))
        elif self._inputs[0].datatype not in (*FLOATS, *INTEGERS):
            fits = False
        if not fits:
            what = "a text" if self._signature.text is not None else f"{list(wanted)} numbers"
            raise BadInput(f"{self._host} reads {listed}; by the signature a row is {what}.")

    def _row_shape(self) -> tuple[int, ...]:
        image = self._signature.image
        if image is not None:
            return image.channels, image.height, image.width
        assert self._encoder is not None
        return (self._encoder.width,)

    def _tensors(self, inputs: Inputs) -> Iterator[dict[str, Any]]:
        if not isinstance(inputs, np.ndarray):
            deep = len(self._inputs[0].shape) == 2
            shape = [len(inputs), 1] if deep else [len(inputs)]
            yield {**_head(self._inputs[0], shape), "data": list(inputs)}
            return
        if self._by_column():
            by_name = {tensor.name: tensor for tensor in self._inputs}
            for place, column in enumerate(self._signature.columns):
                tensor = by_name[column.name]
                flat = len(tensor.shape) == 1
                shape = [len(inputs)] if flat else [len(inputs), 1]
                values = inputs[:, place]
                data = column_data(values, column, tensor.datatype, rounding=self.rounding)
                yield {**_head(tensor, shape), "data": data}
            return
        image = self._signature.image
        if image is None:
            assert self._encoder is not None
            encoded: npt.NDArray[Any] = self._encoder.encode(inputs)
        else:
            mean, scale = (np.reshape(v, (1, -1, 1, 1)) for v in (image.mean, image.scale))
            encoded = np.asarray((inputs - mean) / scale, dtype=np.float32)
        tensor = self._inputs[0]
        yield {
            **_head(tensor, [len(inputs), *self._row_shape()]),
            "data": plain_data(encoded.ravel(), tensor.datatype, "a row", rounding=self.rounding),
        }

    # --- tensors to outputs

    def _output(self, entry: Any, rows: int) -> tuple[str, str, list[Any]] | None:
        """Name, datatype and the flat data of an output that has a line for each row; None for others."""
        if not isinstance(entry, dict) or not isinstance(entry.get("data"), list):
            raise EndpointFailed(f"{self._host} answers with an output that has no data in JSON.")
        shape, data = entry.get("shape"), list(_flat(entry["data"], 8))
        if not isinstance(shape, list) or not _is_shape(shape) or math.prod(shape) != len(data):
            raise EndpointFailed(
                f"{self._host} answers with {len(data):,} values and the shape "
                f"{self._caller.shown(shape, 60)}."
            )
        if not shape or shape[0] != rows:
            return None
        return str(entry.get("name", "")), str(entry.get("datatype", "")), data

    def _read(self, outputs: Sequence[tuple[str, str, list[Any]]], listed: list[Any], rows: int) -> Answered:
        signature = self._signature
        if signature.output == "label":
            fitting = [o for o in outputs if len(o[2]) == rows and (o[1] == "BYTES" or o[1] in INTEGERS)]
            return self._labels(self._one(fitting, listed, "one label a row"))
        width = 1 if signature.output == "score" else len(signature.classes)
        widths = {width, 1} if width == 2 else {width}
        fitting = [o for o in outputs if o[1] in FLOATS and len(o[2]) in {rows * w for w in widths}]
        found = self._one(fitting, listed, f"{width} floating-point numbers a row")
        numbers = self._numbers(found).reshape(rows, -1)
        if width == 2 and numbers.shape[1] == 1:
            first = 1 - numbers if signature.output == "probability" else np.zeros_like(numbers)
            numbers = np.hstack([first, numbers])
        if signature.output == "probability" and (numbers.min() < -1e-6 or numbers.max() > 1 + 1e-6):
            raise BadInput(
                f"{self._host} answers with {numbers.min():.3g} to {numbers.max():.3g}, but the signature "
                'says probabilities. Write "output": "logit" or "score".'
            )
        return Answered(numbers, np.zeros(rows, dtype=bool))

    def _one(
        self, fitting: Sequence[tuple[str, str, list[Any]]], listed: list[Any], wanted: str
    ) -> tuple[str, str, list[Any]]:
        """The one output that fits; where several do, the one whose name says what it is."""
        if len(fitting) > 1:
            named = [o for o in fitting if _MARKS[self._signature.output] in o[0].lower()]
            fitting = named if len(named) == 1 else fitting
        if len(fitting) != 1:
            said = self._caller.shown
            shown = ", ".join(
                f'"{said(e.get("name"), 40)}" {said(e.get("datatype"), 10)} {said(e.get("shape"), 40)}'
                for e in listed[:8]
            )
            many = "more than one of them is" if fitting else "none of them is"
            raise BadInput(
                f"{self._host} answers with {shown}; by the signature the output is {wanted}, and {many}."
            )
        return fitting[0]

    def _numbers(self, found: tuple[str, str, list[Any]]) -> npt.NDArray[np.float64]:
        if not all(type(value) in (int, float) and abs(value) <= _LARGEST for value in found[2]):
            raise EndpointFailed(
                f"{self._host} answers with something that is no finite number of at most {_LARGEST:g} in "
                f'"{self._caller.shown(found[0], 40)}".'
            )
        return np.array(found[2], dtype=np.float64)

    def _labels(self, found: tuple[str, str, list[Any]]) -> Answered:
        """Labels as texts, or as numbers: the classes' own names where those are numbers, else places."""
        classes = self._signature.classes
        codes: list[int | None] = []
        numbered = all(as_number(name) is not None for name in classes)
        for value in found[2]:
            if isinstance(value, str) or (type(value) is int and numbered):
                code = class_of(str(value), classes)
            else:
                code = value if type(value) is int and 0 <= value < len(classes) else None
            if code is None:
                raise BadInput(
                    f'{self._host} answers with the label "{self._caller.shown(value, 60)}", which is none '
                    "of the signature's classes."
                )
            codes.append(code)
        return Answered(label_outputs(codes, self._signature), np.zeros(len(codes), dtype=bool))


_MARKS: Mapping[str, str] = {"probability": "prob", "logit": "logit", "score": "score", "label": "label"}


def _head(tensor: _Tensor, shape: list[int]) -> dict[str, Any]:
    return {"name": tensor.name, "shape": shape, "datatype": tensor.datatype}


def _is_shape(shape: Any, *, free: bool = False) -> bool:
    least = -1 if free else 0
    return (
        isinstance(shape, list)
        and len(shape) <= 8
        and all(type(size) is int and least <= size <= 2**31 for size in shape)
    )


def _flat(data: Sequence[Any], depth: int) -> Iterator[Any]:
    """Nested lists row by row; lists below `depth` stay lists, which no check takes for a value."""
    for value in data:
        if isinstance(value, list) and depth:
            yield from _flat(value, depth - 1)
        else:
            yield value
