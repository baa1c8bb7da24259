"""The command as a user meets it: real processes, real files, one sentence for every mistake."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from assay import evidence
from tests.command import Ran, assay, environment, loans, write_csv


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("data") / "loans.csv", loans(gap=3.0))


@pytest.fixture(scope="module")
def fair_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("data") / "fair.csv", loans(6_000))


COLUMNS = ("--label", "repaid", "--predictions", "approved", "--scores", "score", "--favourable", "yes")


@pytest.fixture(scope="module")
def audited(home: Path, table: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Ran, Path]:
    out = tmp_path_factory.mktemp("out")
    ran = assay(
        home,
        "audit",
        "--data",
        table,
        *COLUMNS,
        "--sensitive",
        "sex,region",
        "--policy",
        "hiring",
        "--out",
        out,
    )
    return ran, out


def assert_one_sentence(ran: Ran, *parts: str) -> None:
    assert ran.code == 2, ran.err
    assert "Traceback" not in ran.err + ran.out
    for part in parts:
        assert part in ran.err, ran.err


def test_an_unfair_table_fails_and_leaves_three_files(audited: tuple[Ran, Path]) -> None:
    ran, out = audited
    assert ran.code == 1, ran.out + ran.err
    assert {path.name for path in out.iterdir()} == {"report.pdf", "report.html", "evidence.json"}
    assert re.search(r"✗ .*sex: Female / Male +0\.\d\d +\[", ran.out), ran.out
    assert "not tested" in ran.out
    assert "a model that can be asked" in " ".join(ran.out.split())
    assert re.search(r"exit 1: \d+ rules? failed", ran.out)


def test_the_report_verifies_and_a_changed_one_does_not(
    home: Path, audited: tuple[Ran, Path], tmp_path: Path
) -> None:
    _, out = audited
    assert assay(home, "verify", out / "report.pdf").code == 0
    assert assay(tmp_path, "verify", out / "report.pdf").code == 3, (
        "another installation knows no such signer"
    )
    changed = bytearray((out / "report.pdf").read_bytes())
    changed[len(changed) // 2] ^= 1
    (tmp_path / "changed.pdf").write_bytes(changed)
    assert assay(home, "verify", tmp_path / "changed.pdf").code == 1
    assert assay(home, "verify", out / "evidence.json").code == 2


def test_another_installation_can_choose_to_trust_the_certificate(
    home: Path, audited: tuple[Ran, Path], tmp_path: Path
) -> None:
    _, out = audited
    assert assay(home, "authority", "--export", tmp_path / "cert.pem").code == 0
    assert assay(tmp_path, "verify", out / "report.pdf", "--trust", tmp_path / "cert.pem").code == 0


def test_the_same_run_twice_gives_the_same_result_digest(
    home: Path, table: Path, audited: tuple[Ran, Path], tmp_path: Path
) -> None:
    _, out = audited
    again = assay(
        home,
        "audit",
        "--data",
        table,
        *COLUMNS,
        "--sensitive",
        "sex,region",
        "--policy",
        "hiring",
        "--out",
        tmp_path,
    )
    assert again.code == 1
    first, second = evidence.load(out / "evidence.json"), evidence.load(tmp_path / "evidence.json")
    assert first.result_digest == second.result_digest
    assert first.plan.plan_sha256 == second.plan.plan_sha256
    assert len(first.measures) > 100


def test_without_a_policy_there_are_measures_and_no_verdicts(home: Path, table: Path, tmp_path: Path) -> None:
    ran = assay(home, "audit", "--data", table, *COLUMNS, "--sensitive", "sex", "--out", tmp_path)
    assert ran.code == 0
    assert evidence.load(tmp_path).verdicts == ()
    assert "accuracy" in ran.out


def test_evidence_names_no_folder_of_this_machine(audited: tuple[Ran, Path], table: Path) -> None:
    _, out = audited
    text = (out / "evidence.json").read_text()
    assert str(table.parent) not in text
    assert str(out) not in text


def test_a_run_can_be_compared_and_gated(
    home: Path, table: Path, fair_table: Path, audited: tuple[Ran, Path], tmp_path: Path
) -> None:
    _, unfair = audited
    ran = assay(
        home,
        "audit",
        "--data",
        fair_table,
        *COLUMNS,
        "--sensitive",
        "sex,region",
        "--policy",
        "hiring",
        "--out",
        tmp_path,
    )
    assert ran.code in (0, 3), ran.out
    compared = assay(home, "compare", unfair / "evidence.json", tmp_path / "evidence.json")
    assert compared.code == 0, compared.err
    assert "better" in compared.out
    assert assay(home, "gate", "--baseline", tmp_path, unfair).code == 1
    assert assay(home, "gate", "--baseline", unfair, unfair).code == 0
    kept = evidence.load(unfair).snapshot_digest[:10]
    assert assay(home, "gate", "--baseline", kept, unfair).code == 0, "a run is kept by its snapshot"
    unknown = assay(home, "compare", "abcdef12", unfair)
    assert_one_sentence(unknown, "abcdef12 is no file")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("--label", "repayed"), ('loans.csv has no column "repayed" (label)', '"repaid"')),
        (("--sensitive", "income"), ("income", "--bins")),
        (("--favourable", "yess"), ("yess", '"yes"')),
        (("--policy", "hirring"), ("hirring", '"hiring"')),
        (("--methods", "fairness.group_rate"), ('"fairness.group_rates"',)),
        (("--bins", "age=old"), ("--bins", "age=25,60")),
        (("--bins", "age=nan"), ("--bins", "age=25,60")),
        (("--bins", "age=30", "--bins", "age=50", "--sensitive", "age"), ('twice for "age"',)),
        (("--threshold", "nan"), ("--threshold nan is no finite number",)),
        (("--threshold", "inf"), ("--threshold inf is no finite number",)),
        (("--sensitive", ""), ("--sensitive names nothing",)),
        (("--methods", ","), ("--methods names nothing",)),
    ],
)
def test_a_mistake_is_told_in_one_sentence_with_the_way_out(
    home: Path, table: Path, tmp_path: Path, arguments: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    out = tmp_path / "out"
    ran = assay(home, "audit", "--data", table, *COLUMNS, *arguments, "--out", out)
    assert_one_sentence(ran, *parts, "Nothing was written.")
    assert not out.exists()


@pytest.mark.parametrize("arguments", [("--seed", str(2**53)), ("--time-limit", "inf")])
def test_a_number_beyond_its_range_is_refused_by_its_option(
    home: Path, table: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    ran = assay(home, "audit", "--data", table, *COLUMNS, *arguments, "--out", tmp_path / "out")
    assert_one_sentence(ran, f"Invalid value for '{arguments[0]}'")


def test_repeated_and_quoted_names_are_all_audited(home: Path, tmp_path: Path) -> None:
    columns = loans()
    columns["region, of birth"] = columns.pop("region")
    table = write_csv(tmp_path / "loans.csv", columns)
    named = ("--sensitive", "sex", "--sensitive", '"region, of birth"')
    only = ("--methods", "data_quality.basics", "--methods", "fairness.group_rates")
    ran = assay(home, "audit", "--data", table, *COLUMNS, *named, *only, "--out", tmp_path / "out")
    assert ran.code == 0, ran.err
    found = evidence.load(tmp_path / "out")
    assert found.subject.roles.sensitive == ("sex", "region, of birth")
    assert {method.id for method in found.methods} == {only[1], only[3]}


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "empty"),
        (b"repaid,approved,score\n", "no data rows"),
        (b"repaid,approved,score\nyes,yes,0.5\nyes,no,0.4\n", "one-class label"),
        (b"repaid,approved,score\nyes,yes,0.5\nno,\xff\xfe,0.4\n", "UTF-8"),
        (b"repaid,approved,score\nyes,yes,0.5\nno,no,inf\n", "data row 2"),
        (b"repaid,approved,score\nyes,yes,0.5\nno,no,nan\n", "--allow-missing"),
        (b"\x80\x04\x95\x10\x00\x00\x00\x00", "pickle"),
        (b"PK\x03\x04" + b"\0" * 60, "zip"),
    ],
)
def test_a_file_that_cannot_be_audited_is_refused_in_one_sentence(
    home: Path, tmp_path: Path, content: bytes, part: str
) -> None:
    (tmp_path / "loans.csv").write_bytes(content)
    ran = assay(home, "audit", "--data", tmp_path / "loans.csv", *COLUMNS, "--out", tmp_path / "out")
    assert_one_sentence(ran, part)


def test_a_pipe_is_refused_as_what_it_is(home: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    ran = assay(home, "audit", "--data", tmp_path / "pipe", *COLUMNS, "--out", tmp_path / "out")
    assert_one_sentence(ran, "pipe is no regular file", "Nothing was written.")


def test_duplicated_ids_are_refused(home: Path, tmp_path: Path) -> None:
    table = write_csv(tmp_path / "loans.csv", {"id": [1, 2, 2, 3], "y": [0, 1, 0, 1], "p": [0, 1, 0, 1]})
    ran = assay(
        home,
        "audit",
        "--data",
        table,
        "--label",
        "y",
        "--predictions",
        "p",
        "--id",
        "id",
        "--out",
        tmp_path / "out",
    )
    assert_one_sentence(ran, '"id"', "data row")


def test_a_policy_that_names_an_unknown_measure_is_refused(home: Path, table: Path, tmp_path: Path) -> None:
    policy = tmp_path / "own.toml"
    policy.write_text(
        'id = "own"\nversion = "1"\ntitle = "Own"\npurpose = "Test"\n'
        '[[rule]]\nid = "r"\ntitle = "R"\nmeasure = "performance.acuracy"\nminimum = 0.5\nsource = "us"\n'
    )
    ran = assay(home, "audit", "--data", table, *COLUMNS, "--policy", policy, "--out", tmp_path / "out")
    assert_one_sentence(ran, "performance.acuracy", '"performance.accuracy"')


def test_an_audit_without_predictions_asks_for_them(home: Path, table: Path, tmp_path: Path) -> None:
    ran = assay(home, "audit", "--data", table, "--label", "repaid", "--out", tmp_path / "out")
    assert_one_sentence(ran, "--predictions", "--scores")


def test_a_full_disk_leaves_the_folder_as_it_was(home: Path, table: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("a full disk needs the right to mount a small one")
    try:
        (disk / "evidence.json").write_text("earlier")
        ran = assay(home, "audit", "--data", table, *COLUMNS, "--out", disk)
        assert_one_sentence(ran, "the disk is full")
        assert [path.name for path in disk.iterdir()] == ["evidence.json"]
        assert (disk / "evidence.json").read_text() == "earlier"
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_an_output_folder_that_is_a_file_is_refused(home: Path, table: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    ran = assay(home, "audit", "--data", table, *COLUMNS, "--out", tmp_path / "out")
    assert_one_sentence(ran, "it is a file")


def test_ctrl_c_leaves_nothing_behind(home: Path, tmp_path: Path) -> None:
    big = tmp_path / "big.csv"
    big.write_text("y,p,text\n" + "0,0,some words of this row\n1,1,other words\n" * 1_500_000)
    out = tmp_path / "out"
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "assay",
            "audit",
            "--data",
            str(big),
            "--label",
            "y",
            "--predictions",
            "p",
            "--out",
            str(out),
        ],
        env={**environment(home), "TMPDIR": str(tmp_path)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    deadline = time.monotonic() + 20
    while not list(tmp_path.glob("assay-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Stopped. Nothing was written." in err
    assert "Traceback" not in err
    assert not out.exists()
    assert not list(tmp_path.glob("assay-*")), "the scratch folder is gone"


def test_text_in_the_data_cannot_move_the_cursor(home: Path, tmp_path: Path) -> None:
    columns = loans(400)
    columns["sex"] = ["\x1b[2J[bold]<b>#x" if s == "Male" else "Female\u202e" for s in columns["sex"]]
    table = write_csv(tmp_path / "loans.csv", columns)
    ran = assay(
        home,
        "audit",
        "--data",
        table,
        *COLUMNS,
        "--sensitive",
        "sex",
        "--policy",
        "hiring",
        "--out",
        tmp_path / "out",
    )
    assert ran.code in (0, 1, 3), ran.err
    assert "\x1b[2J" not in ran.out
    assert "\u202e" not in ran.out
    assert "[bold]" in ran.out


def test_characters_without_a_glyph_are_told(home: Path, tmp_path: Path) -> None:
    columns = loans(400)
    columns["sex"] = ["男" if s == "Male" else "女" for s in columns["sex"]]
    table = write_csv(tmp_path / "loans.csv", columns)
    ran = assay(home, "audit", "--data", table, *COLUMNS, "--sensitive", "sex", "--out", tmp_path / "out")
    assert "2 characters written out there by code point" in ran.out, ran.out + ran.err
    assert "ASSAY_FONTS names a folder of more" in " ".join(ran.out.split())


@pytest.mark.parametrize("command", ["methods", "formats", "policies", "--help", "--version"])
def test_lists_and_help_read_well(home: Path, command: str) -> None:
    ran = assay(home, command)
    assert ran.code == 0, ran.err
    assert ran.out.strip()


def test_help_shows_square_brackets(home: Path) -> None:
    assert "NAME[@VERSION]" in assay(home, "audit", "--help").out


def test_help_loads_no_heavy_library() -> None:
    code = (
        "import sys; from assay import cli; "
        "print([m for m in ('numpy', 'pyarrow', 'pydantic') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_a_closed_pipe_is_no_crash(home: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ran = subprocess.run(
        [sys.executable, "-m", "assay", "methods"],
        env=environment(home),
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(writing)
    assert b"Traceback" not in ran.stderr
    assert b"failed" not in ran.stderr
