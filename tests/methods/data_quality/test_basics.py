"""Facts about a file: published counts reproduced, planted faults found, a clean file silent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.contracts import DataRequest, FileRequest, Measure, MethodResult
from assay.engine import run_method
from assay.errors import BadParams
from assay.intake.table import take_in
from assay.methods.data_quality.basics import METHOD
from tests.methods.adult import adult_with_label_as_prediction, needs_adult
from tests.support import table_subject, write_csv


def _one(result: MethodResult, name: str, **about: str) -> Measure:
    found = [
        m
        for m in result.measures
        if m.id == f"data_quality.{name}"
        and {**m.slice, **m.at, **({"over": m.over} if m.over else {})} == about
    ]
    assert len(found) == 1, found
    return found[0]


def _clean(rows: int, seed: int) -> dict[str, list[Any]]:
    """Distinct rows; two features, of which one is somewhat useful."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, rows)
    return {
        "income": np.round(rng.normal(50, 10, rows) + 3 * y, 6).tolist(),
        "region": rng.choice(["north", "south", "east"], rows).tolist(),
        "sex": rng.choice(["f", "m"], rows).tolist(),
        "y": y.tolist(),
        "p": rng.integers(0, 2, rows).tolist(),
    }


ROLES: dict[str, Any] = {"label": "y", "predictions": "p", "favourable": "1", "sensitive": ("sex",)}


@needs_adult
def test_the_published_counts_of_adult(tmp_path: Path) -> None:
    result = run_method(METHOD, adult_with_label_as_prediction(tmp_path))
    assert _one(result, "rows").value == 32_561
    for column, missing in {"workclass": 1_836, "occupation": 1_843, "native-country": 583}.items():
        assert _one(result, "missing_share", column=column).numerator == missing
    assert _one(result, "missing_share", column="age").numerator == 0
    repeated = _one(result, "duplicate_share")
    assert (repeated.numerator, repeated.denominator) == (24, 32_561)
    assert _one(result, "group_rows", sex="Female").value == 10_771
    assert _one(result, "minority_share").value == pytest.approx(0.24081, abs=5e-6)
    assert [series.id for series in result.series] == ["data_quality.missing"]


def test_planted_columns_are_named(tmp_path: Path) -> None:
    test = _clean(1_000, 0)
    test["fee"] = [label * 100.0 + i % 7 for i, label in enumerate(test["y"])]
    test["closed_by"] = [
        ("court" if i % 2 else "bank") if label else None for i, label in enumerate(test["y"])
    ]
    test["country"] = ["CH"] * 1_000
    test["region"][300:350] = [None] * 50
    result = run_method(METHOD, table_subject(tmp_path, test, **ROLES))
    assert _one(result, "missing_share", column="region").numerator == 50
    telling = next(s for s in result.series if s.id == "data_quality.suspicious_features")
    assert telling.columns[0].values == ("fee", "closed_by")
    assert telling.columns[1].values == ("AUC", "purity")
    assert telling.columns[2].values == (1.0, 1.0)
    assert any('"fee"' in note and "give the label away" in note for note in result.notes)
    assert any('single value: "country"' in note for note in result.notes)


def test_planted_repeats_conflicts_and_leaks_are_counted_exactly(tmp_path: Path) -> None:
    test, training = _clean(1_000, 0), _clean(2_000, 1)
    features = ("income", "region", "sex")
    for name in features:
        test[name][:200] = training[name][:200]  # seen in training
        test[name][980:990] = test[name][970:980]  # same features ...
        test[name][990:] = test[name][960:970]  # repeated rows
    test["y"][980:990] = [1 - label for label in test["y"][970:980]]  # ... under the other label
    test["y"][990:] = test["y"][960:970]
    result = run_method(
        METHOD, table_subject(tmp_path, test, training=training, tuning=_clean(500, 2), **ROLES)
    )
    assert _one(result, "duplicate_share").numerator == 10
    assert _one(result, "label_conflict_share").numerator == 20
    leak = _one(result, "leaked_share", dataset="training")
    assert (leak.numerator, leak.denominator) == (200, 1_000)
    assert leak.low is not None
    assert leak.high is not None
    assert leak.low < 0.2 < leak.high
    assert _one(result, "leaked_share", dataset="tuning").numerator == 0
    assert _one(result, "other_rows", dataset="training").value == 2_000


def test_a_clean_file_raises_no_alarm(tmp_path: Path) -> None:
    subject = table_subject(tmp_path, _clean(1_000, 0), training=_clean(2_000, 1), **ROLES)
    result = run_method(METHOD, subject)
    for name in ("duplicate_share", "label_conflict_share"):
        measure = _one(result, name)
        assert (measure.value, measure.low, measure.high, measure.interval_method) == (0, 0, 0, "exact")
    assert _one(result, "leaked_share", dataset="training").value == 0
    assert all(m.value == 0 for m in result.measures if m.id == "data_quality.missing_share")
    assert result.notes == ()
    assert [series.id for series in result.series] == ["data_quality.missing"]


def test_leakage_is_seen_across_file_formats(tmp_path: Path) -> None:
    """The same rows as CSV (1.0, True) and as Parquet (integers, booleans, dictionaries) are the same."""
    rows = 300
    columns: dict[str, list[Any]] = {
        "age": [20 + i % 50 for i in range(rows)],
        "rate": [i / 8 for i in range(rows)],
        "member": [i % 3 == 0 for i in range(rows)],
        "city": [["Bern", "Genève", "Ḥefa"][i % 3] for i in range(rows)],
        "y": [i % 2 for i in range(rows)],
    }
    as_text = {**columns, "age": [f"{age}.0" for age in columns["age"]], "p": columns["y"]}
    test = write_csv(tmp_path / "test.csv", as_text)
    table = pa.table({**columns, "city": pa.array(columns["city"]).dictionary_encode()})
    pq.write_table(table.slice(100), tmp_path / "training.parquet")
    request = DataRequest(
        test=FileRequest(path=str(test)),
        training=FileRequest(path=str(tmp_path / "training.parquet")),
        label="y",
        predictions="p",
        favourable="1",
    )
    result = run_method(METHOD, take_in(request, tmp_path))
    assert _one(result, "leaked_share", dataset="training").numerator == 200


def test_another_sharding_gives_the_same_result(tmp_path: Path) -> None:
    subject = table_subject(tmp_path, _clean(1_000, 0), training=_clean(900, 0), **ROLES)
    whole = run_method(METHOD, subject)
    assert run_method(METHOD, subject, shard_rows=130) == whole


def test_long_tables_are_estimated_and_say_so(tmp_path: Path) -> None:
    columns = _clean(6_000, 0)
    for name in columns:
        columns[name][3_000:] = columns[name][:3_000]
    result = run_method(METHOD, table_subject(tmp_path, columns, **ROLES), {"exact_rows": 1_500})
    repeated = _one(result, "duplicate_share")
    assert repeated.low is not None
    assert repeated.high is not None
    assert repeated.value == pytest.approx(0.5)
    assert repeated.denominator == pytest.approx(1_500, rel=0.2)
    assert (repeated.interval_method or "").startswith("hash sample 0.25")
    assert any("estimated" in note for note in result.notes)


def test_a_file_of_labels_and_predictions_alone_has_no_repeats_to_find(tmp_path: Path) -> None:
    columns = {"y": [0, 1] * 20, "p": [0, 1, 1, 0] * 10, "sex": ["f", "m"] * 20}
    result = run_method(METHOD, table_subject(tmp_path, columns, training=columns, **ROLES))
    for measure in (
        _one(result, "duplicate_share"),
        _one(result, "label_conflict_share"),
        _one(result, "leaked_share", dataset="training"),
    ):
        assert (measure.status, measure.value) == ("not_applicable", None)
        assert "no feature columns" in (measure.note or "")


def test_leakage_is_judged_by_the_columns_in_both_files(tmp_path: Path) -> None:
    test, training = _clean(400, 0), _clean(400, 0)
    del training["region"]
    result = run_method(METHOD, table_subject(tmp_path, test, training=training, **ROLES))
    assert _one(result, "leaked_share", dataset="training").numerator == 400
    assert any("columns in both files only: 2 of 3" in note for note in result.notes)


def test_groups_are_counted_and_the_smallest_named(tmp_path: Path) -> None:
    columns = _clean(100, 0)
    columns["sex"] = ["f"] * 20 + ["m"] * 70 + [None] * 10
    columns["age"] = ["old", "young"] * 35 + ["young"] * 30
    roles = {**ROLES, "sensitive": ("sex", "age")}
    result = run_method(METHOD, table_subject(tmp_path, columns, **roles))
    share = _one(result, "group_share", sex="f")
    assert (share.numerator, share.denominator) == (20, 90)
    assert _one(result, "group_rows", sex="m").value == 70
    assert _one(result, "smallest_group_rows", over="sex").value == 20
    both = _one(result, "group_rows", sex="f", age="old").value
    assert both == sum(s == "f" and a == "old" for s, a in zip(columns["sex"], columns["age"], strict=True))
    assert _one(result, "smallest_group_rows", over="sex × age").value == 10


def test_a_regression_has_no_contradicting_labels(tmp_path: Path) -> None:
    columns = _clean(200, 0)
    columns["y"] = [i / 7 for i in range(200)]
    columns["p"] = [i / 8 for i in range(200)]
    roles = {"label": "y", "predictions": "p", "task": "regression", "sensitive": ("sex",)}
    result = run_method(METHOD, table_subject(tmp_path, columns, **roles))
    conflict = _one(result, "label_conflict_share")
    assert (conflict.status, conflict.note) == ("not_applicable", "the label is a number")
    assert _one(result, "duplicate_share").value == 0
    assert not [m for m in result.measures if m.id == "data_quality.minority_share"]


def test_every_measure_is_one_that_the_method_declares(tmp_path: Path) -> None:
    specs = {spec.id: spec for spec in METHOD.spec.measures}
    subject = table_subject(tmp_path, _clean(300, 0), training=_clean(300, 1), **ROLES)
    measures = run_method(METHOD, subject).measures
    assert {m.id for m in measures} == set(specs)
    assert all((m.unit, m.direction) == (specs[m.id].unit, specs[m.id].direction) for m in measures)


@pytest.mark.parametrize("params", [{"level": 0.2}, {"exact_rows": 10}, {"screen_rows": 0}])
def test_bad_parameters_are_refused_by_name(tmp_path: Path, params: dict[str, Any]) -> None:
    subject = table_subject(tmp_path, _clean(50, 0), **ROLES)
    with pytest.raises(BadParams, match=f"data_quality.basics: {next(iter(params))}"):
        run_method(METHOD, subject, params)


def test_columns_are_screened_on_evenly_spaced_rows_of_all_batches(tmp_path: Path) -> None:
    rows = 70_000  # more than one batch of 65,536, which 7 does not divide
    columns = {"y": [0, 1] * 35_000, "p": [0, 1] * 35_000, "fee": [0.5, 7.0] * 35_000}
    subject = table_subject(tmp_path, columns, label="y", predictions="p", favourable="1")
    result = run_method(METHOD, subject, {"screen_rows": rows // 7})
    telling = next(s for s in result.series if s.id == "data_quality.suspicious_features")
    assert telling.columns[3].values == (10_000,)


def test_leakage_is_looked_for_among_the_rows_that_the_model_is_asked_about(tmp_path: Path) -> None:
    rows = {"x": [*range(40)], "label": ["a", "b"] * 20, "score": [0.2, 0.8] * 20}
    training = {"x": [*range(20, 40)], "label": ["a", "b"] * 10}
    asked = {"x": [*range(22)], "label": ["a", "b"] * 11}
    write_csv(tmp_path / "asked.csv", asked)
    subject = table_subject(
        tmp_path,
        rows,
        training=training,
        asked=FileRequest(path=str(tmp_path / "asked.csv")),
        label="label",
        scores="score",
        favourable="b",
    )
    leaked = _one(run_method(METHOD, subject), "leaked_share", dataset="training")
    assert (leaked.numerator, leaked.denominator) == (2, 22)
