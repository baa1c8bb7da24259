"""Patterns of real tokenizers run; what could go back for ever does not, and the check itself is quick."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.intake.patterns import why_endless

PUBLISHED = {
    "GPT-2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "Llama 3": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+",
    "o200k": r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "CLIP": r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    "BLOOM": r" ?[^(\s|[.,!?…。，、।۔،])]+",
    "DeepSeek": r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
    r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "Falcon": "[0-9][0-9][0-9]",
    "blanks": r" {2,}",
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_patterns_of_published_tokenizers_run(name: str) -> None:
    assert why_endless(PUBLISHED[name]) is None


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (r"(a+)+$", "run for ever"),
        (r"(?:x|x)*y", "run for ever"),
        (r"(?>a?)*", "run for ever"),
        (r"a**", "run for ever"),
        (r"(a{2,9}){9,}", "run for ever"),
        (r"\X*z", "run for ever"),
        (r".*.*.*.*.*x", "run for ever"),
        (r"(?x) (a+) +", "kind of group"),
        (r"(?(1)a|b)", "kind of group"),
        (r"(a)\1", "refers back"),
        (r"(?#(a+)+)b", "comment"),
        (r"(((", "brackets"),
        (r"a)", "brackets"),
        (r"[a", "brackets"),
        ("(" * 60 + ")" * 60, "nested"),
        ("\\", "backslash"),
        ("*a", "repeats nothing"),
    ],
)
def test_what_could_run_for_ever_is_not_run(pattern: str, why: str) -> None:
    assert why in (why_endless(pattern) or "")


_PIECES = st.sampled_from(["a", "b", "(", ")", "(?:", "|", "*", "+", "?", "{2,}", "{1,9}", "[ab]", r"\w"])


@settings(deadline=None, max_examples=300)
@given(st.lists(_PIECES, max_size=12).map("".join))
def test_whatever_is_let_through_ends(pattern: str) -> None:
    """Python's engine goes back as Oniguruma's does: what is let through ends on a text that lures it."""
    if why_endless(pattern) is not None:
        return
    try:
        compiled = re.compile(pattern + "!")
    except re.error:
        return
    start = time.process_time()
    compiled.match("ab" * 20)
    compiled.match("a" * 40)
    assert time.process_time() - start < 2
