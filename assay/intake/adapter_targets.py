"""Which modules of its base an adapter's configuration names, as PEFT reads it.

PEFT leaves tensors out that the configuration does not name, silently: an adapter is audited only where its
tensors are those that it runs with.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from assay.datasets.values import visible
from assay.intake.patterns import why_endless

__all__ = ["BadTargets", "Targets"]

_WORDS = re.compile(r"\w+(?:\.\w+)*")
_HEADS = {"SEQ_CLS": ("classifier", "score"), "TOKEN_CLS": ("classifier", "score")}
"""What PEFT trains whole with these tasks, whether the configuration says so or not."""
_MOST = 10_000
_LONGEST = 500


class BadTargets(Exception):
    """What is wrong with the configuration, as the rest of a sentence that begins with its name."""


class Targets:
    """The names of modules that adapter_config.json stands for.

    Args:
        config: its content.

    Raises:
        BadTargets: no names, or such as Assay does not match.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._named = _names_or_pattern(config, "target_modules")
        self._left_out = _names_or_pattern(config, "exclude_modules")
        if not self._named or self._named == "all-linear":
            raise BadTargets("has target_modules that name no module; PEFT writes their names when it saves")
        whole = _names(config, "modules_to_save")
        self._whole = [*whole, *_HEADS.get(str(config.get("task_type")), ())]
        self._layers, self._under = _layers(config), _names(config, "layers_pattern")
        if self._layers and isinstance(self._named, str):
            raise BadTargets(
                "has a pattern as target_modules and layers_to_transform, which exclude each other"
            )

    def has(self, module: str) -> bool:
        """Whether PEFT changes a module of this name."""
        if self._left_out and _stands_for(self._left_out, module):
            return False
        if any(re.match(rf"(^|.*\.){name}($|\..*)", module) for name in self._whole):
            return False
        if not _stands_for(self._named, module):
            return False
        exact = isinstance(self._named, str) or module in self._named
        return exact or not self._layers or self._layer_of(module) in self._layers

    def _layer_of(self, module: str) -> int | None:
        """The first number in the name that stands behind the name of the layers."""
        begins = [rf"(?:^|.*?\.){name}\.(\d+)\." for name in self._under] or [r".*?\.[^.]*\.(\d+)\."]
        found = next((match for begin in begins if (match := re.match(begin, module))), None)
        return int(found[1]) if found else None


def _stands_for(named: list[str] | str, module: str) -> bool:
    if isinstance(named, str):
        return re.fullmatch(named, module) is not None
    return any(module == name or module.endswith(f".{name}") for name in named)


def _names_or_pattern(config: Mapping[str, Any], key: str) -> list[str] | str:
    """A list of names, or the pattern that names are held against, checked so that it ends."""
    said = config.get(key)
    if not isinstance(said, str):
        return _names(config, key)
    why = f"it has more than {_LONGEST} characters" if len(said) > _LONGEST else why_endless(said)
    if why is None:
        try:
            re.compile(said)
        except (re.error, RecursionError, OverflowError):
            why = "it is no regular expression"
    if why is not None:
        raise BadTargets(f'has a pattern as {key} ("{visible(said[:60])}") that is not matched: {why}')
    return said


def _names(config: Mapping[str, Any], key: str) -> list[str]:
    """Names of modules: a list, one alone, or none."""
    said = config.get(key) or []
    found = [said] if isinstance(said, str) else said
    if not isinstance(found, list) or len(found) > _MOST:
        raise BadTargets(f"has {key} that are no list of names")
    for name in found:
        if not isinstance(name, str) or len(name) > _LONGEST or not _WORDS.fullmatch(name):
            raise BadTargets(f'has "{visible(str(name)[:60])}" among its {key}, which is no name of a module')
    return found


def _layers(config: Mapping[str, Any]) -> list[int]:
    said = config.get("layers_to_transform")
    if said is None:
        return []
    found = [said] if type(said) is int else said
    if not isinstance(found, list) or any(type(layer) is not int or layer < 0 for layer in found):
        raise BadTargets("has layers_to_transform that are no numbers of layers")
    return found
