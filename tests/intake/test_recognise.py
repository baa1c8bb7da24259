"""Files are told by their content; whatever is no table is refused with the way out."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import tarfile
import zipfile
from pathlib import Path

import pytest

from assay.errors import BadInput
from assay.intake.recognise import FileKind, recognise


def _zip(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return buffer.getvalue()


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)  # test names must not hold the time


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.csv"))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"a,b\n1,2\n", FileKind("text", gzip=False)),
        (b"\xef\xbb\xbfa;b\n1;2\n", FileKind("text", gzip=False)),
        (_gzip(b"a\tb\n1\t2\n"), FileKind("text", gzip=True)),
        (b"PAR1\x15\x04", FileKind("parquet", gzip=False)),
    ],
)
def test_tables_are_recognised_whatever_their_name(tmp_path: Path, content: bytes, kind: FileKind) -> None:
    path = tmp_path / "misleading.pkl"
    path.write_bytes(content)
    assert recognise(path) == kind


@pytest.mark.parametrize(
    ("content", "what", "way_out"),
    [
        (pickle.dumps({"a": 1}), "Python pickle", "Save it as CSV or Parquet"),
        (pickle.dumps([1], protocol=2), "Python pickle", "CSV"),
        (_zip("[Content_Types].xml", "xl/workbook.xml"), "Excel workbook", "Export the sheet as CSV"),
        (_zip("a.csv"), "zip archive", "Unpack it"),
        (_tar(), "tar archive", "Unpack it"),
        (b"<!DOCTYPE html><html>", "HTML page", "as CSV or Parquet"),
        (b"\n  <html><body>", "HTML page", "as CSV or Parquet"),
        (b"<?xml version='1.0'?>", "XML", "CSV"),
        (b'[{"a": 1}]', "JSON array", "one object a line"),
        (b"\xff\xfea\x00,\x00b\x00", "UTF-16", "Save it as UTF-8"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1....", "old Excel", "CSV"),
        (b"ARROW1\0\0", "Arrow or Feather", "Parquet"),
        (b"\x93NUMPY\x01\x00", "NumPy", "CSV"),
        (b"SQLite format 3\x00", "SQLite", "CSV"),
        (b"%PDF-1.7", "PDF", "CSV"),
        (_gzip(_tar()), "gzip file that holds a tar archive", "Unpack it"),
        (_gzip(pickle.dumps([1])), "gzip file that holds a Python pickle", "CSV"),
        (_gzip(b"PAR1...."), "gzipped Parquet", "unpack it first"),
        (b"\x1f\x8bgarbage that is no gzip", "damaged", ""),
        (_gzip(b""), "nothing in it", ""),
        (b"", "is empty", ""),
    ],
)
def test_everything_else_is_refused_with_the_way_out(
    tmp_path: Path, content: bytes, what: str, way_out: str
) -> None:
    path = tmp_path / "loans.csv"
    path.write_bytes(content)
    with pytest.raises(BadInput) as refusal:
        recognise(path)
    assert refusal.value.message.startswith("loans.csv ")
    assert what in refusal.value.message
    assert way_out in refusal.value.message
    assert str(tmp_path) not in refusal.value.message


def test_a_missing_file_a_folder_and_a_pipe_are_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    for name, reason in (("nowhere.csv", "no file"), (".", "folder"), ("pipe.csv", "no regular file")):
        with pytest.raises(BadInput, match=reason):
            recognise(tmp_path / name)
    with pytest.raises(BadInput):
        recognise(Path("a\0b.csv"))


def test_a_file_name_cannot_move_the_cursor(tmp_path: Path) -> None:
    path = tmp_path / "evil\x1b[2Jname.csv"
    path.write_bytes(b"")
    with pytest.raises(BadInput, match=r"evil\\x1b\[2Jname\.csv is empty"):
        recognise(path)
