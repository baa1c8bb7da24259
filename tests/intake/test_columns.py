"""Kinds, groups, bins, clusters and identifiers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from assay.contracts import ColumnSummary
from assay.errors import BadInput
from tests.support import table_subject

LABEL = [0, 1] * 10


def _column(folder: Path, values: list[object], **request: object) -> ColumnSummary:
    rows = [i % 2 for i in range(len(values))]
    subject = table_subject(folder, {"label": rows, "x": values}, label="label", **request)
    return subject.profile.test.column("x")


def _refused(folder: Path, columns: dict[str, list[object]], **request: object) -> str:
    with pytest.raises(BadInput) as refusal:
        table_subject(folder, columns, **({"label": "label"} | request))
    return refusal.value.message


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2.5, None, "-3e2"], "number"),
        (["a", "b"] * 3, "category"),
        (["a", "b", "c", "d"], "text"),
        (["1", "2", "x", "x"] * 3, "category"),
        ([True, False, None, True, "TRUE"], "category"),
        ([None] * 4, "category"),
        (["long" * 100] * 4, "text"),
    ],
)
def test_kinds_follow_from_all_values(tmp_path: Path, values: list[object], kind: str) -> None:
    assert _column(tmp_path, values).kind == kind


def test_values_of_single_rows_never_stand_in_the_profile(tmp_path: Path) -> None:
    names = [f"person {i}" for i in range(20)]
    subject = table_subject(tmp_path, {"label": LABEL, "name": names}, label="label")
    assert "person 3" not in subject.profile.model_dump_json()


def test_numbers_are_summarised(tmp_path: Path) -> None:
    column = _column(tmp_path, [4, "4.0", -1, None])
    assert (column.minimum, column.maximum, column.missing, column.distinct) == (-1, 4, 1, 2)
    assert column.mean == pytest.approx(7 / 3)


def test_distinct_values_are_counted_up_to_the_limit(tmp_path: Path) -> None:
    assert _column(tmp_path, list(range(10_000))).distinct == 10_000
    assert _column(tmp_path, list(range(10_001))).distinct is None


@pytest.mark.parametrize("token", ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "?", " ? "])
def test_default_tokens_mean_missing(tmp_path: Path, token: str) -> None:
    column = _column(tmp_path, ["a", "a", token, "b", "b"], sensitive=("x",))
    assert (column.missing, column.categories) == (1, ("a", "b"))


def test_given_tokens_replace_the_default(tmp_path: Path) -> None:
    column = _column(tmp_path, ["a", "?", "-", "-"], sensitive=("x",), missing=("-",))
    assert (column.missing, column.categories) == (2, ("?", "a"))


def test_unknown_groups_are_noted_by_the_token(tmp_path: Path) -> None:
    columns = {"label": LABEL, "sex": ["F", "M", "?", "", "?"] * 4}
    notes = table_subject(tmp_path, columns, label="label", sensitive=("sex",)).profile.notes
    assert 'test.csv column "sex" (sensitive): 4 empty, 8 "?" read as unknown.' in notes


def test_groups_are_ordered_by_value_and_unified(tmp_path: Path) -> None:
    column = _column(tmp_path, ["10", "9", "9.0", "2"], sensitive=("x",))
    assert (column.categories, column.counts) == (("2", "9", "10"), (1, 2, 1))
    postcodes = _column(tmp_path, ["007", "7", "12", "12"], sensitive=("x",))
    assert postcodes.categories == ("007", "7", "12")


def test_bins_make_ordered_groups_closed_below(tmp_path: Path) -> None:
    values = [24, 24.9, 25, 59, 60, 61, None]
    subject = table_subject(
        tmp_path,
        {"label": [0, 1, 0, 1, 0, 1, 0], "age": values},
        label="label",
        sensitive=("age",),
        bins={"age": (25, 60)},
    )
    column = subject.profile.test.column("age")
    assert (column.categories, column.counts) == (("< 25", "25 to < 60", ">= 60"), (2, 2, 2))
    (batch,) = subject.dataset("test").batches(["age"])
    assert batch.codes("age").tolist() == [0, 0, 1, 1, 2, 2, -1]


def test_many_numbers_are_binned_although_they_are_no_groups(tmp_path: Path) -> None:
    columns = {"label": LABEL * 10, "income": [i * 1.5 for i in range(200)]}
    message = _refused(tmp_path, columns, sensitive=("income",))
    assert message == (
        'test.csv column "income" (sensitive) has 200 different values; an attribute needs at most '
        "100 groups. Bin it with --bins income=…, or name another column."
    )
    request = {"sensitive": ("income",), "bins": {"income": (10,)}}
    binned = table_subject(tmp_path, columns, label="label", **request).profile.test.column("income")
    assert binned.counts == (7, 193)


def test_many_words_are_refused_with_their_number(tmp_path: Path) -> None:
    columns = {"label": [i % 2 for i in range(12_000)], "town": [f"t{i}" for i in range(12_000)]}
    message = _refused(tmp_path, columns, sensitive=("town",))
    assert message.endswith(
        "has 12,000 different values; an attribute needs at most 100 groups. Name another column."
    )
    assert len(table_subject(tmp_path, columns, label="label").profile.test.columns) == 2


@pytest.mark.parametrize("cuts", [(), (60, 25), (25, 25), (float("nan"),)])
def test_bins_must_ascend(tmp_path: Path, cuts: tuple[float, ...]) -> None:
    from pydantic import ValidationError

    columns = {"label": LABEL, "age": list(range(20))}
    with pytest.raises((BadInput, ValidationError)):
        table_subject(tmp_path, columns, label="label", sensitive=("age",), bins={"age": cuts})


def test_words_cannot_be_binned(tmp_path: Path) -> None:
    columns = {"label": LABEL, "age": [*range(19), "old"]}
    message = _refused(tmp_path, columns, sensitive=("age",), bins={"age": (9,)})
    assert 'cannot be binned: "old" is no number' in message


@pytest.mark.parametrize("clusters", [7, 1_000, 1_001, 12_000])
def test_clusters_are_coded_one_code_a_value(tmp_path: Path, clusters: int) -> None:
    values = [f"household {i % clusters}" for i in range(2 * clusters)]
    rows = len(values)
    columns = {"label": [i % 2 for i in range(rows)], "home": [*values[:-1], None]}
    subject = table_subject(tmp_path, columns, label="label", cluster="home")
    column = subject.profile.test.column("home")
    assert (column.distinct, bool(column.categories)) == (clusters, clusters <= 1_000)
    codes = np.concatenate([b.codes("home") for b in subject.dataset("test").batches(["home"])])
    assert codes[-1] == -1
    assert (codes[:clusters].tolist(), len(set(codes[:clusters]))) == (
        [*codes[clusters:-1].tolist(), codes[clusters - 1]],
        clusters,
    )
    assert set(codes[:clusters]) == set(range(clusters))
    hashes = np.concatenate(
        [b.row_hashes(["home"]) for b in subject.dataset("test").batches(["home"], 0, clusters)]
    )
    assert len(set(hashes.tolist())) == clusters


def test_doubled_identifiers_are_refused_with_their_rows(tmp_path: Path) -> None:
    columns = {"label": LABEL, "id": [f"secret {i}" for i in range(18)] + ["secret 4", "secret 2"]}
    message = _refused(tmp_path, columns, identifier="id")
    assert message == (
        'test.csv column "id" (identifier) has 2 repeated value(s); the first, "secret 4", stands in '
        "data rows 5, 19. Each row needs its own."
    )
    assert "secret 2" not in message


def test_identifiers_are_kept_as_spelt_and_must_be_there(tmp_path: Path) -> None:
    columns = {"label": LABEL, "id": [f"{i:03}" for i in range(20)]}
    assert (
        table_subject(tmp_path, columns, label="label", identifier="id").profile.test.column("id").kind
        == "text"
    )
    gap = {"label": LABEL, "id": [*range(3), None, *range(3, 19)]}
    assert "missing in 1 row(s), first in data row 4" in _refused(tmp_path, gap, identifier="id")


def test_long_group_and_class_names_are_refused(tmp_path: Path) -> None:
    long = "x" * 201
    assert "201 characters" in _refused(tmp_path, {"label": [0, 1], "g": ["a", long]}, sensitive=("g",))
    assert "201 characters" in _refused(tmp_path, {"label": ["yes", long]})
