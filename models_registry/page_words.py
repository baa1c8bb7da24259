"""What the engine says, in words for whoever reads a page: without options of the command line, and without
the folder in which the sandbox holds a model."""

from __future__ import annotations

import re

__all__ = ["counted", "page_words"]

_FOLDER = re.compile(r"(?<![\w/.-])model/(?=[\w.])")
"""Where description.lay_out_model puts the files of a version."""
_FLAG = re.compile(r",? with --[a-z]+| \(--[a-z]+\)")


def page_words(said: str) -> str:
    """The sentence without what its reader does not have."""
    told = _FOLDER.sub("", _FLAG.sub("", said))
    return re.sub(r"(?<=\. )--signature", "A correction", told).replace("--signature", "a correction")


def counted(note: str) -> str:
    """A note of the engine that row(s) were left out, in the singular or the plural."""
    return re.sub(r"(?<!\S)1 row\(s\)(.*?)\bwere\b", r"1 row\1was", note).replace("row(s)", "rows")
