"""OpenAI-compatible completions as a language model: how likely every token of a text is.

The prompt is echoed with the log-likelihoods of its tokens. One token is generated besides and left out: not
every server takes less, since some refuse 0 and others read it as "without end".

Source: the OpenAI API reference, "Create completion" (echo, logprobs, max_tokens).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from assay.contracts import EndpointRequest, ModelSignature
from assay.endpoints.caller import Caller, Refused
from assay.endpoints.echoed import covers_a_part, own_tokens, spells, utf8_size
from assay.endpoints.labels import Answered
from assay.endpoints.openai_api import OpenAIAPI
from assay.errors import BadInput, EndpointFailed
from assay.models.base import Inputs

__all__ = ["OpenAILikelihoods"]

_PROBE = "This is a text."
_ABOVE, _BELOW = 1e-4, -1e4
"""Log-likelihoods lie between: rounding ends a little above 0, and servers write -9999 for no chance."""
_BESIDES = 2
"""Tokens of a text that spell none of its bytes: a start token, a blank put before it."""
_TOO_LONG = (400, 413, 422)


class _Scored(NamedTuple):
    nats: float
    tokens: int
    started: bool
    """Whether a start token stood before the text."""


class OpenAILikelihoods(OpenAIAPI):
    """One prompt a text, the text itself. Outputs are (texts, 2): a sum in nats, and the tokens it is of."""

    def __init__(self, request: EndpointRequest, signature: ModelSignature, caller: Caller) -> None:
        super().__init__(request, caller)
        if signature.text is None or signature.output != "score":
            raise BadInput(
                'The signature of a language model says "task": "generation", "output": "score", "text": {}.'
            )
        if request.template != EndpointRequest.model_fields["template"].default:
            raise BadInput("A language model is sent the texts as they are: leave the template out.")
        self.rows_per_request = request.limits.batch_rows

    def describe(self) -> None:
        """Ask about a short text. Raises BadInput where the likelihoods of its tokens do not come back."""
        try:
            (scored,) = self._scores([_PROBE])
        except (Refused, EndpointFailed) as error:
            said = error.message.removeprefix(self._host).lower()
            if "echo" in said or "logprob" in said or getattr(error, "status", 0) in (400, 422):
                raise BadInput(f"{error.message} {self._lacking}") from None
            raise
        name = self._request.model
        self.notes = [
            f"{name} is asked about each text as a whole. "
            + (
                "A start token stands before it there, so that every token is scored."
                if scored.started
                else "No start token stands before it there, so that its first token is not scored: it "
                "counts among the bytes, not among the tokens."
            )
        ]

    def ask(self, inputs: Inputs) -> Answered:
        texts = [str(text) for text in inputs]
        filled = [text for text in texts if text]  # of an empty text there is nothing to ask
        try:
            scored = iter(self._scores(filled) if filled else [])
        except Refused as error:
            if error.status not in _TOO_LONG:
                raise
            raise BadInput(
                f"{error.message} The longest text of the request has {max(map(len, filled)):,} characters; "
                "if that is too long for the model there, cut the texts or serve it with a longer context."
            ) from None
        outputs = [next(scored)[:2] if text else (0.0, 0) for text in texts]
        return Answered(np.array(outputs, dtype=np.float64).reshape(-1, 2), np.zeros(len(texts), dtype=bool))

    @property
    def _lacking(self) -> str:
        return (
            f"{self._host} does not tell how likely the tokens of a text are that it is sent (echo with "
            "logprobs). Perplexity needs a server that does, such as vLLM, or the model's own files."
        )

    def _scores(self, texts: list[str]) -> list[_Scored]:
        body = {
            "model": self._request.model,
            "prompt": texts,
            "echo": True,
            "logprobs": 1,
            "max_tokens": 1,
            # Some servers divide the logits by the temperature before they tell likelihoods.
            "temperature": 1,
            "seed": self._request.seed,
        }
        choices = self._asked("/completions", body, texts, 1)
        return [self._scored(choice, text) for choice, text in zip(choices, texts, strict=True)]

    def _scored(self, choice: Mapping[str, Any], text: str) -> _Scored:
        said = choice.get("logprobs")
        said = said if isinstance(said, dict) else {}
        tokens, values = said.get("tokens"), said.get("token_logprobs")
        if not isinstance(tokens, list) or not isinstance(values, list):
            raise BadInput(self._lacking)
        if not all(isinstance(token, str) for token in tokens) or len(tokens) != len(values):
            raise EndpointFailed(
                f"{self._host} gives {len(tokens):,} tokens, not all of them texts, and {len(values):,} "
                "log-likelihoods; each token has one."
            )
        own = own_tokens(tokens, text, start=bool(values) and values[0] is None)
        if own is None:
            raise self._misspelt(tokens, choice.get("text"), text)
        if len(own) > utf8_size(text) + _BESIDES:
            raise EndpointFailed(
                f"{self._host} gives {len(own):,} tokens of a text of {utf8_size(text):,} bytes."
            )
        scored = [values[place] for place in own if values[place] is not None or place > 0]
        if scored and all(value is None for value in scored):
            raise BadInput(self._lacking)
        if not all(type(value) in (int, float) and _BELOW <= value <= _ABOVE for value in scored):
            raise EndpointFailed(
                f"{self._host} gives log-likelihoods that are none: each but the first must be a number of "
                f"at most 0 and at least {_BELOW:,.0f}."
            )
        nats = math.fsum(min(value, 0.0) for value in scored)
        return _Scored(nats, len(scored), own.start > 0 or not tokens[0])

    def _misspelt(self, tokens: list[str], echoed: Any, text: str) -> BadInput | EndpointFailed:
        if covers_a_part(tokens, text):
            return BadInput(
                f"{self._host} tells the likelihoods of a part of a text of {len(text):,} characters only, "
                "which is too long for it. Cut the texts, or serve the model with a longer context."
            )
        if not isinstance(echoed, str) or not spells(echoed[: len(text)], text):
            return BadInput(self._lacking)
        return EndpointFailed(f"{self._host} gives tokens that do not spell the text that it was sent.")
