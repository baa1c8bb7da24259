"""Joined files, a signature and rows to ask about go to the service; what is there already stays one."""

from __future__ import annotations

import json
from pathlib import Path

from assay import evidence
from models_registry.models import DatasetVersion, ModelVersion, Upload
from tests.command import loans, write_csv
from tests.models.made import linear_folder, number
from tests.remote.test_service_commands import Place
from tests.remote.test_service_commands import place as place  # the fixture


def _apart(folder: Path) -> tuple[Path, Path, Path]:
    """Loans by id; their people, of whom a tenth are not known; and a log of predictions."""
    rows = loans(300)
    ids = [f"a{place}" for place in range(300)]
    data = {"case": ids, "income": rows["income"], "age": rows["age"], "repaid": rows["repaid"]}
    known = [place for place in range(300) if place % 10]
    people = {"person": [ids[place] for place in known], "sex": [rows["sex"][place] for place in known]}
    log = {"case": ids, "approved": rows["approved"], "score": rows["score"]}
    return (
        write_csv(folder / "apart.csv", data),
        write_csv(folder / "people.csv", people),
        write_csv(folder / "log.csv", log),
    )


def test_files_joined_by_id_are_audited_on_the_service_as_here(place: Place) -> None:
    data, people, log = _apart(place.folder)
    said = (
        *("--data", data, "--label", "repaid", "--id", "case", "--sensitive", "sex"),
        *("--attributes", people, "--attributes-id", "person"),
        *("--predictions-file", log, "--predictions", "approved", "--scores", "score"),
        *("--methods", "performance.classification,fairness.group_rates", "--tier", "quick"),
    )
    there, here = place.folder / "there", place.folder / "here"
    ran = place.assay("audit", *said, "--server", "--system", "Loans", "--out", there, token=place.token)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert place.assay("audit", *said, "--out", here).returncode == 0
    found, own = evidence.load(there / "evidence.json"), evidence.load(here / "evidence.json")
    assert found.measures == own.measures
    assert max(m.unknown.rows for m in found.measures if m.unknown is not None) == 30

    again = place.assay(
        "audit", *said, "--server", "--system", "Loans", "--no-wait", "--out", there, token=place.token
    )
    assert again.stderr.count("already there as version 1") == 2, again.stderr
    organisation = place.people.organisation
    assert (
        DatasetVersion.objects.of(organisation).count(),
        ModelVersion.objects.of(organisation).count(),
    ) == (
        1,
        1,
    )


def test_what_is_pushed_again_is_there_already_unless_a_new_version_is_wanted(place: Place) -> None:
    data, people, log = _apart(place.folder)
    said = (
        *("push", "--system", "Loans", "--model", place.folder / "linear"),
        *("--data", data, "--label", "repaid", "--id", "case", "--sensitive", "sex"),
        *("--attributes", people, "--attributes-id", "person", "--predictions-file", log),
    )
    first = place.assay(*said, token=place.token)
    assert (first.returncode, "already" in first.stdout) == (0, False), first.stdout + first.stderr
    organisation = place.people.organisation
    version = DatasetVersion.objects.of(organisation).get()
    assert {f.role for f in version.files.all()} == {"test", "attributes", "predictions"}
    assert version.description["attributes_id"] == "person"
    sent = Upload.objects.of(organisation).count()

    second = place.assay(*said, token=place.token)
    assert (second.returncode, second.stdout.count("already there as version 1")) == (0, 2), second.stderr
    assert second.stdout.split()[2] == first.stdout.split()[2]
    assert Upload.objects.of(organisation).count() == sent
    other = place.assay(*said, "--ignore", "age", token=place.token)
    assert other.stdout.count("already there") == 1, other.stdout
    assert DatasetVersion.objects.of(organisation).count() == 2
    forced = place.assay(*said, "--new-version", token=place.token)
    assert (forced.returncode, "already" in forced.stdout) == (0, False)
    assert DatasetVersion.objects.of(organisation).count() == 3
    assert ModelVersion.objects.of(organisation).count() == 2

    predicted = ("push", "--system", "Loans", "--predictions", "approved", "--scores", "score")
    for words in ("", "already there as version 1"):
        pushed = place.assay(*predicted, token=place.token)
        assert pushed.returncode == 0, pushed.stderr
        assert words in pushed.stdout
    assert ModelVersion.objects.of(organisation).filter(source="predictions").count() == 1


def test_a_signature_and_rows_to_ask_about_go_with_the_model(place: Place) -> None:
    linear_folder(place.folder / "odd", [number("income", mean=0, scale=1)], [1.0])
    signature = json.loads((place.folder / "linear" / "signature.json").read_text())
    (place.folder / "right.json").write_text(json.dumps(signature))
    write_csv(place.folder / "more.csv", loans(200, seed=9))
    ran = place.assay(
        *("audit", "--data", place.folder / "loans.csv", "--label", "repaid", "--sensitive", "sex"),
        *("--model", place.folder / "odd", "--signature", place.folder / "right.json"),
        *("--asked", place.folder / "more.csv", "--tier", "quick", "--methods", "performance.classification"),
        *("--server", "--system", "Loans", "--out", place.folder / "out"),
        token=place.token,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = evidence.load(place.folder / "out" / "evidence.json")
    assert found.subject.model_signature is not None
    assert found.subject.model_signature.columns[0].mean == signature["columns"][0]["mean"]
    assert {d.role for d in found.subject.datasets} == {"test", "asked"}


def test_what_goes_together_wrongly_is_one_sentence(place: Place) -> None:
    data, people, _log = _apart(place.folder)
    push = ("push", "--system", "Loans", "--data", data)
    for said, words in (
        ((*push, "--attributes", people), "joined by id"),
        ((*push, "--predictions-time", "at"), "belong to --predictions-file"),
        ((*push, "--model", place.folder / "linear", "--scores", "score"), "Give one of --model"),
        ((*push, "--kind", "age=colour"), "number, category or text"),
        ((*push, "--signature", data), "give --model"),
        (
            (
                "audit",
                "--data",
                data,
                "--out",
                "x",
                "--server",
                "--model",
                place.folder / "linear",
                "--scores",
                "s",
            ),
            "with --server give --model or --predictions",
        ),
        (
            ("audit", "--data", data, "--out", "x", "--server", "--scores", "s", "--signature", data),
            "--signature",
        ),
    ):
        ran = place.assay(*said, token=place.token)
        assert (ran.returncode, words in ran.stderr) == (2, True), ran.stderr
        assert "Traceback" not in ran.stderr
    assert not DatasetVersion.objects.of(place.people.organisation).exists()
