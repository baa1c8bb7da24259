"""The tokenizer of a Hugging Face folder, looked at before a library sees it.

tokenizers matches regular expressions by backtracking, so that one line of tokenizer.json can take for ever
on a short text. Only patterns that are known from published models are let through, and those that cannot
backtrack at all: one character or class, repeated. Chat templates are texts that Assay never renders.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.model_files import read_json

__all__ = ["KNOWN_PATTERNS", "PIECES", "check_tokenizer"]

PIECES = "tokenizer.model"
_MAX_PIECES = 64 * 2**20
_MAX_LENGTH = 4_096
_CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_SPACES = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_O200K = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+"
    rf"{_LOWER}*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
)
KNOWN_PATTERNS: dict[str, str] = {
    "GPT-2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "GPT-2, as a group": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "cl100k (Llama 3)": _CONTRACTIONS
    + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    + _SPACES,
    "Qwen2": _CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*" + _SPACES,
    "Qwen3.5": _CONTRACTIONS
    + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"
    + _SPACES,
    "o200k (GPT-4o)": _O200K + r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + _SPACES,
    "Tekken (Mistral)": _O200K.replace("(?i:'s|'t|'re|'ve|'m|'ll|'d)?", "")
    + r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*"
    + _SPACES,
    "CLIP": r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    "CLIP, converted": r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    "BLOOM": r" ?[^(\s|[.,!?…。，、।۔،])]+",
    "DeepSeek": "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+"
    r"|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*" + _SPACES,
    "DeepSeek, numbers": r"\p{N}{1,3}",
    "DeepSeek, scripts": "[一-龥\u3040-ゟ゠-ヿ]+",
    "T5, spaces": r"\s{2,}|[\n\r\t]",
    "SentencePiece, ends": "^▁+$",
    "SentencePiece, spaces": " +▁",
}
"""Pre-tokenizers and normalizers of published models; one that is not here is refused."""
_ATOM = r"(?:\\[pP]\{\^?\w{1,40}\}|\\[sSdDwWnrtf]|\[(?:[^\[\]\\&]|\\.)+\]|[^\\^$.|?*+()\[\]{}]|\\[^\w\s])"
_SIMPLE = re.compile(rf"{_ATOM}(?:[+*?]|\{{\d{{1,3}}(?:,\d{{0,3}})?\}})?")
"""One character or class, perhaps repeated: nothing that a match could come back to."""


def check_tokenizer(folder: Path, *, slow: bool = False) -> None:
    """Raises BadInput: no tokenizer, a pattern that is not known, files that are too large or no JSON.

    Args:
        slow: whether a SentencePiece model alone (tokenizer.model) will do.
    """
    name = visible(folder.name)
    there = {member.name for member in folder.iterdir() if member.is_file()}
    if "tokenizer.json" in there:
        _check_patterns(name, read_json(folder / "tokenizer.json"))
    elif slow and PIECES in there:
        if (folder / PIECES).stat().st_size > _MAX_PIECES:
            raise BadInput(f"{name}/{PIECES} has more than {_MAX_PIECES // 2**20} MB.")
    elif "vocab.txt" not in there and not {"vocab.json", "merges.txt"} <= there:
        more = f", {PIECES}" if slow else ""
        raise BadInput(
            f"{name} has no fast tokenizer (tokenizer.json{more}, vocab.txt, or vocab.json with merges.txt). "
            "Save it there with tokenizer.save_pretrained."
        )


def _check_patterns(name: str, tokenizer: Any) -> None:
    if not isinstance(tokenizer, dict):
        raise BadInput(f"{name}/tokenizer.json is no JSON object.")
    for part in ("normalizer", "pre_tokenizer", "post_processor", "decoder"):
        for pattern in _patterns(tokenizer.get(part)):
            simple = len(pattern) <= _MAX_LENGTH and _SIMPLE.fullmatch(pattern) is not None
            if not simple and pattern not in KNOWN_PATTERNS.values():
                raise BadInput(
                    f"{name}/tokenizer.json splits texts by a pattern that Assay does not know "
                    f'("{visible(pattern[:60])}"); a pattern can take for ever on a short text. Use the '
                    "tokenizer that the architecture was published with."
                )


def _patterns(value: Any, depth: int = 0) -> Iterator[str]:
    if depth > 16:
        raise BadInput("A tokenizer.json nests its parts too deeply.")
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "Regex":
                yield str(inner)
            yield from _patterns(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _patterns(inner, depth + 1)
