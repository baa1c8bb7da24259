"""Which of a signature's columns each feature of a tree ensemble is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
import numpy.typing as npt

from assay.contracts import InputColumn, ModelSignature
from assay.datasets.values import visible
from assay.errors import BadInput

__all__ = ["feature_order"]


def feature_order(
    names: Sequence[str],
    count: int,
    categorical: Collection[int],
    signature: ModelSignature,
    shown: str,
    spell: Callable[[str], str] = str,
) -> npt.NDArray[np.int64]:
    """Encoded place of each feature: by name where the names say so, else as the columns stand.

    Args:
        names: of the features; empty where the model has none.
        categorical: features that trees split by category.
        shown: how messages call the model.
        spell: how the model writes a name, where it cannot keep every character.

    Raises BadInput: another number of features, a feature that no column describes, a category without codes.
    """
    places: dict[str, int] = {}
    kinds: list[InputColumn] = []
    for column in signature.columns:
        features = (
            [f"{column.name}_{category}" for category in column.categories]
            if column.encoding == "one_hot"
            else [column.name]
        )
        for feature in features:
            places[spell(feature)] = len(kinds)
            kinds.append(column)
    if len(kinds) != count:
        raise BadInput(f"{shown} reads {count:,} features; its signature's columns become {len(kinds):,}.")
    if names and set(names) == set(places):
        order = np.array([places[feature] for feature in names], dtype=np.int64)
    else:
        foreign = [feature for feature in names if feature not in places]
        if foreign and all(column.encoding != "one_hot" for column in signature.columns):
            raise BadInput(
                f'{shown} reads feature "{visible(foreign[0][:60])}", which its signature does not describe '
                f"({', '.join(column.name for column in signature.columns[:6])})."
            )
        order = np.arange(len(kinds), dtype=np.int64)
    for split, place in enumerate(order):
        if split in categorical and kinds[place].encoding != "code":
            raise BadInput(
                f'{shown} splits column "{kinds[place].name}" by category; its signature must give it '
                '"encoding": "code" and the categories in the order of their codes.'
            )
    return order
