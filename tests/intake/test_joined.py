"""Columns joined by id: what is found, what is not, and that no id is taken for another."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.contracts import DataRequest, FileRequest, Profile
from assay.datasets.subject import Subject
from assay.errors import BadInput
from assay.intake import lookup
from assay.intake.describe import describe_data
from assay.intake.lookup import Lookup, Wanted
from assay.intake.source import Pixels, open_source
from assay.intake.table import take_in
from tests.support import write_csv

DATA = {
    "id": [f"P{i}" for i in range(12)],
    "y": [0, 1] * 6,
    "p": [0, 0, 1, 1] * 3,
    "x": list(range(12)),
}
PEOPLE = {"id": [f"P{i}" for i in range(11, 1, -1)], "sex": ["f", "m"] * 5, "race": ["a"] * 4 + ["b"] * 6}


def _file(path: Path, columns: dict[str, Any]) -> FileRequest:
    return FileRequest(path=str(write_csv(path, columns)))


def _joined(folder: Path, data: dict[str, Any], people: dict[str, Any], **request: Any) -> Subject:
    said = {"identifier": "id", "label": "y", "predictions": "p", **request}
    return take_in(
        DataRequest(
            test=_file(folder / "data.csv", data), attributes=_file(folder / "people.csv", people), **said
        ),
        folder,
    )


def _values(subject: Subject, name: str) -> list[str]:
    return [text for batch in subject.dataset("test").batches([name]) for text in batch.texts(name)]


def test_attributes_are_found_by_id_in_whatever_order_they_stand(tmp_path: Path) -> None:
    subject = _joined(tmp_path, DATA, PEOPLE)
    found = dict(zip(PEOPLE["id"], PEOPLE["sex"], strict=True))
    assert _values(subject, "sex") == [found.get(key, "") for key in DATA["id"]]
    assert subject.profile.roles.sensitive == ("sex", "race")
    assert subject.profile.roles.features == ("x",)
    (joined,) = subject.profile.test.joined
    assert (joined.name, joined.rows, joined.unmatched, joined.columns) == (
        "people.csv",
        10,
        2,
        ("sex", "race"),
    )
    assert any("2 (16.67%) were not found" in note for note in subject.profile.notes)


def test_no_id_is_kept_in_the_profile(tmp_path: Path) -> None:
    profile = _joined(tmp_path, DATA, PEOPLE).profile
    assert "P3" not in profile.model_dump_json()
    assert Profile.model_validate_json(profile.model_dump_json()) == profile


def test_only_the_columns_that_are_named_are_taken(tmp_path: Path) -> None:
    subject = _joined(tmp_path, DATA, {**PEOPLE, "name": PEOPLE["id"]}, sensitive=("race",))
    assert [column.name for column in subject.profile.test.columns] == ["id", "y", "p", "x", "race"]


def test_ids_may_be_called_otherwise_and_numbers_in_one_of_the_files(tmp_path: Path) -> None:
    data = pa.table({"key": [3, 1, 2], "y": [0, 1, 1], "p": [1, 0, 1]})
    pq.write_table(data, tmp_path / "data.parquet")
    request = DataRequest(
        test=FileRequest(path=str(tmp_path / "data.parquet")),
        attributes=_file(tmp_path / "people.csv", {"person": [1, 2, 3], "sex": ["f", "m", "x"]}),
        attributes_id="person",
        identifier="key",
        label="y",
        predictions="p",
    )
    assert _values(take_in(request, tmp_path), "sex") == ["x", "f", "m"]


@pytest.mark.parametrize("kind", [pa.decimal128(38, 0), pa.decimal128(38, 4)])
def test_long_decimal_ids_find_their_own_row_and_no_neighbour(tmp_path: Path, kind: pa.DataType) -> None:
    first = 12345678901234567000
    data = {**DATA, "id": [first + place for place in range(12)]}
    ids = pa.array([Decimal(first + place) for place in range(11, 1, -1)], kind)
    pq.write_table(pa.table({"id": ids, "sex": PEOPLE["sex"]}), tmp_path / "people.parquet")
    request = DataRequest(
        test=_file(tmp_path / "data.csv", data),
        attributes=FileRequest(path=str(tmp_path / "people.parquet")),
        **{"identifier": "id", "label": "y", "predictions": "p"},
    )
    found = dict(zip(range(11, 1, -1), PEOPLE["sex"], strict=True))
    assert _values(take_in(request, tmp_path), "sex") == [found.get(place, "") for place in range(12)]


def test_several_rows_of_one_person_are_joined_by_their_cluster(tmp_path: Path) -> None:
    data = {"person": ["a", "b", "a", "c"], "y": [0, 1, 1, 0], "p": [0, 1, 1, 1]}
    people = {"person": ["a", "b"], "sex": ["f", "m"]}
    subject = _joined(tmp_path, data, people, identifier=None, cluster="person")
    assert _values(subject, "sex") == ["f", "m", "f", ""]


def test_a_number_is_cut_into_groups_after_it_was_joined(tmp_path: Path) -> None:
    people = {"id": DATA["id"], "age": list(range(18, 30))}
    subject = _joined(tmp_path, DATA, people, sensitive=("age",), bins={"age": (20.0, 25.0)})
    assert subject.profile.test.column("age").counts == (2, 5, 5)


def test_training_rows_are_joined_too_where_they_have_the_id(tmp_path: Path) -> None:
    request = DataRequest(
        test=_file(tmp_path / "data.csv", DATA),
        training=_file(tmp_path / "train.csv", {**DATA, "id": [f"P{i}" for i in range(5, 17)]}),
        tuning=_file(tmp_path / "tune.csv", {name: DATA[name] for name in ("y", "x")}),
        attributes=_file(tmp_path / "people.csv", PEOPLE),
        identifier="id",
        label="y",
        predictions="p",
    )
    profile = take_in(request, tmp_path).profile
    training, tuning = profile.dataset("training"), profile.dataset("tuning")
    assert training is not None
    assert tuning is not None
    assert training.joined[0].unmatched == 5
    assert training.column("sex").missing == 5
    assert tuning.joined == ()


def test_unmatched_rows_are_counted_for_each_dataset_of_a_split_file(tmp_path: Path) -> None:
    split = ["test"] * 4 + ["train"] * 8
    profile = _joined(tmp_path, {**DATA, "part": split}, PEOPLE, roles_column="part").profile
    assert {d.role: d.joined[0].unmatched for d in profile.datasets} == {"test": 2, "training": 0}


def test_data_by_itself_is_described_with_its_attributes(tmp_path: Path) -> None:
    request = DataRequest(
        test=_file(tmp_path / "data.csv", DATA),
        attributes=_file(tmp_path / "people.csv", PEOPLE),
        identifier="id",
        label="y",
    )
    report = describe_data(request, tmp_path)
    assert report.roles.sensitive == ("sex", "race")
    assert report.datasets[0].joined[0].unmatched == 2
    assert report.datasets[0].column("sex").missing == 2


@pytest.mark.parametrize(
    ("data", "people", "request_more", "says"),
    [
        ({}, {"id": [*PEOPLE["id"][:9], "P11"]}, {}, r'"P11", stands in data rows 1 and 10.*one row'),
        ({}, {"id": [*PEOPLE["id"][:9], ""]}, {}, r"\(id\) is missing in data row 10"),
        ({}, {"id": [f"p{i}" for i in range(10)]}, {}, r"None of the 12 test rows.*compared exactly"),
        ({"sex": ["f"] * 12}, {}, {}, r'Both data.csv and people.csv have a column "sex"'),
        ({}, {}, {"sensitive": ("gender",)}, r"none of the sensitive columns"),
        ({}, {}, {"attributes_id": "person"}, r'people.csv has no column "person" \(id\)'),
        ({}, {}, {"identifier": "nr"}, r'data.csv has no column "nr"'),
    ],
    ids=["twice", "no id", "other case", "both", "not sensitive", "id there", "id here"],
)
def test_what_cannot_be_joined_is_refused(
    tmp_path: Path, data: dict[str, Any], people: dict[str, Any], request_more: dict[str, Any], says: str
) -> None:
    with pytest.raises(BadInput, match=says):
        _joined(tmp_path, {**DATA, **data}, {**PEOPLE, **people}, **request_more)


def test_many_different_values_are_kept_as_numbers_and_refused_as_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "_MOST_VALUES", 5)
    people = {"id": [f"P{i}" for i in range(2, 12)], "age": [str(20 + i) for i in range(9)] + ["?"]}
    subject = _joined(tmp_path, DATA, people, sensitive=("age",), bins={"age": (25.0,)})
    assert subject.profile.test.column("age").counts == (5, 4)
    assert subject.profile.test.column("age").missing == 3
    with pytest.raises(BadInput, match="more than 5 different values that are no numbers"):
        _joined(tmp_path, DATA, {**people, "age": [f"x{i}" for i in range(10)]}, sensitive=("age",))


def test_ids_that_share_their_first_hash_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a hash of two values half of all ids collide in it; the second hash still tells them apart."""
    plain = lookup.hash_text

    def coarse(column: pa.Array, seed: int) -> np.ndarray:
        hashes = plain(column, seed)
        return hashes % np.uint64(6) if seed == 1 else hashes

    monkeypatch.setattr(lookup, "hash_text", coarse)
    seeds = iter((1, 2))
    monkeypatch.setattr(lookup.secrets, "randbits", lambda _bits: next(seeds))
    path = write_csv(tmp_path / "people.csv", {"id": ["a", "b", "c", "d"], "sex": ["1", "2", "3", "4"]})
    source = open_source(FileRequest(path=str(path)), Pixels(tmp_path / "pixels", None))
    found = Lookup(source, Wanted("id", ("sex",), "attributes"), ("",))
    places = found.places(pa.array(["d", "c", "b", "a", "e", None]))
    assert found.column("sex", places).to_pylist() == ["4", "3", "2", "1", None, None]


LOG = {
    "request": ["P1", "P0", "P1", *(f"P{i}" for i in range(2, 12))],
    "at": [f"2025-03-0{1 + i}T09:00:00Z" for i in range(3)] + ["2025-03-09T00:00:00+01:00"] * 10,
    "score": [0.9, 0.2, 0.1, *[0.5] * 10],
}


def _logged(folder: Path, log: dict[str, Any], **request: Any) -> Subject:
    said = {"predictions_id": "request", "predictions_time": "at", "scores": "score", **request}
    return take_in(
        DataRequest(
            test=_file(folder / "data.csv", {name: DATA[name] for name in ("id", "y", "x")}),
            predictions_file=_file(folder / "log.csv", log),
            identifier="id",
            label="y",
            **said,
        ),
        folder,
    )


def test_the_latest_prediction_of_each_row_counts(tmp_path: Path) -> None:
    subject = _logged(tmp_path, LOG)
    (batch,) = subject.dataset("test").batches(["score"])
    assert batch.numbers("score").tolist() == [0.2, 0.1, *[0.5] * 10]
    assert subject.profile.test.joined[0].name == "log.csv"


def _two_row_groups(folder: Path, first: Any, second: Any) -> DataRequest:
    """A log in two row groups: first nobody is accepted, then everybody."""
    ids = [f"P{i}" for i in range(12)]
    tables = [pa.table({"id": ids, "p": [said] * 12, "at": at}) for said, at in ((0, first), (1, second))]
    with pq.ParquetWriter(folder / "log.parquet", tables[0].schema) as file:
        for table in tables:
            file.write_table(table)
    data = {name: DATA[name] for name in ("id", "y", "x")}
    return DataRequest(
        test=_file(folder / "data.csv", data),
        predictions_file=FileRequest(path=str(folder / "log.parquet")),
        **{"identifier": "id", "label": "y", "predictions": "p", "predictions_time": "at", "favourable": "1"},
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("2025-03-01T00:00:00", "1900000000"),
        ("1900000000", "2025-03-01T00:00:00"),
        ("2025-03-01T00:00:00", "2025-02-28T23:00:00-08:00"),
    ],
)
def test_times_that_are_written_in_two_ways_are_refused_wherever_the_file_is_cut(
    tmp_path: Path, first: str, second: str
) -> None:
    request = _two_row_groups(tmp_path, [first] * 12, [second] * 12)
    with pytest.raises(BadInput, match=r'"at" \(time\) is ".*" in data row 13, .*Write all times in one way'):
        take_in(request, tmp_path)


@pytest.mark.parametrize(
    ("first", "second", "latest"),
    [
        (1700000000000000001, 1700000000000000000, "0"),
        (1700000000000000000, 1700000000000000001, "1"),
        ("2025-03-01T09:00:00.000000002Z", "2025-03-01T09:00:00.000000001Z", "0"),
        ("2025-03-01T09:00:00", "3025-03-01T09:00:00", "1"),
        (1700000000, 1700000000.5, "1"),
    ],
)
def test_the_latest_time_is_found_to_the_last_digit(
    tmp_path: Path, first: Any, second: Any, latest: str
) -> None:
    spelt = [[str(at)] * 12 for at in (first, second)]
    subject = take_in(_two_row_groups(tmp_path, *spelt), tmp_path)
    assert _values(subject, "p") == [latest] * 12


@pytest.mark.parametrize("zone", [None, "UTC"])
def test_nanoseconds_of_a_typed_column_are_read(tmp_path: Path, zone: str | None) -> None:
    kind = pa.timestamp("ns", zone)
    times = [pa.array([1700000000000000000 + last] * 12, pa.int64()).cast(kind) for last in (1, 0)]
    assert _values(take_in(_two_row_groups(tmp_path, *times), tmp_path), "p") == ["0"] * 12


def test_rows_without_a_prediction_are_refused_or_set_aside_and_too_many_always_refused(
    tmp_path: Path,
) -> None:
    one = {name: values[:-1] for name, values in LOG.items()}
    with pytest.raises(BadInput, match=r"is missing in 1 of 12 rows.*--allow-missing"):
        _logged(tmp_path, one)
    assert _logged(tmp_path, one, allow_missing=True).profile.test.set_aside == 1
    two = {name: values[:-2] for name, values in LOG.items()}
    with pytest.raises(BadInput, match=r"no prediction for 2 of the 12 test rows.*at most 10%"):
        _logged(tmp_path, two, allow_missing=True)


def test_a_log_of_the_test_rows_is_enough_where_a_column_splits_the_file(tmp_path: Path) -> None:
    data = {**{name: DATA[name] for name in ("id", "y", "x")}, "part": ["train"] * 8 + ["test"] * 4}
    request = DataRequest(
        test=_file(tmp_path / "data.csv", data),
        predictions_file=_file(tmp_path / "log.csv", {"id": DATA["id"][8:], "p": DATA["p"][8:]}),
        **{"identifier": "id", "label": "y", "predictions": "p", "roles_column": "part"},
    )
    subject = take_in(request, tmp_path)
    assert _values(subject, "p") == ["0", "0", "1", "1"]
    assert "p" not in [column.name for column in subject.dataset("training").profile.columns]
    assert any("p joined to 4 test rows of data.csv" in note for note in subject.profile.notes)
    train = _file(tmp_path / "log.csv", {"id": DATA["id"][:9], "p": DATA["p"][:9]})
    with pytest.raises(BadInput, match=r"no prediction for 3 of the 4 test rows of data.csv \(75.0%\)"):
        take_in(request.model_copy(update={"predictions_file": train, "allow_missing": True}), tmp_path)


@pytest.mark.parametrize(
    ("change", "more", "says"),
    [
        ({}, {"predictions_time": None}, r'"P1", stands in data rows 1 and 3'),
        ({"at": ["7"] * 13}, {}, r"repeated value\(s\) at one time"),
        ({"at": ["yesterday", *LOG["at"][1:]]}, {}, r'\(time\) is "yesterday" in data row 1'),
        ({"at": ["1e999", *["7"] * 12]}, {}, r'\(time\) is "1e999" in data row 1'),
        ({}, {"scores": "p"}, r'log.csv has no column "p"'),
    ],
)
def test_a_log_that_cannot_be_read_is_refused(
    tmp_path: Path, change: dict[str, Any], more: dict[str, Any], says: str
) -> None:
    with pytest.raises(BadInput, match=says):
        _logged(tmp_path, {**LOG, **change}, **more)
