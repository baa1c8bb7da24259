"""The task, the classes and the favourable outcome are inferred where plain, and asked for where not."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.contracts import Signature
from assay.errors import BadInput
from tests.support import table_subject


def _signature(folder: Path, columns: dict[str, list[object]], **request: object) -> Signature:
    return table_subject(folder, columns, **({"label": "y"} | request)).profile.signature


def _refused(folder: Path, columns: dict[str, list[object]], **request: object) -> str:
    with pytest.raises(BadInput) as refusal:
        table_subject(folder, columns, **({"label": "y"} | request))
    return refusal.value.message


@pytest.mark.parametrize(
    ("values", "task"),
    [
        ([0, 1], "binary"),
        (["yes", "no"], "binary"),
        ([0, 1, 2], "multiclass"),
        (["a", "b", "c"], "multiclass"),
        ([str(i) for i in range(20)], "multiclass"),
        ([str(i) for i in range(21)], "regression"),
        ([0.5, 1.5, 2.5], "regression"),
        ([f"w{i}" for i in range(150)], "multiclass"),
    ],
)
def test_the_task_follows_from_the_label(tmp_path: Path, values: list[object], task: str) -> None:
    assert _signature(tmp_path, {"y": values * 2}).task == task


def test_the_task_can_be_said(tmp_path: Path) -> None:
    assert _signature(tmp_path, {"y": list(range(30))}, task="multiclass").task == "multiclass"
    assert _signature(tmp_path, {"y": [0, 1, 2]}, task="regression").task == "regression"
    assert "3 classes" in _refused(tmp_path, {"y": [0, 1, 2]}, task="binary")
    assert 'has "a" in data row 2; a regression' in _refused(tmp_path, {"y": [1, "a"]}, task="regression")


def test_too_many_words_are_no_classes(tmp_path: Path) -> None:
    words = [f"w{i}" for i in range(201)]
    assert 'column "y" has 201 different words' in _refused(tmp_path, {"y": words})


def test_a_one_class_label_is_refused(tmp_path: Path) -> None:
    for values in ([1, 1, 1], ["1", "1.0", "1"], ["no"] * 3):
        assert "is a one-class label" in _refused(tmp_path, {"y": values})


@pytest.mark.parametrize(
    ("values", "favourable"),
    [
        ([0, 1], "1"),
        ([-1, 1], "1"),
        ([True, False], "true"),
        (["Yes", "No"], "Yes"),
        (["n", "y"], "y"),
        (["<=50K", ">50K"], ">50K"),
        (["denied", "Approved"], "Approved"),
        (["good", "bad"], "good"),
        (["negative", "positive"], "positive"),
    ],
)
def test_a_plain_favourable_outcome_is_inferred_last_and_noted(
    tmp_path: Path, values: list[object], favourable: str
) -> None:
    profile = table_subject(tmp_path, {"y": values}, label="y").profile
    assert profile.signature.favourable == favourable
    assert profile.signature.favourable_inferred
    assert profile.signature.classes[1] == favourable
    assert any(f'"{favourable}" was taken as the favourable outcome' in note for note in profile.notes)


@pytest.mark.parametrize("values", [[1, 2], ["died", "lived"], ["yes", "true"], [0, 2]])
def test_an_unclear_outcome_is_asked_for(tmp_path: Path, values: list[object]) -> None:
    message = _refused(tmp_path, {"y": values})
    assert f'"{values[0]}"' in message
    assert f'"{values[1]}"' in message
    assert "--favourable" in message


def test_the_favourable_outcome_can_be_named_in_any_spelling(tmp_path: Path) -> None:
    for asked in ("0", "0.0", " 0 "):
        signature = _signature(tmp_path, {"y": [0, 1]}, favourable=asked)
        assert (signature.classes, signature.favourable_inferred) == (("1", "0"), False)
    assert _signature(tmp_path, {"y": [True, False]}, favourable="False").favourable == "false"


def test_a_favourable_outcome_that_never_occurs_is_named_with_the_nearest(tmp_path: Path) -> None:
    message = _refused(tmp_path, {"y": ["approved", "denied"]}, favourable="aproved")
    assert message == (
        'test.csv: the label never has the value "aproved" (favourable). Values close to it: "approved".'
    )


def test_multiclass_needs_no_favourable_and_may_have_one(tmp_path: Path) -> None:
    columns = {"y": [10, 9, 2, 1]}
    assert _signature(tmp_path, columns).classes == ("1", "2", "9", "10")
    assert _signature(tmp_path, columns).favourable is None
    assert _signature(tmp_path, columns, favourable="9").favourable == "9"


def test_label_and_predictions_agree_by_value_not_by_spelling(tmp_path: Path) -> None:
    for label, predictions in (
        ([1, 0, 1], ["1.0", "0.0", "0"]),
        ([True, False, True], ["TRUE", "false", "False"]),
    ):
        subject = table_subject(tmp_path, {"y": label, "p": predictions}, label="y", predictions="p")
        (batch,) = subject.dataset("test").batches(["y", "p"])
        assert batch.codes("y").tolist() == [1, 0, 1]
        assert batch.codes("p").tolist() == [1, 0, 0]


def test_predictions_that_share_no_value_with_the_label_are_refused_with_both(tmp_path: Path) -> None:
    message = _refused(tmp_path, {"y": [0, 1], "p": ["good", "bad"]}, predictions="p")
    assert '"p": "bad", "good"' in message
    assert '"y": "0", "1"' in message


def test_probabilities_passed_as_predictions_get_the_hint(tmp_path: Path) -> None:
    for values in ([0.25, 0.5, 0.75], [0.0, 0.3, 1.0]):
        message = _refused(tmp_path, {"y": [0, 1, 1], "p": values}, predictions="p")
        assert "pass them with --scores p" in message
    many = {"y": [0, 1] * 2000, "p": [i / 4001 for i in range(4000)]}
    assert "pass them with --scores p" in _refused(tmp_path, many, predictions="p")


def test_a_class_that_only_predictions_have_is_noted(tmp_path: Path) -> None:
    columns = {"y": ["a", "b", "c"], "p": ["a", "b", "d"]}
    profile = table_subject(tmp_path, columns, label="y", predictions="p").profile
    assert profile.signature.classes == ("a", "b", "c", "d")
    assert profile.test.column("y").counts == (1, 1, 1, 0)
    assert any('predicts "d", which the label never has' in note for note in profile.notes)
    third = table_subject(tmp_path, {"y": [0, 1, 1], "p": [0, 1, 2]}, label="y", predictions="p").profile
    assert third.signature.task == "multiclass"
    assert "has 3 classes" in _refused(
        tmp_path, {"y": [0, 1, 1], "p": [0, 1, 2]}, predictions="p", task="binary"
    )


def test_scores_in_the_unit_interval_are_probabilities_with_a_threshold_of_one_half(tmp_path: Path) -> None:
    signature = _signature(tmp_path, {"y": [0, 1], "s": [0, 1]}, scores="s")
    assert (signature.output, signature.threshold) == ("probability", 0.5)
    given = _signature(tmp_path, {"y": [0, 1], "s": [0.1, 0.8]}, scores="s", threshold=0.3)
    assert given.threshold == 0.3


def test_other_scores_need_a_threshold_or_predictions(tmp_path: Path) -> None:
    columns = {"y": [0, 1], "s": [-3, 4.5], "p": [0, 1]}
    assert "reaches from -3 to 4.5" in _refused(tmp_path, columns, scores="s")
    signature = _signature(tmp_path, columns, scores="s", threshold=0)
    assert (signature.output, signature.threshold) == ("score", 0)
    with_predictions = _signature(tmp_path, columns, scores="s", predictions="p")
    assert (with_predictions.output, with_predictions.threshold) == ("score", None)


def test_a_threshold_that_decides_nothing_is_noted(tmp_path: Path) -> None:
    columns = {"y": [0, 1], "s": [0.1, 0.9], "p": [0, 1]}
    profile = table_subject(tmp_path, columns, label="y", scores="s", predictions="p", threshold=0.2).profile
    assert profile.signature.threshold is None
    assert any("The threshold 0.2 was not used" in note for note in profile.notes)


def test_bad_scores_are_located(tmp_path: Path) -> None:
    labels = [0, 1, 0, 1]
    assert 'has "high" in data row 3' in _refused(tmp_path, {"y": labels, "s": [0, 1, "high", 1]}, scores="s")
    for infinite in ("inf", "-Infinity", "1e999"):
        message = _refused(tmp_path, {"y": labels, "s": [0, 1, 0.5, infinite]}, scores="s")
        assert message == 'test.csv column "s" (scores) is infinite in data row 4; scores are finite numbers.'
    assert "needs two classes" in _refused(tmp_path, {"y": [0, 1, 2, 0], "s": [0, 1, 0, 1]}, scores="s")


def test_scores_alone_and_predictions_alone_are_enough(tmp_path: Path) -> None:
    scores = table_subject(tmp_path, {"s": [0.2, 0.9]}, scores="s").profile
    assert (scores.signature.classes, scores.roles.label) == (("0", "1"), None)
    named = table_subject(tmp_path, {"s": [0.2, 0.9]}, scores="s", favourable="hired").profile
    assert named.signature.classes == ("not hired", "hired")
    predictions = table_subject(tmp_path, {"p": ["no", "yes"]}, predictions="p").profile
    assert predictions.signature.classes == ("no", "yes")
    with pytest.raises(BadInput, match="one value only"):
        table_subject(tmp_path, {"p": ["yes", "yes"]}, predictions="p")


def test_regression_takes_numbers_only(tmp_path: Path) -> None:
    columns = {"y": [0.5 * i for i in range(30)], "p": [0.5 * i + 1 for i in range(30)]}
    subject = table_subject(tmp_path, columns, label="y", predictions="p")
    assert (subject.profile.signature.task, subject.profile.signature.classes) == ("regression", ())
    (batch,) = subject.dataset("test").batches(["y", "p"])
    assert (batch.numbers("p") - batch.numbers("y")).tolist() == [1.0] * 30
    words = {**columns, "p": [*columns["p"][:-1], "much"]}
    assert '"p" (predictions) has "much" in data row 30' in _refused(tmp_path, words, predictions="p")
    infinite = {**columns, "y": ["inf", *columns["y"][1:]]}
    assert '"y" (label) is infinite in data row 1' in _refused(tmp_path, infinite, predictions="p")
    assert "scores belong to classes" in _refused(tmp_path, columns, scores="p")
