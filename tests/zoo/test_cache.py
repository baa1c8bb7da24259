"""What the zoo builds appears whole, once, under one name, whoever builds and whatever dies."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import zoo
from benchmarks.zoo import cache

_BUILDER = """
import sys, time
from pathlib import Path
from benchmarks.zoo import cache
cache.CACHE = Path(sys.argv[1])
def make(folder):
    with open(sys.argv[2], "a") as log:
        log.write("built\\n")
    (folder / "half").touch()
    time.sleep(float(sys.argv[3]))
    (folder / "whole").touch()
print(cache.cached("thing", "k1", make))
"""


def _builder(folder: Path, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _BUILDER, str(folder / "zoo"), str(folder / "log"), str(seconds)]
    return subprocess.Popen(
        command, cwd=Path(__file__).parents[2], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never appeared"
        time.sleep(0.01)


def test_two_processes_build_a_thing_once(tmp_path: Path) -> None:
    builders = [_builder(tmp_path, 0.3) for _ in range(3)]
    answers = [builder.communicate(timeout=60) for builder in builders]
    assert [builder.returncode for builder in builders] == [0, 0, 0], answers
    assert {answer[0].strip() for answer in answers} == {str(tmp_path / "zoo" / "thing-k1")}
    assert (tmp_path / "log").read_text() == "built\n"
    assert {file.name for file in (tmp_path / "zoo" / "thing-k1").iterdir()} == {"half", "whole"}


def test_a_killed_builder_leaves_nothing_under_the_name_and_the_next_one_builds(tmp_path: Path) -> None:
    builder = _builder(tmp_path, 600)
    _wait_for(tmp_path / "zoo" / ".thing-k1.unfinished" / "half")
    builder.kill()
    builder.communicate(timeout=60)
    assert not (tmp_path / "zoo" / "thing-k1").exists()
    answer = _builder(tmp_path, 0).communicate(timeout=60)
    assert (tmp_path / "zoo" / "thing-k1" / "whole").is_file(), answer


def test_a_build_that_fails_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "CACHE", tmp_path)

    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cache.cached("thing", "k1", fail)
    found = cache.cached("thing", "k1", lambda folder: (folder / "whole").touch())
    assert [file.name for file in found.iterdir()] == ["whole"]


def test_other_code_makes_another_key(tmp_path: Path) -> None:
    digits, fashion = "benchmarks.zoo.digits", "benchmarks.zoo.fashion"
    file = tmp_path / "data.csv"
    file.write_text("a\n1\n")
    keys = [cache.code_key([digits]), cache.code_key([fashion]), cache.code_key([digits], [file])]
    file.write_text("a\n2\n")
    keys.append(cache.code_key([digits], [file]))
    assert len(set(keys)) == 4
    assert cache.code_key([digits]) == keys[0]


def test_a_missing_folder_of_real_data_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ASSAY_REAL_DATA", raising=False)
    with pytest.raises(zoo.NotHere, match="ASSAY_REAL_DATA is not set"):
        cache.real_file("adult", "adult.data.gz")
    monkeypatch.setenv("ASSAY_REAL_DATA", str(tmp_path))
    with pytest.raises(zoo.NotHere, match=r"adult/adult\.data\.gz is not in the folder"):
        cache.real_file("adult", "adult.data.gz")


def test_an_unknown_model_is_named_with_those_there_are() -> None:
    with pytest.raises(KeyError, match=r"no model adult_mpl; it has adult_mlp"):
        zoo.model("adult_mpl")
