"""`assay login`, `push`, `audit --server`, `wait` and `gate --server` against a real server and worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from accounts.api_auth import new_token
from assay import evidence
from models_registry.models import AISystem, ModelVersion
from tests import factory
from tests.browser import served
from tests.command import loans, write_csv
from tests.conftest import People, make_people
from tests.models.made import linear_folder, number


class Place(NamedTuple):
    people: People
    address: str
    token: str
    folder: Path

    def assay(
        self, *arguments: str | Path, token: str | None = None, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ASSAY_")}
        environment |= {"ASSAY_HOME": str(self.folder / "home"), "OMP_NUM_THREADS": "1"}
        if token is not None:
            environment |= {"ASSAY_SERVER": self.address, "ASSAY_TOKEN": token}
        return subprocess.run(
            [sys.executable, "-m", "assay", *map(str, arguments)],
            env=environment,
            cwd=Path(__file__).resolve().parents[2],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


@pytest.fixture
def place(committed: None, tmp_path: Path) -> Iterator[Place]:
    """A served installation with a worker, and files to bring there."""
    people = make_people()
    _token, secret = new_token(people.engineer, people.organisation, "ci", ["read", "write"])
    write_csv(tmp_path / "loans.csv", loans(400))
    linear_folder(tmp_path / "linear", [number("income", mean=1_500, scale=2_000)], [1.0])
    with factory.working(), served() as address:
        yield Place(people, address, secret, tmp_path)


def test_a_pipeline_brings_a_model_audits_it_and_reads_the_exit_code(place: Place) -> None:
    signed = place.assay("login", place.address, stdin=place.token)
    assert signed.returncode == 0, signed.stderr
    assert "engineer" in signed.stdout
    assert (place.folder / "home" / "servers.json").stat().st_mode & 0o077 == 0

    common = ("--data", place.folder / "loans.csv", "--label", "repaid", "--sensitive", "sex")
    more = ("--policy", "general", "--tier", "quick", "--server", "--system", "Loans")
    methods = ("--methods", "performance.classification,fairness.group_rates,data_quality.basics")
    out = place.folder / "out"
    first = place.assay("audit", *common, "--model", place.folder / "linear", *more, *methods, "--out", out)
    assert first.returncode in (0, 1, 3), first.stdout + first.stderr
    assert f"exit {first.returncode}" in first.stdout
    found = evidence.load(out / "evidence.json")
    assert found.subject.model is not None
    assert (out / "report.pdf").read_bytes().startswith(b"%PDF")

    second = place.assay(
        "audit", *common, "--model", place.folder / "linear", "--server", "--system", "Loans",
        "--baseline", "1", "--no-wait", "--out", out,
    )  # fmt: skip
    assert second.returncode == 0, second.stdout + second.stderr
    waited = place.assay("wait", second.stdout.strip())
    assert waited.returncode == first.returncode, waited.stdout + waited.stderr
    gated = place.assay("gate", "--baseline", "1", "2", "--server")
    assert gated.returncode in (0, 3), gated.stdout + gated.stderr

    system = AISystem.objects.of(place.people.organisation).get()
    versions = ModelVersion.objects.of(place.people.organisation).filter(model__system=system)
    # the second audit found the model there already
    assert [v.sha256 for v in versions] == [found.subject.model.sha256]


def test_mistakes_are_one_sentence_each(place: Place) -> None:
    nobody = place.assay("wait", "1")
    assert (nobody.returncode, "assay login" in nobody.stderr) == (2, True)
    wrong = place.assay("login", place.address, stdin="assay_wrong")
    assert (wrong.returncode, "does not accept the token" in wrong.stderr) == (2, True)
    plain = place.assay("login", "http://assay.example.org", stdin="x")
    assert (plain.returncode, "use https" in plain.stderr) == (2, True)
    missing = place.assay("wait", "999", token=place.token)
    assert (missing.returncode, 'no audit "999"' in missing.stderr) == (2, True)
    (place.folder / "bad.pkl").write_bytes(b"\x80\x04K\x01.")
    refused = place.assay("push", "--system", "Loans", "--model", place.folder / "bad.pkl", token=place.token)
    assert refused.returncode == 2
    assert "was refused" in refused.stderr
    assert "Traceback" not in refused.stderr + nobody.stderr + wrong.stderr


def test_a_key_that_is_sent_again_is_answered_alike_and_does_nothing_twice(place: Place) -> None:
    import httpx

    headers = {"Authorization": f"Bearer {place.token}", "Idempotency-Key": "once"}
    url = f"{place.address}/api/v1/systems"
    first = httpx.post(url, json={"name": "Twice"}, headers=headers)
    again = httpx.post(url, json={"name": "Twice"}, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert json.loads(first.content) == json.loads(again.content)
    other = httpx.post(url, json={"name": "Thrice"}, headers=headers)
    assert other.status_code == 422
    assert AISystem.objects.of(place.people.organisation).count() == 1
