"""Paths in a model's folder: what is kept and what is refused."""

from __future__ import annotations

import pytest

from assay.errors import BadInput
from models_registry.names import checked_name, checked_paths, in_one_folder, left_behind


@pytest.mark.parametrize(
    ("paths", "why"),
    [
        ([], "no files"),
        (["x"] * 1_001, "at most 1,000"),
        (["../secret"], "plainly"),
        (["a/../b"], "plainly"),
        (["/etc/passwd"], "absolute"),
        (["C:model.json"], "absolute"),
        (["a\\b"], "backslash"),
        (["a\nb"], "control"),
        (["a\u202eb"], "control"),
        (["a//b"], "plainly"),
        (["./a"], "plainly"),
        (["a" * 256], "characters"),
        (["é" * 120], "too long"),
        (["Config.json", "config.json"], "the same on some machines"),
        (["é.json", "e\u0301.json"], "the same on some machines"),
        (["a", "a/b"], "is a file and the folder"),
    ],
)
def test_odd_paths_are_refused_with_the_reason(paths: list[str], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        checked_paths(paths)


def test_plain_paths_pass_as_they_came() -> None:
    assert checked_paths(["model.safetensors", "sub/größe 1.json"]) == [
        "model.safetensors",
        "sub/größe 1.json",
    ]


def test_the_folder_that_a_browser_puts_in_front_is_taken_off() -> None:
    assert in_one_folder(["m/a", "m/s/b"]) == {"m/a": "a", "m/s/b": "s/b"}
    assert in_one_folder(["m/a", "b"]) == {"m/a": "m/a", "b": "b"}
    assert in_one_folder(["a"]) == {"a": "a"}


def test_what_an_operating_system_adds_is_left_behind() -> None:
    assert left_behind("m/.DS_Store")
    assert left_behind("__MACOSX/x")
    assert not left_behind("m/model.json")


def test_names_are_one_line_of_ordinary_characters() -> None:
    assert checked_name("  Loan <b>screen</b> ") == "Loan <b>screen</b>"
    assert checked_name("שלום 👩\u200d👩\u200d👧") == "שלום 👩\u200d👩\u200d👧"
    for name in ("", "   ", "\u200b\u200b", "a\x00b", "x" * 121, "a\nb", "\ud800", "a\u202eb", "a\u2028b"):
        with pytest.raises(BadInput):
            checked_name(name)
