from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from assay.errors import BadParams
from assay.evidence import digest
from assay.execution import run_method
from assay.methods.fairness.scores import METHOD
from assay.stats.intervals import mover_difference
from assay.stats.ranking import delong_variance
from tests.stats.score_data import cells
from tests.support import table_subject

FAST = {"replicates": 1_000}


def people(rows, seed):
    """Scores, labels and two attributes that have nothing to do with them."""
    rng = np.random.default_rng(seed)
    scores = rng.random(rows)
    labels = (rng.random(rows) < scores).astype(int)
    return scores, labels, rng.choice(["F", "M"], rows), rng.choice(["black", "other", "white"], rows)


def subject(folder, scores, labels, attributes, **more):
    columns = {"label": np.where(labels == 1, "good", "bad"), "p": scores, **attributes}
    cluster = more.pop("cluster", None)
    if cluster is not None:
        columns["patient"] = cluster
        more["cluster"] = "patient"
    return table_subject(
        folder, columns, label="label", scores="p", favourable="good", sensitive=tuple(attributes), **more
    )


def groups(result, name):
    return {tuple(m.slice.values()): m for m in result.measures if m.id == f"fairness.{name}"}


def pairs(result, name, over):
    return [m for m in result.measures if m.id == f"fairness.{name}_difference" and m.over == over]


def test_each_group_equals_scikit_learn_on_its_rows(tmp_path):
    scores, labels, sex, race = people(1_500, 1)
    result = run_method(METHOD, subject(tmp_path, scores, labels, {"sex": sex, "race": race}), FAST)
    areas, briers = groups(result, "auc"), groups(result, "brier_score")
    assert len(areas) == 2 + 3 + 6
    for (s, r), rows in {(s, r): (sex == s) & (race == r) for s in "FM" for r in ("black", "white")}.items():
        assert areas[(s, r)].n == rows.sum()
        assert areas[(s, r)].value == pytest.approx(
            metrics.roc_auc_score(labels[rows], scores[rows]), rel=1e-11
        )
        assert briers[(s, r)].value == pytest.approx(
            metrics.brier_score_loss(labels[rows], scores[rows]), rel=1e-11
        )


def test_pairs_name_their_groups_and_count_their_family(tmp_path):
    scores, labels, sex, race = people(1_500, 2)
    result = run_method(METHOD, subject(tmp_path, scores, labels, {"sex": sex, "race": race}), FAST)
    areas = groups(result, "auc")
    for over, family in (("sex", 1), ("race", 3), ("sex × race", 15)):
        found = pairs(result, "auc", over)
        assert len(found) == family
        for pair in found:
            assert pair.family == family
            first, second = tuple(pair.slice.values()), tuple(str(pair.at["against"]).split(", "))
            assert pair.value == pytest.approx(areas[first].value - areas[second].value, abs=1e-11)
            assert pair.low <= 0 <= pair.value <= pair.high


def test_one_pair_of_large_groups_has_delongs_normal_interval(tmp_path):
    scores, labels, sex, _ = people(8_000, 3)
    (pair,) = pairs(run_method(METHOD, subject(tmp_path, scores, labels, {"sex": sex}), FAST), "auc", "sex")
    variance = sum(delong_variance(*cells(scores[sex == s], labels[sex == s])[1:]) for s in "FM")
    # DeLong 1988: the variance of a difference of independent AUCs is the sum of theirs
    assert pair.high - pair.low == pytest.approx(2 * 1.959964 * np.sqrt(variance), rel=0.02)


@pytest.mark.parametrize("name", ["auc", "calibration_error"])
def test_three_pairs_share_the_level(tmp_path, name):
    scores, labels, _, race = people(900, 17)
    data = subject(tmp_path, scores, labels, {"race": race})
    found = pairs(run_method(METHOD, data, FAST), name, "race")
    # Bonferroni: limits of each group at 1 - .05 / 3, squared and added
    each = groups(run_method(METHOD, data, {**FAST, "level": 1 - 0.05 / 3}), name)
    assert len(found) == 3
    for pair in found:
        a, b = each[(pair.slice["race"],)], each[(pair.at["against"],)]
        expected = mover_difference(a.value, a.low, a.high, b.value, b.low, b.high)
        assert (pair.low, pair.high) == pytest.approx(expected, abs=1e-9)


def test_a_group_ranked_worse_is_found(tmp_path):
    scores, labels, sex, race = people(3_000, 4)
    shuffled = np.where(race == "black", np.random.default_rng(5).random(3_000), scores)
    result = run_method(METHOD, subject(tmp_path, shuffled, labels, {"sex": sex, "race": race}), FAST)
    against = {pair.at["against"]: pair for pair in pairs(result, "auc", "race") if pair.low > 0.1}
    assert set(against) == {"black"}
    assert groups(result, "auc")[("black",)].low < 0.5 < groups(result, "auc")[("black",)].high


def test_a_group_with_distorted_probabilities_is_found(tmp_path):
    scores, labels, sex, _ = people(4_000, 6)
    distorted = np.where(sex == "F", scores**2, scores)
    result = run_method(METHOD, subject(tmp_path, distorted, labels, {"sex": sex}), FAST)
    (pair,) = pairs(result, "calibration_error", "sex")
    assert pair.slice == {"sex": "F"}
    assert pair.low > 0.05
    assert groups(result, "calibration_error")[("F",)].low > 0.1


def test_equal_groups_raise_no_alarm_more_often_than_the_level_allows(tmp_path):
    alarms = 0
    for seed in range(40):
        scores, labels, _, race = people(400, 100 + seed)
        folder = tmp_path / str(seed)
        folder.mkdir()
        result = run_method(METHOD, subject(folder, scores, labels, {"race": race}), FAST, seed=seed)
        found = [*pairs(result, "auc", "race"), *pairs(result, "calibration_error", "race")]
        alarms += any(pair.low > 0 for pair in found)
        alarms += any(m.low > 0.02 for m in groups(result, "calibration_error").values())
    # 5 % for each of two families and for the groups: at most 6 expected, more than 12 has probability 0.01
    assert alarms <= 12


def test_small_groups_are_insufficient_and_so_are_their_pairs(tmp_path):
    scores, labels, _, race = people(600, 7)
    race[:9] = "rare"
    labels[:9] = [1, 1, 1, 1, 0, 0, 0, 0, 0]
    result = run_method(METHOD, subject(tmp_path, scores, labels, {"race": race}), FAST)
    for name in ("auc", "calibration_error", "brier_score"):
        rare = groups(result, name)[("rare",)]
        assert rare.status == "insufficient"
        assert "4 favourable and 5 other" in rare.note
    (lone,) = [pair for pair in pairs(result, "auc", "race") if pair.slice["race"] == "rare"]
    assert lone.status == "insufficient"
    assert lone.value is None


def test_missing_attributes_are_left_out_and_counted(tmp_path):
    scores, labels, sex, race = people(600, 8)
    sex[:25] = ""
    result = run_method(METHOD, subject(tmp_path, scores, labels, {"sex": sex, "race": race}), FAST)
    assert sum(m.n for m in groups(result, "auc").values() if list(m.slice) == ["sex"]) == 575
    for over in ("sex", "sex × race"):
        known = f"{over}: the group of 25 of 600 rows (4.17%) is not known; "
        assert f"{known}intervals hold wherever they belong." in result.notes


def test_another_sharding_gives_the_same_result(tmp_path):
    scores, labels, sex, race = people(2_000, 9)
    data = subject(tmp_path, scores, labels, {"sex": sex, "race": race})
    assert digest(run_method(METHOD, data, FAST)) == digest(run_method(METHOD, data, FAST, shard_rows=333))


def test_the_same_seed_gives_the_same_digest(tmp_path):
    scores, labels, sex, _ = people(600, 10)
    data = subject(tmp_path, scores, labels, {"sex": sex})
    first, again, other = (digest(run_method(METHOD, data, FAST, seed=seed)) for seed in (1, 1, 2))
    assert first == again != other


def test_binned_scores_keep_to_their_stated_error(tmp_path):
    scores, labels, sex, _ = people(20_000, 11)
    data = subject(tmp_path, scores, labels, {"sex": sex})
    exact = groups(run_method(METHOD, data, FAST), "auc")
    binned = groups(run_method(METHOD, data, {**FAST, "exact_rows": 0, "score_bins": 512}), "auc")
    for key, measure in binned.items():
        bound = float(measure.note.split("at most ")[1].split(" off")[0])
        assert abs(measure.value - exact[key].value) <= bound < 0.002


@pytest.mark.parametrize("within", [True, False])
def test_copied_rows_in_clusters_do_not_narrow_the_intervals(tmp_path, within):
    scores, labels, sex, _ = people(400, 12)
    (tmp_path / "one").mkdir()
    (tmp_path / "four").mkdir()
    alone = run_method(METHOD, subject(tmp_path / "one", scores, labels, {"sex": sex}), FAST)
    others = [sex] * 4 if within else [sex, np.where(sex == "F", "M", "F")] * 2
    copied = subject(
        tmp_path / "four",
        np.tile(scores, 4),
        np.tile(labels, 4),
        {"sex": np.concatenate(others)},
        cluster=[f"p{i}" for i in range(400)] * 4,
    )
    clustered = run_method(METHOD, copied, FAST)
    (before,), (after,) = pairs(alone, "auc", "sex"), pairs(clustered, "auc", "sex")
    if within:
        assert after.high - after.low == pytest.approx(before.high - before.low, rel=0.05)
    else:
        # every person stands in both groups alike: the difference is 0, and the correlation shows it
        assert after.value == pytest.approx(0, abs=1e-12)
        assert after.high - after.low < 0.25 * (before.high - before.low)
    (error,) = pairs(clustered, "calibration_error", "sex")
    (single,) = pairs(alone, "calibration_error", "sex")
    assert error.high - error.low > 0.9 * (single.high - single.low) * (1 if within else 0.5)


def test_scores_that_are_no_probabilities_are_only_ranked(tmp_path):
    scores, labels, sex, _ = people(500, 13)
    result = run_method(METHOD, subject(tmp_path, scores * 100, labels, {"sex": sex}, threshold=50.0), FAST)
    assert {m.id for m in result.measures} == {"fairness.auc", "fairness.auc_difference"}
    assert result.series == ()


def test_reliability_curves_are_kept_for_single_attributes(tmp_path):
    scores, labels, sex, race = people(900, 14)
    result = run_method(METHOD, subject(tmp_path, scores, labels, {"sex": sex, "race": race}), FAST)
    assert sorted(tuple(s.slice.items()) for s in result.series) == [
        (("race", "black"),),
        (("race", "other"),),
        (("race", "white"),),
        (("sex", "F"),),
        (("sex", "M"),),
    ]
    assert [c.name for c in result.series[0].columns] == ["mean_score", "observed_rate", "low", "high", "n"]


@pytest.mark.parametrize(
    "params", [{"replicates": 1}, {"minimum_class_rows": 1}, {"max_groups": 1}, {"x": 1}]
)
def test_bad_params_are_refused(tmp_path, params):
    scores, labels, sex, _ = people(60, 16)
    with pytest.raises(BadParams):
        run_method(METHOD, subject(tmp_path, scores, labels, {"sex": sex}), params)
