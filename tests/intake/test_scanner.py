"""The tripwire tells what is odd in a model's files, changes no decision, and is silent on honest ones."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from assay.contracts import ModelRequest
from assay.intake.model_files import model_files
from assay.intake.scanner import scan_files
from assay.loading import load_model
from tests.models.made import linear_folder, number, tiny_bert


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return linear_folder(tmp_path / "m", [number("x")], [1.0])


def _found(path: Path) -> tuple[str, ...]:
    return scan_files(model_files(path))


def test_honest_models_trip_nothing(folder: Path, tmp_path: Path) -> None:
    assert _found(folder) == ()
    assert _found(tiny_bert(tmp_path / "bert")) == ()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("old.bin", pickle.dumps({"a": 1}), "old.bin is a Python pickle; it was not opened."),
        (".cache", b"x", ".cache is a hidden file."),
        ("notes.txt", b"x" * 100 + b"\x7fELF\x02\x01\x01" + bytes(50), "holds a Linux program, at byte 100"),
        ("a.dat", b"MZ" + bytes(70) + b"This program cannot be run in DOS mode", "a Windows program"),
        ("b.txt", b"#!/bin/sh\nrm -rf /\n", "a shell script, at byte 0"),
        ("README.md", b"run os.system('x') and eval(y)", r"words of code or commands: os.system, eval\("),
        (
            "more.json",
            json.dumps({"url": "https://evil.example/x"}).encode(),
            "names addresses.*evil.example",
        ),
    ],
)
def test_what_is_odd_is_told_and_the_model_loads_all_the_same(
    folder: Path, name: str, content: bytes, says: str
) -> None:
    (folder / name).write_bytes(content)
    facts = load_model(ModelRequest(path=str(folder), device="cpu")).facts
    assert facts.gate is not None
    said = " ".join(facts.gate.findings)
    assert re.search(says, said), said


def test_a_program_inside_weights_and_across_two_reads_is_found(tmp_path: Path) -> None:
    weights = np.zeros(3 * 2**20, np.uint8)
    save_file({"a": weights}, tmp_path / "model.safetensors")
    assert _found(tmp_path) == ()
    content = bytearray((tmp_path / "model.safetensors").read_bytes() * 2)
    place = 4 * 2**20 - 3
    content[place : place + 7] = b"\x7fELF\x02\x01\x01"
    (tmp_path / "model.safetensors").write_bytes(content)
    assert _found(tmp_path) == (
        f"model.safetensors holds a Linux program, at byte {place:,}; nothing ran it.",
    )


def test_many_findings_are_cut_and_counted(folder: Path) -> None:
    for place in range(40):
        (folder / f".hidden-{place}").touch()
    found = _found(folder)
    assert len(found) == 20
    assert found[-1] == "21 more findings of these kinds."


def test_names_are_printed_without_their_control_characters(folder: Path) -> None:
    (folder / ".\x1b[2J").touch()
    assert "\x1b" not in "".join(_found(folder))
