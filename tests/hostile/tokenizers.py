"""Tokenizers whose patterns never end, whose tables are broken, or that name classes of their own."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.hostile.case import Hostile
from tests.hostile.transformer_folders import sound

__all__ = ["CASES"]

_ENDLESS = "could run for ever"
_HIDDEN = "a control character that may hide"


def _with(**parts: Any) -> Callable[[Path], Path]:
    """A sound BERT whose tokenizer.json has other parts."""

    def make(folder: Path) -> Path:
        model = sound(folder)
        path = model / "tokenizer.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **parts}))
        return model

    return make


def _split(pattern: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def _replace(pattern: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"Regex": pattern}, "content": " "}


def _settings(**more: Any) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        model = sound(folder)
        path = model / "tokenizer_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **more}))
        return model

    return make


def _text(content: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        model = sound(folder)
        (model / "tokenizer.json").write_text(content)
        return model

    return make


def _sequence(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "pretokenizers": list(parts)}


def _dropout(folder: Path) -> Path:
    """Byte pairs that are merged at random."""
    made = {"type": "BPE", "dropout": 0.5, "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}
    return _with(model=made)(folder)


CASES = (
    Hostile("tokens cut at random", _dropout, r"at random \(dropout 0\.5\)"),
    Hostile("a control character before a class", _with(pre_tokenizer=_split(r"\c[?(a+)+$]")), _HIDDEN),
    Hostile("another spelling of it", _with(pre_tokenizer=_split(r"\C-[?(a+)+$]")), _HIDDEN),
    Hostile("a meta character", _with(pre_tokenizer=_split(r"\M-[?(a+)+$]")), _HIDDEN),
    Hostile("a control character in a class", _with(pre_tokenizer=_split(r"[\c]](a+)+$[x]")), _HIDDEN),
    Hostile("(a+)+$", _with(pre_tokenizer=_split("(a+)+$")), _ENDLESS),
    Hostile("(a*)*b", _with(pre_tokenizer=_split("(?:a*)*b")), _ENDLESS),
    Hostile("(a|a)*b", _with(pre_tokenizer=_split("(a|a)*b")), _ENDLESS),
    Hostile("(a|aa)+$", _with(pre_tokenizer=_split("^(a|aa)+$")), _ENDLESS),
    Hostile("counted repeats", _with(pre_tokenizer=_split("(a{1,500}){1,500}b")), _ENDLESS),
    Hostile("optional parts", _with(pre_tokenizer=_split("(a?b?c?)*d")), _ENDLESS),
    Hostile("hidden in a lookahead", _with(pre_tokenizer=_split(r"(?=(\s+)+x)y")), _ENDLESS),
    Hostile("few repeats of few repeats", _with(pre_tokenizer=_split("(((a{1,8}){1,8}){1,8})b")), _ENDLESS),
    Hostile("eight endless repeats", _with(pre_tokenizer=_split("(?:a+){8}b")), _ENDLESS),
    Hostile("many optional parts", _with(pre_tokenizer=_split("a?" * 40 + "a" * 40)), _ENDLESS),
    Hostile("many repeats in a row", _with(pre_tokenizer=_split("a*a*a*a*a*a*a*a*a*a*b")), _ENDLESS),
    Hostile("a reference back", _with(pre_tokenizer=_split(r"(\w+)\s\1")), "refers back"),
    Hostile("a pattern that calls itself", _with(pre_tokenizer=_split(r"(?<n>a\g<n>?b)")), "refers back"),
    Hostile("a million characters", _with(pre_tokenizer=_split("a" * 1_000_000)), "characters"),
    Hostile(
        "an endless repeat in a sequence",
        _with(pre_tokenizer=_sequence(_split("x"), _split("(a+)+$"))),
        _ENDLESS,
    ),
    Hostile("in the normalizer", _with(normalizer=_replace("(a+)+$")), _ENDLESS),
    Hostile("in the decoder", _with(decoder=_replace("(a+)+$")), _ENDLESS),
    Hostile(
        "in a sequence of normalizers",
        _with(normalizer={"type": "Sequence", "normalizers": [_replace("([a-z]+)*!")]}),
        _ENDLESS,
    ),
    Hostile("not a pattern", _with(pre_tokenizer=_split("(((")), "."),
    Hostile(
        "a replacement of gigabytes",
        _with(normalizer={"type": "Replace", "pattern": {"String": ""}, "content": "x" * 10_000_000}),
        ".",
    ),
    Hostile(
        "replacements that double one after the other",
        _with(
            normalizer={
                "type": "Sequence",
                "normalizers": [
                    {"type": "Replace", "pattern": {"String": "a"}, "content": "aa"} for _ in range(40)
                ],
            }
        ),
        "replacement after replacement",
    ),
    Hostile(
        "a map that is broken",
        _with(normalizer={"type": "Precompiled", "precompiled_charsmap": b64encode(b"\xff" * 64).decode()}),
        ".",
    ),
    Hostile("nested deep", _text("[" * 1_000_000), "not JSON"),
    Hostile(
        "an unknown part",
        _with(pre_tokenizer={"type": "Python", "code": "import os"}),
        "tokenizer cannot be loaded",
    ),
    Hostile("remote code", _settings(trust_remote_code=True), "remote code"),
    Hostile(
        "ids of gigabytes",
        _with(
            added_tokens=[
                {
                    "id": 2**31,
                    "content": "x",
                    "special": False,
                    "single_word": False,
                    "lstrip": False,
                    "rstrip": False,
                    "normalized": False,
                }
            ]
        ),
        ".",
    ),
    Hostile(
        "padding of gigabytes",
        _with(
            padding={
                "strategy": {"Fixed": 2**40},
                "direction": "Right",
                "pad_to_multiple_of": None,
                "pad_id": 0,
                "pad_type_id": 0,
                "pad_token": "[PAD]",
            }
        ),
        "pads|padding",
    ),
)
