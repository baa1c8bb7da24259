"""Numbers and words as the data of a tensor in JSON, by the datatypes of the Open Inference Protocol."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.contracts import InputColumn
from assay.datasets.values import as_number
from assay.errors import BadInput

__all__ = ["FLOATS", "INTEGERS", "column_data", "plain_data"]

FLOATS = ("FP16", "FP32", "FP64")
INTEGERS = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")


def column_data(
    values: npt.NDArray[np.float64], column: InputColumn, datatype: str, *, rounding: bool = False
) -> list[Any]:
    """One column's original values, a category by its name; see `plain_data`."""
    where = f'column "{column.name}"'
    if column.kind == "category":
        names = ["" if math.isnan(code) else column.categories[int(code)] for code in values]
        if datatype == "BYTES":
            return names
        numbers = [as_number(name) for name in names]
        if any(number is None for number in numbers):
            raise BadInput(
                f'Column "{column.name}" holds categories, but the endpoint reads {datatype} there.'
            )
        return plain_data(np.array(numbers, dtype=np.float64), datatype, where)
    filled = np.where(np.isnan(values), column.mean, values) if column.encoding == "standard" else values
    if datatype == "BYTES":
        return ["" if math.isnan(value) else f"{value:.17g}" for value in filled]
    return plain_data(filled, datatype, where, rounding=rounding)


def plain_data(values: npt.NDArray[Any], datatype: str, where: str, *, rounding: bool = False) -> list[Any]:
    """Numbers as JSON has them, all of which the datatype holds.

    Args:
        rounding: take the nearest whole number that an integer's datatype holds for any other number.

    Raises:
        BadInput: missing numbers, fractions where integers are read, numbers beyond the datatype's range.
    """
    if not np.isfinite(values).all():
        raise BadInput(
            f"A missing number in {where} cannot be sent: the protocol has no word for it. Encode the column "
            "as standard, so that its mean stands there, or fill the gaps in the data."
        )
    if datatype not in (*FLOATS, *INTEGERS):
        raise BadInput(f"The endpoint reads {datatype} in {where}, which is none of the numbers Assay sends.")
    values = np.asarray(values, dtype=np.float64)
    low, high = _range(datatype)
    if datatype in INTEGERS and rounding:
        values = np.clip(np.round(values), low, high)
    elif datatype in INTEGERS and (values != np.round(values)).any():
        raise BadInput(f"The endpoint reads {datatype} in {where}, but a value there is no whole number.")
    beyond = values[(values < low) | (values > high)]
    if beyond.size:
        raise BadInput(
            f"The endpoint reads {datatype} in {where}, which holds {low:.6g} to {high:.6g}; {beyond[0]:.6g} "
            "is beyond."
        )
    return list(values.tolist()) if datatype in FLOATS else [int(value) for value in values]


def _range(datatype: str) -> tuple[float, float]:
    """Smallest and largest number of a datatype that a float of 64 bits holds as well."""
    if datatype in FLOATS:
        largest = float(np.finfo(f"float{datatype[2:]}").max)
        return -largest, largest
    found = np.iinfo(datatype.lower())
    high = float(found.max)
    return float(found.min), high if int(high) <= found.max else float(np.nextafter(high, 0))
