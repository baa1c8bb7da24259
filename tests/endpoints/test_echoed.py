"""Which tokens of an answer are the text's own, however a server spells them."""

from __future__ import annotations

import pytest

from assay.endpoints.echoed import covers_a_part, own_tokens, spells

HAPPY = "A 😀 é."


@pytest.mark.parametrize(
    ("tokens", "text", "expected"),
    [
        (["One", " two", " three"], "One two", (0, 2)),
        (["<s>", "One", " two", " three"], "One two", (1, 3)),
        (["", "One", " two", "</s>"], "One two", (0, 3)),  # a start token without a text
        (["<s>", "▁One", "▁two", "▁three"], "One two", (1, 3)),
        (["<s>", "One", "two", "three"], "One two", (1, 3)),
        (["<s>", "One", "two", "\n", "</s>"], "One two\n", (1, 4)),
        (["One", "two"], "One two", (0, 2)),  # nothing generated
        (["One", "\n", ""], "One\n", (0, 2)),  # the end of the text is a token without a text
        (["A ", "\ufffd", "\ufffd", "\ufffd", "\ufffd", " ", "\ufffd", "\ufffd", ".", "!"], HAPPY, (0, 9)),
        (["▁A", "▁", *["<0x9F>"] * 4, "▁", "<0xC3>", "<0xA9>", "<0x2E>", "x"], HAPPY, (0, 10)),
        (["A", "bytes:\\x20\\xf0\\x9f", "bytes:\\x98\\x80", " é", ".", "x"], HAPPY, (0, 5)),
        (["A ", "", "", "", "😀", " ", "", "é", ".", "x"], HAPPY, (0, 9)),
        (["One", " to"], "One two", None),
        (["One"], "One two", None),
        ([" three"], "One two", None),
        (["One", " two", " three", " four", "x"], "One two three", (0, 3)),
        (["one", "two", "three", "four"], "one two", None),  # two more than the text, of lossy tokens
        ([], "One", None),
        (["\ufffd"], "One", None),
        (["token_id:5", "token_id:7"], "One", None),
    ],
)
def test_the_own_tokens_of_a_text_spell_it(
    tokens: list[str], text: str, expected: tuple[int, int] | None
) -> None:
    found = own_tokens(tokens, text, start=True)
    assert (None if found is None else (found.start, found.stop)) == expected


def test_only_a_token_without_a_likelihood_may_be_a_start_token() -> None:
    assert own_tokens(["<s>", "One", " two"], "One", start=False) is None


@pytest.mark.parametrize(
    ("said", "text", "fits"),
    [
        ("a\ufffdb", "aéb", True),
        ("a\ufffdb", "ab", False),
        ("a\ufffdb", "aééb", False),
        ("a\ufffd\ufffdb", "aééb", True),
        ("a\ufffd\ufffdb", "aéb", True),
        ("\ufffd\ufffd", "éé", True),
        ("\ufffd", "", False),
        ("a\ufffdb", "aéc", False),
        ("a\ufffdb", "aébc", False),
        ("é\ufffd\ufffdé", "éèé", True),
        ("\ufffd", "\ufffd", True),
        ("o n e", "\u2581one\n", True),
        ("", " \n", True),
    ],
)
def test_parts_of_characters_stand_for_as_many_at_most(said: str, text: str, fits: bool) -> None:
    assert spells(said, text) is fits


def test_a_text_that_was_cut_is_known_by_its_beginning_or_end() -> None:
    text = "One two three four"
    assert covers_a_part(["One", " two", " five"], text)
    assert covers_a_part(["<s>", " three", " four", " five"], text)
    assert not covers_a_part([" five", " six", " seven"], text)
    assert not covers_a_part([" One"], text)
