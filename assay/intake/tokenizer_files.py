"""Which files of a Hugging Face folder hold its tokenizer; what they ask for is looked at by the gate."""

from __future__ import annotations

from pathlib import Path

from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.limits import MAX_JSON

__all__ = ["PIECES", "check_tokenizer"]

PIECES = "tokenizer.model"
"""A SentencePiece vocabulary."""


def check_tokenizer(folder: Path, *, pieces: bool = False) -> None:
    """Raises BadInput: no tokenizer that Assay reads, or one that is too large.

    Args:
        pieces: whether a SentencePiece vocabulary alone will do.
    """
    name = visible(folder.name)
    there = {member.name for member in folder.iterdir() if member.is_file()}
    if "tokenizer.json" in there:
        return
    if pieces and PIECES in there:
        if (folder / PIECES).stat().st_size > MAX_JSON:
            raise BadInput(f"{name}/{PIECES} has more than {MAX_JSON // 2**20} MB.")
    elif "vocab.txt" not in there and not {"vocab.json", "merges.txt"} <= there:
        more = f", {PIECES}" if pieces else ""
        raise BadInput(
            f"{name} has no fast tokenizer (tokenizer.json{more}, vocab.txt, or vocab.json with merges.txt). "
            "Save it there with tokenizer.save_pretrained."
        )
