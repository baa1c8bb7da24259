"""YAML that others wrote: plain data within limits, read without tags, anchors or aliases.

An alias lets a page of YAML stand for gigabytes, a tag lets it name Python objects, and deep nesting ends the
interpreter. So the stream of events is looked at before anything is built from it.
"""

from __future__ import annotations

import math
from typing import Any

from assay.datasets.values import visible
from assay.errors import BadInput

__all__ = ["MAX_YAML", "read_yaml"]

MAX_YAML = 256 * 1024
_MAX_DEPTH = 12
_MAX_NODES = 20_000
_MAX_DIGITS = 300
"""Of one number: the digits of a decimal integer cost their square."""


def read_yaml(text: bytes, name: str) -> Any:
    """The JSON-like value of one YAML document; times and odd numbers stay the text that they were.

    Args:
        name: how messages call it.

    Raises:
        BadInput: over 256 KB, not UTF-8, not YAML, more than one document, tags, anchors or aliases, nested
            deeper than 12 levels, more than 20,000 nodes.
    """
    import yaml

    if len(text) > MAX_YAML:
        raise BadInput(f"{name} has {len(text):,} bytes of YAML; at most {MAX_YAML:,} are read.")
    try:
        decoded = text.decode("utf-8")
        _check(decoded, name)
        loader = yaml.BaseLoader(decoded)  # builds text, lists and mappings, nothing else
        try:
            return _plain(loader.get_single_data())
        finally:
            loader.dispose()
    except UnicodeDecodeError:
        raise BadInput(f"{name} is not UTF-8; save it so.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark is not None else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "malformed"
        raise BadInput(f"{name} is not YAML{where}: {visible(str(problem)[:120])}.") from None


def _check(text: str, name: str) -> None:
    import yaml

    depth = nodes = documents = 0
    for event in yaml.parse(text, Loader=yaml.BaseLoader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise BadInput(f"{name} uses YAML anchors or aliases (& and *); write the values out.")
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise BadInput(f"{name} uses a YAML tag ({visible(str(tag)[:60])}); write plain values.")
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise BadInput(f"{name} holds more than one YAML document; leave one.")
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
            nodes += 1
            if nodes > _MAX_NODES:
                raise BadInput(f"{name} has more than {_MAX_NODES:,} values; a card or an MLmodel has a few.")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH:
                raise BadInput(f"{name} is nested deeper than {_MAX_DEPTH} levels.")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return _scalar(value) if isinstance(value, str) else value


def _scalar(text: str) -> Any:
    """Numbers, truth and nothing as YAML 1.2 means them; "no" is Norwegian."""
    if text in ("", "~", "null"):
        return None
    if text in ("true", "false"):
        return text == "true"
    if len(text) <= _MAX_DIGITS and text[0] in "-+.0123456789":
        try:
            return int(text) if text.lstrip("+-").isdecimal() else _finite(text)
        except ValueError:
            return text
    return text


def _finite(text: str) -> float | str:
    found = float(text)
    return found if math.isfinite(found) and "_" not in text else text
