"""What every way of asking an OpenAI-compatible API shares: choices in order, names, tokens used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assay.contracts import EndpointRequest
from assay.endpoints.caller import Caller
from assay.endpoints.echoed import utf8_size
from assay.errors import EndpointFailed

__all__ = ["OpenAIAPI"]

_BYTES_A_TOKEN = 3
"""For a count beforehand that errs on the high side."""


class OpenAIAPI:
    """One model behind one API.

    Attributes:
        answered_as: names that the model gave itself, in order of appearance.
        notes: sentences on how it is asked, for the profile.
    """

    def __init__(self, request: EndpointRequest, caller: Caller) -> None:
        self._request, self._caller = request, caller
        self.answered_as: list[str] = []
        self.notes: list[str] = []

    @property
    def _host(self) -> str:
        return self._caller.place.name

    def _asked(
        self, path: str, body: dict[str, Any], prompts: Sequence[str], new_tokens: int
    ) -> list[Mapping[str, Any]]:
        """The choices that answer these prompts, in their order."""
        expected = sum(utf8_size(prompt) // _BYTES_A_TOKEN + new_tokens for prompt in prompts)
        said = self._caller.post(path, body, expected, _tokens)
        self._note(said.get("model"))
        return self._choices(said, len(prompts))

    def _note(self, name: Any) -> None:
        shown = self._caller.shown(name, 200) if isinstance(name, str) else ""
        if shown and shown not in self.answered_as and len(self.answered_as) < 20:
            self.answered_as.append(shown)

    def _choices(self, said: Mapping[str, Any], rows: int) -> list[Mapping[str, Any]]:
        choices = said.get("choices")
        if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
            raise EndpointFailed(f"{self._host} answers without choices.")
        ordered = sorted(choices, key=lambda choice: _place(choice.get("index")))
        if [_place(choice.get("index")) for choice in ordered] != list(range(rows)):
            raise EndpointFailed(f"{self._host} gives {len(choices):,} answers to {rows:,} questions.")
        return ordered


def _place(index: Any) -> int:
    return index if type(index) is int else -1


def _tokens(said: Mapping[str, Any]) -> int:
    """What the answer says it took; 0 where it says nothing."""
    usage = said.get("usage")
    total = usage.get("total_tokens") if isinstance(usage, dict) else None
    return total if type(total) is int and 0 <= total < 2**40 else 0
