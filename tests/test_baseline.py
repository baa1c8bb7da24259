"""`assay audit --baseline` as a user meets it: the same plan again, openings counted, rows paired."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assay import evidence
from tests.command import Ran, assay
from tests.models.made import linear_folder, number, two_gaussians
from tests.support import write_csv

METHODS = ("--methods", "performance.classification,fairness.group_rates", "--tier", "quick")


class Place:
    """A home, test rows and models whose log-odds are weights times x1 and x2."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "home"
        self.data = write_csv(folder / "test.csv", two_gaussians(800, 5))
        for name, weights in (("released", [1.0, 2.0]), ("better", [2.0, 0.3]), ("third", [1.5, 0.5])):
            linear_folder(folder / name, [number("x1", mean=1.0), number("x2")], weights)

    def audit(self, model: str, *more: str | Path) -> Ran:
        rows = ("--data", self.data, "--label", "label", "--sensitive", "sex")
        out = self.folder / f"{model}-out"
        return assay(self.home, "audit", *rows, "--model", self.folder / model, "--out", out, *more)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    found = Place(tmp_path_factory.mktemp("baseline"))
    first = found.audit("released", *METHODS)
    assert first.code == 0, first.err
    return found


@pytest.fixture(scope="module")
def second(place: Place) -> Ran:
    return place.audit("better", "--baseline", place.folder / "released-out")


def test_the_first_audit_opens_the_rows_for_the_baseline(place: Place) -> None:
    opening = evidence.load(place.folder / "released-out").plan.opening
    assert opening is not None
    assert (opening.number, opening.standing) == (1, "baseline")


def test_the_plan_is_the_baselines(place: Place, second: Ran) -> None:
    assert second.code == 0, second.err
    a, b = (evidence.load(place.folder / f"{name}-out").plan for name in ("released", "better"))
    assert (b.tier, b.seed) == ("quick", 0)
    assert [m.params for m in a.methods] == [m.params for m in b.methods]
    assert [m.id for m in b.methods] == ["fairness.group_rates", "performance.classification"]


def test_the_candidate_is_confirmatory_and_compared_row_by_row(place: Place, second: Ran) -> None:
    found = evidence.load(place.folder / "better-out")
    assert found.plan.opening is not None
    assert (found.plan.opening.number, found.plan.opening.standing) == (2, "confirmatory")
    change = found.change
    assert change is not None
    assert change.baseline_snapshot == evidence.load(place.folder / "released-out").snapshot_digest
    accuracy = next(c for c in change.decisive if c.id == "performance.accuracy")
    assert (accuracy.reading, accuracy.interval_method) == ("better", "paired, tango score")
    assert any("800 of 800 rows are paired" in said for said in change.statements)
    for words in ("Changed since released", "better  Accuracy", "Opening 2 of the sealed test rows"):
        assert words in second.out, second.out


def test_the_report_has_the_chapter(place: Place, second: Ran) -> None:
    page = (place.folder / "better-out" / "report.html").read_text()
    assert "What was changed and what it did" in page
    assert "confirmatory" in page


def test_gate_and_compare_pair_the_kept_rows(place: Place, second: Ran) -> None:
    ran = assay(place.home, "compare", place.folder / "released-out", place.folder / "better-out")
    assert "800 of 800 rows are paired" in " ".join(ran.out.split())
    snapshot = evidence.load(place.folder / "better-out").snapshot_digest[:12]
    ran = assay(place.home, "gate", "--baseline", place.folder / "released-out", snapshot)
    assert "800 of 800 rows are paired" in " ".join(ran.out.split())


def test_a_further_model_is_exploratory_and_the_ledger_says_who(place: Place, second: Ran) -> None:
    ran = place.audit("third", "--baseline", place.folder / "released-out")
    opening = evidence.load(place.folder / "third-out").plan.opening
    assert opening is not None
    assert (opening.number, opening.standing) == (3, "exploratory")
    assert "exploratory" in ran.out
    (ledger,) = (place.home / "openings").iterdir()
    events = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert [e["event"] for e in events if e["event"] != "measured"] == ["opened", "named", "opened", "opened"]
    snapshots = {e["snapshot"] for e in events if e["event"] == "measured"}
    assert evidence.load(place.folder / "third-out").snapshot_digest in snapshots


def test_the_same_model_again_is_no_new_opening(place: Place, second: Ran, tmp_path: Path) -> None:
    place.audit("released", *METHODS, "--out", tmp_path)
    again = evidence.load(tmp_path)
    assert again.plan.opening is not None
    assert again.plan.opening.number == 1
    assert again.plan.plan_sha256 == evidence.load(place.folder / "released-out").plan.plan_sha256


def test_another_policy_than_the_baselines_is_refused(place: Place) -> None:
    ran = place.audit("better", "--baseline", place.folder / "released-out", "--policy", "hiring")
    assert ran.code == 2
    assert "--policy hiring is not the baseline's policy (none)" in ran.err
    assert "Nothing was written." in ran.err


def test_rows_can_be_left_unkept_or_erased(tmp_path: Path) -> None:
    own = Place(tmp_path)
    ran = own.audit("released", *METHODS, "--no-keep-rows")
    assert ran.code == 0, ran.err
    assert evidence.load(tmp_path / "released-out").annex is None
    own.audit("released", *METHODS)
    kept = evidence.load(tmp_path / "released-out").annex
    assert kept is not None
    assert kept.rows == 800
    erased = assay(own.home, "erase-rows", tmp_path / "released-out")
    assert "Erased the row-level results of 800 rows." in erased.out
    again = assay(own.home, "erase-rows", tmp_path / "released-out")
    assert "There are no row-level results" in again.out


def test_a_baseline_of_other_classes_is_refused(place: Place, tmp_path: Path) -> None:
    columns = {**two_gaussians(60, 5)}
    columns["label"] = ["good" if label == "yes" else "bad" for label in columns["label"]]
    data = write_csv(tmp_path / "other.csv", columns)
    model = linear_folder(tmp_path / "m", [number("x1")], [1.0], classes=("bad", "good"))
    rows = ("--data", data, "--label", "label", "--model", model, "--out", tmp_path / "out")
    ran = assay(place.home, "audit", *rows, "--baseline", place.folder / "released-out")
    assert ran.code == 2
    assert (
        "different questions, so they cannot be compared: their classes differ (no, yes and bad, good)"
        in ran.err
    )
    assert "Name a baseline that answers the same one, or none." in ran.err
    assert not (tmp_path / "out").exists()
