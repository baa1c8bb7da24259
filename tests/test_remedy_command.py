"""`assay remedy` as a user meets it: real processes, stopped and started again, mistakes in one sentence."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from assay.intake.model_files import folder_digest
from tests.command import Ran, assay, environment, write_csv
from tests.models.made import two_gaussians


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_csv(folder / "train.csv", two_gaussians(3_000, 1))
    write_csv(folder / "tuning.csv", two_gaussians(400, 2))
    write_csv(folder / "test.csv", two_gaussians(400, 3))
    return folder


EPOCHS = 8


def command(data: Path, out: Path) -> list[str]:
    """Epochs of about a quarter of a second."""
    words = ["remedy", "training.from_scratch", "--train", str(data / "train.csv")]
    words += ["--tuning", str(data / "tuning.csv"), "--label", "label", "--favourable", "yes"]
    words += ["--sensitive", "sex", "--set", f"epochs={EPOCHS}", "--set", "batch_rows=8"]
    return [*words, "--set", "patience=null", "--out", str(out)]


@pytest.fixture(scope="module")
def straight(home: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Ran, Path]:
    """The model of a run that nothing stopped."""
    out = tmp_path_factory.mktemp("straight") / "model"
    return assay(home, *command(data, out)), out


def start(home: Path, words: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "assay", *words],
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def after_epoch(process: subprocess.Popen[str], out: Path, epoch: int) -> None:
    """Wait until that epoch's checkpoint is there."""
    state = out.with_name(f"{out.name}.partial") / "training" / "state.json"
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        if state.exists() and json.loads(state.read_text())["epoch"] >= epoch:
            return
        time.sleep(0.01)
    raise AssertionError(f"epoch {epoch} was not reached: {process.communicate()}")


def test_a_new_model_is_made_and_audited_by_the_next_command(
    home: Path, straight: tuple[Ran, Path], data: Path, tmp_path: Path
) -> None:
    ran, out = straight
    assert ran.code == 0, ran.err
    assert {path.name for path in out.iterdir()} == {
        *("model.safetensors", "signature.json", "architecture.json", "lineage.json")
    }
    assert not out.with_name("model.partial").exists()
    for part in ("torch_folder, sha256 ", "tuning loss", "tuning accuracy", "3,000 training, 400 tuning"):
        assert part in ran.out, ran.out
    assert folder_digest(out)[:12] in ran.out
    (line,) = [line for line in ran.out.splitlines() if line.startswith("next  assay audit --model")]
    words = line.removeprefix("next  assay ").replace("TEST_FILE", str(data / "test.csv")).split()
    words[words.index("--out") + 1] = str(tmp_path / "audit")
    audited = assay(home, *words, "--methods", "performance.classification")
    assert audited.code == 0, audited.err
    evidence = json.loads((tmp_path / "audit" / "evidence.json").read_text())
    assert evidence["subject"]["model"]["lineage"]["remedy"] == "training.from_scratch"


def test_the_next_command_audits_rows_read_the_same_way(home: Path, tmp_path: Path) -> None:
    columns = two_gaussians(80, 5)
    columns['sex, "as told"'] = columns.pop("sex")
    columns["label"][3] = "?"
    path = write_csv(tmp_path / "train.csv", columns)
    words = ["remedy", "training.from_scratch", "--train", str(path), "--label", "label"]
    words += ["--favourable", "yes", "--sensitive", '"sex, ""as told"""', "--missing", "?,none"]
    words += ["--allow-missing", "--set", "epochs=1", "--out", str(tmp_path / "model")]
    made = assay(home, *words)
    assert made.code == 0, made.err
    (line,) = [line for line in made.out.splitlines() if line.startswith("next  assay audit")]
    following = shlex.split(line.removeprefix("next  assay ").replace("TEST_FILE", str(path)))
    audited = assay(home, *following, "--methods", "data_quality.basics")
    assert audited.code == 0, audited.err
    evidence = json.loads((tmp_path / "model-audit" / "evidence.json").read_text())
    assert [one["rows"] for one in evidence["subject"]["datasets"] if one["role"] == "test"] == [79]


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_command_goes_on_and_makes_the_same_model_to_the_bit(
    home: Path, straight: tuple[Ran, Path], data: Path, tmp_path: Path, stop: signal.Signals
) -> None:
    out = tmp_path / "model"
    process = start(home, command(data, out))
    after_epoch(process, out, 2)
    process.send_signal(stop)
    _, said = process.communicate(timeout=60)
    assert not out.exists()
    if stop == signal.SIGINT:
        assert process.returncode == 130, said
        assert f" of {EPOCHS}. The same command goes on from there." in said
        assert "Stopped after epoch " in said
        other = assay(home, *command(data, out), "--seed", "5")
        assert other.code == 2
        assert "model.partial holds an unfinished training.from_scratch that was asked for" in other.err
    again = assay(home, *command(data, out))
    assert again.code == 0, again.err
    assert "Goes on after epoch " in again.err
    assert f" of {EPOCHS}." in again.err
    assert folder_digest(out) == folder_digest(straight[1])


def test_one_stopped_before_its_first_epoch_leaves_nothing(home: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    words = [word if word != "batch_rows=8" else "batch_rows=1" for word in command(data, out)]
    process = start(home, words)
    partial = tmp_path / "model.partial"
    deadline = time.monotonic() + 60
    while not (partial / "request.json").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopped before the first epoch was done. Nothing was written." in said
    assert list(tmp_path.iterdir()) == []


def test_a_model_is_never_written_over(home: Path, straight: tuple[Ran, Path], data: Path) -> None:
    _, out = straight
    digest = folder_digest(out)
    again = assay(home, *command(data, out))
    assert again.code == 2
    assert "exists already, and a remedy never writes over a model" in again.err
    assert folder_digest(out) == digest


def test_two_processes_do_not_work_in_one_folder(home: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    process = start(home, command(data, out))
    after_epoch(process, out, 1)
    process.send_signal(signal.SIGSTOP)  # it holds the folder and cannot finish before the other asks
    other = assay(home, *command(data, out))
    process.kill()
    process.communicate()
    assert other.code == 2
    assert "Another process is at work in" in other.err


def test_a_diverging_training_says_what_would_be_right_and_leaves_nothing(
    home: Path, data: Path, tmp_path: Path
) -> None:
    words = [*command(data, tmp_path / "model"), "--set", "learning_rate=10", "--set", "optimizer=sgd"]
    ran = assay(home, *words, "--set", "clip_norm=null")
    assert ran.code == 3, ran.out
    assert "Training diverged in epoch " in ran.err
    assert "Set a learning_rate below 10, such as 1. Nothing was written." in ran.err
    assert "Traceback" not in ran.err
    assert list(tmp_path.iterdir()) == []


def test_one_file_with_roles_keeps_its_test_rows_sealed(home: Path, data: Path, tmp_path: Path) -> None:
    columns = two_gaussians(400, 4)
    columns["part"] = ["train"] * 300 + ["test"] * 100
    table = write_csv(tmp_path / "all.csv", columns)
    ran = assay(
        home,
        *("remedy", "training.from_scratch", "--data", table, "--roles", "part", "--label", "label"),
        *("--favourable", "yes", "--set", "epochs=1", "--out", tmp_path / "model"),
    )
    assert ran.code == 0, ran.err
    assert "100 test row(s) were passed over unread" in ran.err
    assert "a tenth of the training rows (30, drawn by the seed)" in ran.out
    lineage = json.loads((tmp_path / "model" / "lineage.json").read_text())
    assert lineage["rows"] == {"training": 270, "tuning": 30}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["training.from_scrach"],
            'no remedy "training.from_scrach". Close to it: "training.from_scr',
        ),
        (["training.from_scratch"], "A remedy learns from training rows: give --train FILE"),
        (["training.from_scratch", "--train", "no.csv"], "no.csv does not exist"),
        (["training.fine_tune", "--train", "TRAIN"], "needs a model that can be trained; it was given none"),
        (["training.from_scratch", "--train", "TRAIN", "--set", "epochs"], 'set "epochs" cannot be read'),
        (
            ["training.from_scratch", "--train", "TRAIN", "--set", "epoch=3"],
            'no parameter "epoch". Close to it: "epochs"',
        ),
        (["training.from_scratch", "--train", "TRAIN", "--set", "reweigh=race"], '"race" is to be reweighed'),
        (["training.from_scratch", "--train", "TRAIN", "--device", "cuda:7"], '"cuda:7" was asked for, but'),
        (["training.from_scratch", "--train", "TRAIN", "--model", "no"], "no does not exist; give a model's"),
    ],
)
def test_mistakes_are_answered_in_one_sentence(
    home: Path, data: Path, tmp_path: Path, words: list[str], sentence: str
) -> None:
    words = [str(data / "train.csv") if word == "TRAIN" else word for word in words]
    out = tmp_path / "model"
    ran = assay(home, "remedy", *words, "--label", "label", "--favourable", "yes", "--out", out)
    assert ran.code == 2, ran.out + ran.err
    assert sentence in ran.err, ran.err
    assert "Traceback" not in ran.err
    assert list(tmp_path.iterdir()) == []


def test_the_remedies_are_listed_with_their_parameters(home: Path) -> None:
    ran = assay(home, "remedies")
    assert ran.code == 0
    for part in ("training.fine_tune", "needs", "a model that can be trained", "epochs=5", "temperature=2"):
        assert part in ran.out, ran.out
