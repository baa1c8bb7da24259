"""What a child wrote when it cleaned a model is taken over only if it is what cleaning writes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.contracts import GateVerdict, ModelReport, ModelRequest
from assay.errors import ChildFailed
from assay.intake import cleaned_files
from assay.intake.cleaned_files import MOST_CLEANED, take_over
from assay.intake.gate import CLEANED
from assay.intake.model_files import digests_of
from assay.runner.supervisor import Supervisor
from tests.models.made import linear_folder, number


def _taken(tmp_path: Path, make: Callable[[Path], object], **more: Any) -> list[str]:
    written, into = tmp_path / "written", tmp_path / "into"
    written.mkdir()
    into.mkdir()
    make(written)
    return take_over(written, into, **more)


def test_plain_files_are_copied(tmp_path: Path) -> None:
    def make(folder: Path) -> None:
        (folder / "sub").mkdir()
        (folder / "a.json").write_bytes(b"{}")
        (folder / "sub" / "b.bin").write_bytes(b"xyz")

    assert _taken(tmp_path, make) == ["a.json", "sub/b.bin"]
    assert (tmp_path / "into" / "sub" / "b.bin").read_bytes() == b"xyz"


def _second_name(folder: Path) -> None:
    secret = folder.parent / "secret"
    secret.write_text("key")
    os.link(secret, folder / "model.safetensors")


def _many(folder: Path) -> None:
    for number_ in range(MOST_CLEANED + 1):
        (folder / f"f{number_}").write_bytes(b"")


def _deep(folder: Path) -> None:
    place = folder
    for _ in range(6):
        place = place / "d"
        place.mkdir()
    (place / "x").write_bytes(b"x")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda folder: (folder / "x").symlink_to("/etc/passwd"), "a link"),
        (lambda folder: (folder / "d").symlink_to("/etc"), "a link"),
        (_second_name, "another name elsewhere"),
        (lambda folder: os.mkfifo(folder / "pipe"), "no regular file"),
        (lambda folder: (folder / "a\nb").write_bytes(b"x"), "odd name"),
        (lambda folder: (folder / ".hidden").write_bytes(b"x"), "odd name"),
        (_many, "more than 200"),
        (_deep, "folders in folders"),
        (lambda folder: (folder / "run.py").write_bytes(b"x"), "not admitted: .* holds code"),
        (lambda folder: (folder / "big").write_bytes(b"x" * 2_000), "has more than"),
        (lambda folder: None, "left no file"),
    ],
)
def test_anything_else_is_not(tmp_path: Path, make: Callable[[Path], object], says: str) -> None:
    with pytest.raises(ChildFailed, match=says):
        _taken(tmp_path, make, most_bytes=1_000)


def test_a_link_in_place_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "written").symlink_to("/etc")
    (tmp_path / "into").mkdir()
    with pytest.raises(ChildFailed, match="left no folder"):
        take_over(tmp_path / "written", tmp_path / "into")


def test_a_file_that_became_a_link_after_it_was_listed_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "written").mkdir()
    (tmp_path / "into").mkdir()
    (tmp_path / "written" / "x").symlink_to("/etc/passwd")
    monkeypatch.setattr(cleaned_files, "_walk", lambda _root: iter(["x"]))
    with pytest.raises(ChildFailed, match="cannot be read"):
        take_over(tmp_path / "written", tmp_path / "into")


def test_what_was_cleaned_is_described_by_a_child_that_never_saw_what_came_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    came = tmp_path / "came.pt"
    came.write_bytes(b"class B")
    verdict = GateVerdict(
        trust="B", came_as="checkpoint", sha256=digests_of(came)[0], cleaning=("Kept 2 tensors.",)
    )
    cleaned = tmp_path / "cleaned"
    cleaned.mkdir()
    asked: list[str] = []
    real = Supervisor._ask

    def ask(self: Supervisor, message: dict[str, Any], doing: str, listener: Any) -> Any:
        asked.append(message["request"]["path"])
        if message["request"]["gate"] is not None:
            return real(self, message, doing, listener)
        assert self._scratch is not None
        folder = self._scratch / CLEANED / "1" / "came"
        folder.parent.mkdir(parents=True)
        linear_folder(folder, [number("income")], [1.0])
        request = ModelRequest(path=str(folder)).model_dump()
        said = real(self, {**message, "request": request}, doing, listener)
        said[0]["report"]["facts"]["gate"] = verdict.model_dump(mode="json")
        said[0]["report"]["notes"] = ["a lie"]
        return said

    monkeypatch.setattr(Supervisor, "_ask", ask)
    with Supervisor(None) as supervisor:
        report: ModelReport = supervisor.describe_model(ModelRequest(path=str(came)), cleaned)
    assert asked == [str(came), str(cleaned)]
    assert report.facts.gate == verdict
    assert report.notes == ()
    assert (cleaned / "model.safetensors").is_file()
