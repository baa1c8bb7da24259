"""A signature that people give: read, and what is wrong with it in words, field by field."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from assay.contracts import InputColumn, ModelSignature
from assay.errors import BadInput

__all__ = ["Problem", "checked_signature", "problems_of", "read_document"]

MOST_DOCUMENT = 4 * 2**20
"""Characters of a signature.json."""
_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is no field of a signature",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be one of {expected}",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_type": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "string_type": "must be text",
    "tuple_type": "must be a list",
    "bool_parsing": "must be true or false",
    "model_type": "must be an object",
    "string_too_long": "has more than {max_length} characters",
}


class Problem(NamedTuple):
    """What is wrong where; `field` is a path such as columns.2.scale, or empty."""

    field: str
    words: str


def read_document(text: str) -> Any:
    """The JSON of a signature.json. Raises BadInput: too long, not JSON, no object."""
    if len(text) > MOST_DOCUMENT:
        raise BadInput(f"A signature has at most {MOST_DOCUMENT:,} characters; this one has {len(text):,}.")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"This is not JSON: {str(error)[:160]}.") from None
    if not isinstance(found, dict):
        raise BadInput("A signature is a JSON object, as in signature.json.")
    return found


def checked_signature(said: Mapping[str, Any]) -> ModelSignature:
    """The signature. Raises BadInput with the first thing that is wrong."""
    found = problems_of(said)
    if found:
        where = f"{found[0].field}: " if found[0].field else ""
        raise BadInput(f"{where}{found[0].words}")
    return ModelSignature.model_validate(said)


def problems_of(said: Mapping[str, Any]) -> list[Problem]:
    """Everything that is wrong with a signature; empty for a sound one."""
    try:
        return list(_odd(ModelSignature.model_validate(said)))
    except ValidationError as error:
        return [_problem(each) for each in error.errors()]


def _problem(error: Any) -> Problem:
    field = ".".join(str(part) for part in error["loc"])
    if error["type"] == "value_error":
        words = str(error["msg"]).removeprefix("Value error, ")
        return Problem(field, words[:1].upper() + words[1:] + ".")
    words = _WORDS.get(error["type"], "").format_map(_Safe(error.get("ctx") or {}))
    return Problem(field, f"This {words}." if words else f"{error['msg']}.")


class _Safe(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "…"


def _odd(found: ModelSignature) -> Iterator[Problem]:
    """What a sound document says that no model means."""
    if twice := _twice(found.classes):
        yield Problem("classes", f'The class "{twice}" stands twice; each output has a class of its own.')
    if any(not name.strip() for name in found.classes):
        yield Problem("classes", "A class has no name; give each output one.")
    if found.favourable is not None and found.favourable not in found.classes:
        listed = ", ".join(f'"{name}"' for name in found.classes[:6])
        yield Problem("favourable", f'"{found.favourable}" is none of the classes {listed}.')
    elif found.task == "binary" and found.favourable not in (None, found.classes[1]):
        yield Problem(
            "favourable",
            f'In a binary model the second class is the one that is counted, here "{found.classes[1]}". '
            "Name that one; or, where the outputs mean it the other way round, swap the two classes.",
        )
    if found.threshold is not None:
        if found.task != "binary":
            yield Problem("threshold", "Only a model of two classes has a threshold; leave it empty.")
        elif found.output in ("logit", "probability") and not 0 <= found.threshold <= 1:
            yield Problem("threshold", "It is compared with a probability, so it lies between 0 and 1.")
    if found.output == "label" and found.task == "regression":
        yield Problem("output", "A model that predicts numbers gives a score.")
    if (found.task == "regression") != (not found.classes) and found.task in ("regression", "multiclass"):
        yield Problem("classes", "A model that predicts a number has no classes; leave them out.")
    if twice := _twice([column.name for column in found.columns]):
        yield Problem("columns", f'Two columns are called "{twice}"; each has a name of its own.')
    for place, column in enumerate(found.columns):
        yield from _odd_column(f"columns.{place}", column)


def _odd_column(where: str, column: InputColumn) -> Iterator[Problem]:
    if not column.name.strip():
        yield Problem(f"{where}.name", "A column needs the name that it has in the data.")
    if column.kind == "category" and not column.categories:
        yield Problem(
            f"{where}.categories",
            "List the values of the column, in the order in which the model codes them.",
        )
    if twice := _twice(column.categories):
        yield Problem(f"{where}.categories", f'The value "{twice}" stands twice.')
    if column.kind == "number" and column.categories:
        yield Problem(f"{where}.categories", "A number has no list of values; leave it empty.")
    if column.minimum is not None and column.maximum is not None and column.minimum > column.maximum:
        yield Problem(f"{where}.minimum", "The smallest value is above the largest.")


def _twice(names: Any) -> str | None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return str(name)
        seen.add(name)
    return None
