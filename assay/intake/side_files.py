"""What lies beside weights and is handed to libraries: settings, tokenizers, chat templates, looked at first.

Whatever the format, a folder that asks for code of its own anywhere in its settings is refused; so is a
tokenizer whose patterns could run for ever or that blows texts up, and a chat template that reaches for
Python's internals or for other files. No template is rendered at intake.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.limits import MAX_CONFIG, MAX_JSON, MAX_LAYERS, MAX_NESTING, MAX_OUTPUTS
from assay.intake.model_files import read_json
from assay.intake.patterns import why_endless

__all__ = ["check_side_files", "entries"]

_OWN_CODE = ("auto_map", "trust_remote_code", "custom_pipelines", "custom_generate")
_TEMPLATES = (".jinja", ".jinja2")
_REACHES = re.compile(
    r"__\w+|\\x5f|\\u005f|\|\s*attr\b|\{%[-+]?\s*(?:include|import|extends|from)\b", re.IGNORECASE
)
_TAGS = ("{{", "{%")
_LONGEST_TEMPLATE = 256 * 1024
_STEPS = ("normalizer", "pre_tokenizer", "post_processor", "decoder")
_LONGEST_TEXT = 1_000
"""Characters of a text in a tokenizer's steps: a replacement of a megabyte makes gigabytes of a page."""
_MOST_GROWTH = 10_000
_MOST_PADDING = 1_000_000
_LOOPS = re.compile(r"(?:^|_)(?:layers?|blocks?|experts?|depths?)$")


def check_side_files(name: str, files: Iterable[tuple[str, Path]]) -> None:
    """Look at the settings among the files of a folder (relative name, path).

    Raises:
        BadInput: names the file, what it asks for, and what would be right.
    """
    for relative, path in files:
        where = f"{name}/{visible(relative)}"
        if path.suffix.lower() in _TEMPLATES:
            _check_template(where, path.read_bytes()[: _LONGEST_TEMPLATE + 1].decode("utf-8", "replace"))
        elif path.name == "tokenizer.json":
            _check_tokenizer(where, read_json(path))
        elif path.name == "config.json" or path.name.endswith("_config.json"):
            _check_settings(where, read_json(path, MAX_CONFIG if path.name == "config.json" else MAX_JSON))


def entries(value: Any, where: str, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Every key of nested objects with its value. Raises BadInput where they are nested beyond all need."""
    if depth > MAX_NESTING:
        raise BadInput(f"{where} is nested more than {MAX_NESTING} deep; no model's settings are.")
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key), inner
            yield from entries(inner, where, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from entries(inner, where, depth + 1)


def _check_settings(where: str, settings: Any) -> None:
    for key, value in entries(settings, where):
        if key in _OWN_CODE and value:
            what = "asks for remote code" if key == "trust_remote_code" else "names Python code of its own"
            raise BadInput(
                f"{where} {what} ({key}), which Assay never runs. Take it out, or use an architecture that "
                "transformers itself ships."
            )
        if key in ("chat_template", "template"):
            for text in _texts(value):
                _check_template(where, text)
        if isinstance(value, int) and _LOOPS.search(key) and value > MAX_LAYERS:
            raise BadInput(f"{where} claims {value:,} {visible(key[:80])}; at most {MAX_LAYERS:,} are built.")
        if key == "num_labels" and isinstance(value, int) and value > MAX_OUTPUTS:
            raise BadInput(
                f"{where} claims {value:,} classes (num_labels); at most {MAX_OUTPUTS:,} are read."
            )


def _check_template(where: str, text: str) -> None:
    if len(text) > _LONGEST_TEMPLATE:
        raise BadInput(f"{where}: its chat template has more than {_LONGEST_TEMPLATE:,} characters.")
    # From the first tag to the end: a string in a tag may hold what looks like the tag's own end.
    first = min((place for place in map(text.find, _TAGS) if place >= 0), default=len(text))
    found = _REACHES.search(text[first:])
    if found is not None:
        raise BadInput(
            f'{where}: its chat template reaches for what no conversation needs, "{visible(found[0][:20])}", '
            "as attacks do. Take the template out, or write it without."
        )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)


def _check_tokenizer(where: str, document: Any) -> None:
    if not isinstance(document, dict):
        raise BadInput(f"{where} is no JSON object.")
    for step in _STEPS:
        growth = 1
        for key, value in entries(document.get(step), where):
            if not isinstance(value, str) or key == "precompiled_charsmap":
                continue
            if key in ("content", "prepend"):
                growth *= max(len(value), 1)
            if growth > _MOST_GROWTH:
                raise BadInput(
                    f"{where}: its {step} may make a text more than {_MOST_GROWTH:,} times as long, "
                    "replacement after replacement. Use the tokenizer as its library ships it."
                )
            if key == "Regex":
                why = why_endless(value)
                if why is not None:
                    raise BadInput(
                        f'{where}: the pattern "{visible(value[:40])}" of its {step} is not run: {why}. '
                        "Use the tokenizer as its library ships it."
                    )
            elif len(value) > _LONGEST_TEXT:
                raise BadInput(
                    f"{where}: its {step} holds a text of {len(value):,} characters; at most "
                    f"{_LONGEST_TEXT:,} are read."
                )
    model = document.get("model")
    for key in ("dropout", "alpha"):
        share = model.get(key) if isinstance(model, dict) else None
        if share not in (None, 0):
            raise BadInput(
                f"{where} cuts texts into tokens at random ({key} {visible(str(share)[:20])}), so that a "
                f"text has other answers each time; set its {key} to null."
            )
    padding = document.get("padding")
    fixed = padding.get("strategy") if isinstance(padding, dict) else None
    if isinstance(fixed, dict) and isinstance(fixed.get("Fixed"), int) and fixed["Fixed"] > _MOST_PADDING:
        raise BadInput(f"{where} pads every text to {fixed['Fixed']:,} tokens; take the padding out.")
