"""Codes that cannot be guessed and can be read from paper."""

from __future__ import annotations

import pytest

from reports.codes import ALPHABET, LENGTH, grouped, new_code, read_code


def test_a_code_has_120_bits_and_no_letter_that_is_misread() -> None:
    assert len(ALPHABET) ** LENGTH >= 2**120
    assert not set("ILOU") & set(ALPHABET)
    codes = {new_code() for _ in range(500)}
    assert len(codes) == 500
    assert all(read_code(code) == code for code in codes)


@pytest.mark.parametrize("change", [str.lower, grouped, lambda c: c.replace("0", "O").replace("1", "l")])
def test_a_code_is_read_however_it_is_typed(change: object) -> None:
    code = "0123456789ABCDEFGHJKMNPQ"
    assert read_code(change(code)) == code  # type: ignore[operator]
    assert read_code(f" {code[:9]}\u200b{code[9:]}\n") == code


@pytest.mark.parametrize("typed", ["", "0123", "U" * 24, "0" * 25, "0" * 100_000, "<script>", "\x00" * 24])
def test_what_is_no_code_is_none(typed: str) -> None:
    assert read_code(typed) is None
