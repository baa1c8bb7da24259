"""Text tables: delimiters, quotes, blanks, encodings, gzip, and one clear sentence for each broken file."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path

import pytest

from assay.contracts import DataRequest, FileRequest
from assay.datasets.subject import Subject
from assay.errors import BadInput
from assay.intake import text_stream
from assay.intake.table import take_in


def _take(folder: Path, content: bytes, header: tuple[str, ...] | None = None, **request: object) -> Subject:
    path = folder / "loans.csv"
    path.write_bytes(content)
    request = {"label": "y"} | request
    return take_in(DataRequest(test=FileRequest(path=str(path), header=header), **request), folder)


def _refused(folder: Path, content: bytes, **request: object) -> str:
    with pytest.raises(BadInput) as refusal:
        _take(folder, content, **request)
    assert "\n" not in refusal.value.message
    assert str(folder) not in refusal.value.message
    return refusal.value.message


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    lines = ["y,name,x", '1,"Smith; John, Jr|\t",1', "0,b,2", "1,c,3"]
    text = "\n".join(
        line.replace(",", delimiter) if '"' not in line else f'1{delimiter}"Smith; John, Jr|\t"{delimiter}1'
        for line in lines
    )
    profile = _take(tmp_path, text.encode()).profile
    assert [column.name for column in profile.test.columns] == ["y", "name", "x"]
    assert profile.test.rows == 3


def test_decimal_commas_do_not_hide_the_semicolon(tmp_path: Path) -> None:
    profile = _take(tmp_path, b"y;a;b\n1;1,5;2,5\n0;3,5;4,5\n").profile
    assert [column.name for column in profile.test.columns] == ["y", "a", "b"]


def test_one_column_is_a_table_too(tmp_path: Path) -> None:
    assert _take(tmp_path, b"y\n1\n0\n").profile.test.rows == 2


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_every_newline_a_missing_last_one_and_a_byte_order_mark_are_read(
    tmp_path: Path, newline: bytes
) -> None:
    content = b"\xef\xbb\xbf" + newline.join([b"", b"y,x", b"1,2", b"0,3"])
    subject = _take(tmp_path, content)
    assert [column.name for column in subject.profile.test.columns] == ["y", "x"]
    (batch,) = subject.dataset("test").batches(["x"])
    assert batch.numbers("x").tolist() == [2, 3]


def test_quoted_cells_keep_delimiters_quotes_and_newlines(tmp_path: Path) -> None:
    subject = _take(tmp_path, b'y,"a ""b"", c"\n1,"x,\ny"\n0,"say ""no"""\n1,"x,\ny"\n0,"say ""no"""\n')
    column = subject.profile.test.columns[1]
    assert column.name == 'a "b", c'
    assert column.categories == ('say "no"', "x,\\ny")  # control characters are spelt out


def test_blanks_around_names_and_values_are_trimmed_and_noted(tmp_path: Path) -> None:
    subject = _take(
        tmp_path, "y , sex\n 1, Male\n0 ,Male \n1,\u00a0Female\n0,Female\n".encode(), sensitive=("sex",)
    )
    assert subject.profile.test.column("sex").counts == (2, 2)
    assert "loans.csv: blanks around 2 column name(s) were removed." in subject.profile.notes
    assert "loans.csv: blanks around values were removed in 2 column(s)." in subject.profile.notes


def test_a_word_in_the_last_row_does_not_break_a_column(tmp_path: Path) -> None:
    rows = b"".join(b"%d,%d\n" % (i % 2, i) for i in range(20_000))
    subject = _take(tmp_path, b"y,x\n" + rows + b"1,N/A\n")
    column = subject.profile.test.column("x")
    assert (column.kind, column.missing, column.maximum) == ("number", 1, 19_999)
    text = _take(tmp_path, b"y,x\n" + rows + b"1,unknown\n").profile.test.column("x")
    assert text.kind == "text"


def test_names_can_be_given_to_a_headerless_file(tmp_path: Path) -> None:
    profile = _take(tmp_path, b"1,a\n0,b\n", header=("y", "x")).profile
    assert profile.test.rows == 2
    assert "--header gives 3 names" in _refused(tmp_path, b"1,a\n0,b\n", header=("y", "x", "z"))


def test_a_headerless_file_without_names_gets_the_hint(tmp_path: Path) -> None:
    message = _refused(tmp_path, b"39,State-gov,2174\n50,Private,0\n")
    assert message.startswith('loans.csv has no column "y" (label).')
    assert message.endswith("give the names with --header.")
    assert "--header" in _refused(tmp_path, b"39,0,0\n50,1,0\n")


def test_gzip_is_transparent_members_and_padding_included(tmp_path: Path) -> None:
    plain = _take(tmp_path, b"y,x\n1,2\n0,3\n").profile
    packed = gzip.compress(b"y,x\n1,2\n") + gzip.compress(b"0,3\n") + b"\0" * 512
    profile = _take(tmp_path, packed).profile
    assert profile.test.columns == plain.test.columns
    assert profile.test.sha256 != plain.test.sha256


def test_the_digest_is_of_the_file_as_it_came(tmp_path: Path) -> None:
    from hashlib import sha256

    for content in (b"y,x\n1,2\n0,3\n", b"\xef\xbb\xbf\n\ny\n1\n0", gzip.compress(b"y,x\n1,2\n0,3\n")):
        assert _take(tmp_path, content).profile.test.sha256 == sha256(content).hexdigest()


def test_broken_gzip_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(b"y,x\n" + b"1,2\n0,3\n" * 1000)
    assert "cut off" in _refused(tmp_path, packed[:-12])
    assert "damaged" in _refused(tmp_path, packed[:20] + b"\xff" * 8 + packed[28:])


def test_a_gzip_bomb_is_refused_before_it_unpacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_stream, "RATIO_FROM", 2**20)
    packer = zlib.compressobj(9, wbits=31)
    line = b"1,2\n" * 2**18
    bomb = packer.compress(b"y,x\n") + b"".join(packer.compress(line) for _ in range(8)) + packer.flush()
    assert "more than 200 times its size" in _refused(tmp_path, bomb)
    monkeypatch.setattr(text_stream, "MAX_RATIO", 10**9)
    monkeypatch.setattr(text_stream, "MAX_UNPACKED_TEXT", 2**22)
    assert "unpacks to more than" in _refused(tmp_path, bomb)


@pytest.mark.parametrize("before", [0, 10, 300_000])
def test_bytes_that_are_no_utf8_are_located(tmp_path: Path, before: int) -> None:
    head = b"y,x\n" + b"1,2\n" * before
    message = _refused(tmp_path, head + b"0,caf\xe9\n")
    assert message == (
        f"loans.csv is not UTF-8: byte 0xE9 at offset {len(head) + 5:,} (line {before + 2:,}). "
        "Save it as UTF-8."
    )


def test_a_character_cut_by_the_end_of_the_file_is_no_utf8(tmp_path: Path) -> None:
    assert "byte 0xC3 at offset 7 (line 2)" in _refused(tmp_path, b"y,x\n1,2\xc3")


def test_utf8_characters_may_straddle_the_blocks(tmp_path: Path) -> None:
    for shift in range(3):
        content = b"y,x\n" + b"1," + b"a" * shift + "é€".encode() * 150_000 + b"\n0,b\n"
        assert _take(tmp_path, content).profile.test.rows == 2


def test_nul_bytes_are_located(tmp_path: Path) -> None:
    assert "NUL byte at offset 7 (line 2)" in _refused(tmp_path, b"y,x\n1,a\0b\n0,c\n")


def test_a_ragged_row_is_named_with_what_was_found(tmp_path: Path) -> None:
    message = _refused(tmp_path, b"y,x,z\n1,2,3\n0,5\n")
    assert message == (
        "loans.csv, data row 2: 2 values where the header has 3 columns (separated by commas)."
    )
    assert "data row 2: 4 values" in _refused(tmp_path, b"1,2,3\n0,5,6,7\n", header=("y", "x", "z"))


def test_a_quote_that_is_never_closed_is_noticed(tmp_path: Path) -> None:
    assert "never closed" in _refused(tmp_path, b'y,x\n1,a\n0,"b\n1,c\n0,d\n')
    assert _take(tmp_path, b'y,x\n1,5" pipe\n0,b\n').profile.test.rows == 2  # an inch is no open quote


def test_a_line_of_ten_megabytes_is_refused(tmp_path: Path) -> None:
    assert "line 2 is longer than 2 MB" in _refused(tmp_path, b"y,x\n1," + b"a" * 10_000_000 + b"\n0,b\n")
    assert "line 1 is longer than 2 MB" in _refused(tmp_path, b"a" * 10_000_000)
    allowed = (b"1," + b"a" * (2**21 - 2) + b"\n0,b\n") * 4
    assert _take(tmp_path, b"y,x\n" + allowed).profile.test.rows == 8
    quoted = b'y,x\n1,"' + b"a\n" * 10_000_000 + b'"\n0,b\n'
    assert "row that goes on for more than 2 MB" in _refused(tmp_path, quoted)


def test_a_hundred_thousand_columns_are_refused_and_two_thousand_read(tmp_path: Path) -> None:
    wide = ",".join(f"c{i}" for i in range(100_000)).encode()
    assert _refused(tmp_path, wide + b"\n") == "loans.csv has 100,000 columns; Assay reads at most 10,000."
    names = ",".join(["y", *(f"c{i}" for i in range(1_999))]).encode()
    profile = _take(
        tmp_path, names + b"\n" + b"\n".join(b"%d" % (i % 2) + b",5" * 1_999 for i in range(4))
    ).profile
    assert len(profile.test.columns) == 2_000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\n\n \n", "loans.csv holds nothing but blank lines."),
        (b"y,x\n", "loans.csv has a header but no data rows."),
        (b"y,x", "loans.csv has a header but no data rows."),
        (b"y,x\n\n\n", "loans.csv has a header but no data rows."),
    ],
)
def test_a_file_without_rows_says_so(tmp_path: Path, content: bytes, message: str) -> None:
    assert _refused(tmp_path, content) == message


def test_doubled_names_are_refused_and_nameless_columns_numbered(tmp_path: Path) -> None:
    assert 'two columns named "x" (columns 2 and 3)' in _refused(tmp_path, b"y,x, x\n1,2,3\n0,2,3\n")
    profile = _take(tmp_path, b",y\n0,1\n1,0\n").profile
    assert profile.test.columns[0].name == "column 1"
    assert any('it is called "column 1"' in note for note in profile.notes)


def test_control_characters_in_names_are_spelt_out(tmp_path: Path) -> None:
    profile = _take(tmp_path, "y,a\x1b[31m,\u202eb\n1,2,3\n0,3,4\n".encode()).profile
    assert [column.name for column in profile.test.columns] == ["y", "a\\x1b[31m", "\\u202eb"]
    assert sum("were spelt out" in note for note in profile.notes) == 2


def test_an_endless_name_is_refused(tmp_path: Path) -> None:
    assert "has 500 characters" in _refused(tmp_path, b"y," + b"n" * 500 + b"\n1,2\n0,3\n")
    assert "cannot be read as column names" in _refused(tmp_path, b"y," + b"n" * 200_000 + b"\n1,2\n0,3\n")


def test_huge_integers_and_dates_are_read(tmp_path: Path) -> None:
    huge = b"9" * 400
    subject = _take(tmp_path, b"y,big,day\n1,%s,2024-01-02\n0,12345678901234567890,2024-01-02\n" % huge)
    big = subject.profile.test.column("big")
    assert (big.kind, big.missing, big.maximum) == ("number", 1, 1.23456789012e19)
    assert subject.profile.test.column("day").categories == ("2024-01-02",)
    assert any("1 infinite value(s) count as missing" in note for note in subject.profile.notes)


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (scratch / "test.arrow").symlink_to("/dev/full")
    path = tmp_path / "loans.csv"
    path.write_bytes(b"y,x\n" + b"1,2\n0,3\n" * 100_000)
    with pytest.raises(BadInput, match="cannot be written to the scratch folder: No space left on device"):
        take_in(DataRequest(test=FileRequest(path=str(path)), label="y"), scratch)


def test_a_file_that_changes_between_the_passes_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "loans.csv"
    path.write_bytes(b"y,x\n1,2\n0,3\n")
    steps = io.StringIO()

    def grow(share: float) -> None:
        if share == 0.5 and not steps.tell():
            steps.write("grown")
            path.write_bytes(b"y,x\n1,2\n0,3\n0,4\n")

    with pytest.raises(BadInput, match="changed while it was read"):
        take_in(DataRequest(test=FileRequest(path=str(path)), label="y"), tmp_path, grow)
