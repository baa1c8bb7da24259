"""OpenAI-compatible chat and completions, as classifiers of texts from a closed list of classes.

Source: the OpenAI API reference, "Create chat completion" and "Create completion" (temperature, seed,
logprobs, top_logprobs, usage).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from assay.contracts import EndpointRequest, ModelSignature
from assay.endpoints.caller import Caller, Refused
from assay.endpoints.echoed import utf8_size
from assay.endpoints.labels import Answered, class_of, label_outputs, no_class_row, normalised
from assay.endpoints.openai_api import OpenAIAPI
from assay.errors import BadInput, EndpointFailed
from assay.models.base import Inputs
from assay.models.endpoint import NO_CLASS

__all__ = ["OpenAI"]

_TOP = {"openai_chat": 20, "openai_completions": 5}
"""Most alternatives of a token that the API gives."""
_BESIDES = 8
"""Tokens of an answer beside a class's name: blanks, quotes, a full stop, marks of begin and end."""
_THINKING = 2_048
"""Tokens more where max_completion_tokens is what a model takes: it thinks before it answers."""
_LEAST = -1e300
"""Of a log-probability."""


class OpenAI(OpenAIAPI):
    """One prompt a row; the answer is a class, or the first token's probabilities are.

    `label` in the signature: the answer's text, matched to the letter or normalised, nothing else.
    `probability`: the alternatives to the first token; each counts for the one class that it begins.
    """

    def __init__(self, request: EndpointRequest, signature: ModelSignature, caller: Caller) -> None:
        super().__init__(request, caller)
        if signature.text is None or signature.task not in ("binary", "multiclass"):
            raise BadInput(
                f"{request.protocol} is asked to classify texts; the signature says {signature.modality}, "
                f"{signature.task}. Open Inference Protocol v2 takes numbers and columns."
            )
        if signature.output not in ("label", "probability"):
            raise BadInput(f'{request.protocol} gives "label" or "probability", not "{signature.output}".')
        if "{text}" not in request.template:
            raise BadInput("The template has no {text}, so every row would get the same question.")
        self._signature = signature
        self._classes = tuple(name for name in signature.classes if name != NO_CLASS)
        if len({normalised(name) for name in self._classes}) < len(self._classes):
            raise BadInput(
                "Two classes differ only in case or punctuation, so answers could not be told apart."
            )
        self._chat = request.protocol == "openai_chat"
        self.rows_per_request = 1 if self._chat else request.limits.batch_rows
        before, _, after = request.template.partition("{text}")
        listed = ", ".join(self._classes)
        self._settings: dict[str, Any] = {"temperature": 0, "max_tokens": self._most_tokens}
        self._before, self._after = (part.replace("{classes}", listed) for part in (before, after))

    def describe(self) -> None:
        """Nothing: the API tells nothing of a model that matters here, and often refuses to."""

    def ask(self, inputs: Inputs) -> Answered:
        prompts = [f"{self._before}{text}{self._after}" for text in inputs]
        body: dict[str, Any] = {"model": self._request.model, "seed": self._request.seed}
        if self._chat:
            path = "/chat/completions"
            body["messages"] = [{"role": "user", "content": prompts[0]}]
        else:
            path, body["prompt"] = "/completions", prompts
        if self._signature.output == "probability":
            body |= {"logprobs": True, "top_logprobs": _TOP["openai_chat"]} if self._chat else {"logprobs": 5}
        choices = self._asked_with_settings(path, body, prompts)
        if self._signature.output == "label":
            return self._labels(choices)
        return self._probabilities([self._alternatives(choice) for choice in choices])

    def _asked_with_settings(
        self, path: str, body: dict[str, Any], prompts: Sequence[str]
    ) -> list[Mapping[str, Any]]:
        """Asks with the settings that the model takes. What it refuses as unsupported is not sent again."""
        while True:
            most = int(self._settings.get("max_tokens", self._settings.get("max_completion_tokens", 0)))
            try:
                return self._asked(path, body | self._settings, prompts, most)
            except Refused as error:
                said = error.message.lower()
                if error.status != 400 or "support" not in said or not self._chat:
                    raise
                if "max_tokens" in said and "max_tokens" in self._settings:
                    most = self._settings.pop("max_tokens") + _THINKING
                    self._settings["max_completion_tokens"] = most
                elif "temperature" in said and "temperature" in self._settings:
                    del self._settings["temperature"]
                else:
                    raise

    @property
    def _most_tokens(self) -> int:
        if self._signature.output == "probability":
            return 1
        # No tokenizer makes more tokens of a text than it has bytes.
        return max(utf8_size(name) for name in self._classes) + _BESIDES

    def _text(self, choice: Mapping[str, Any]) -> str:
        message = choice.get("message")
        found = message.get("content") if isinstance(message, dict) else choice.get("text")
        if found is None and isinstance(message, dict):
            return ""  # a refusal, or a call of a tool
        if not isinstance(found, str):
            raise EndpointFailed(f"{self._host} answers without a text.")
        return found

    def _labels(self, choices: Sequence[Mapping[str, Any]]) -> Answered:
        answers = [self._text(choice) for choice in choices]
        codes = [class_of(answer, self._classes) for answer in answers]
        lost = np.array([code is None for code in codes])
        cut = sum(
            choice.get("finish_reason") == "length" and code is None
            for choice, code in zip(choices, codes, strict=True)
        )
        example = answers[int(lost.argmax())] if lost.any() else ""
        return Answered(label_outputs(codes, self._signature), lost, example, cut)

    def _alternatives(self, choice: Mapping[str, Any]) -> tuple[str, list[tuple[str, float]]]:
        """The first token, and log-probabilities of it and its alternatives.

        Several tokens may have one text, such as parts of characters; each has its own probability.
        """
        said = choice.get("logprobs")
        if not isinstance(said, dict):
            raise BadInput(
                f'{self._host} offers no logprobs, so there are no probabilities. Write "output": "label" in '
                "the signature."
            )
        try:
            if self._chat:
                first = said["content"][0]
                token, found = first["token"], [(a["token"], a["logprob"]) for a in first["top_logprobs"]]
            else:
                token, found = said["tokens"][0], list(said["top_logprobs"][0].items())
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise EndpointFailed(f"{self._host} gives logprobs of another form than the API's.") from error
        numbers = all(
            isinstance(name, str) and type(value) in (int, float) and _LEAST <= value <= 1e-6
            for name, value in found
        )
        if not isinstance(token, str) or not numbers or len(found) > 1_000:
            raise EndpointFailed(f"{self._host} gives logprobs that are none.")
        return token, found

    def _probabilities(self, answers: Sequence[tuple[str, list[tuple[str, float]]]]) -> Answered:
        """The mass of the tokens that begin a class; what is left belongs to none of them."""
        outputs = np.zeros((len(answers), len(self._signature.classes)))
        lost = np.array([not self._begun(token) for token, _found in answers])
        for row, (token, found) in enumerate(answers):
            begun = self._begun(token)
            if len(begun) > 1:
                raise BadInput(
                    f'"{self._caller.shown(token, 20)}" begins more than one class, so the first token does '
                    'not tell them apart. Rename the classes, or write "output": "label" in the signature.'
                )
            for name, value in found:
                classes = self._begun(name)
                if len(classes) == 1:
                    outputs[row, classes[0]] += math.exp(value)
            total = outputs[row].sum()
            if not begun or total <= 0:
                outputs[row] = no_class_row(self._signature)
            elif len(self._classes) < len(self._signature.classes):
                outputs[row, -1] = max(0.0, 1 - total)
            outputs[row] /= outputs[row].sum()
        return Answered(outputs, lost, answers[int(lost.argmax())][0] if lost.any() else "")

    def _begun(self, token: str) -> list[int]:
        """Places of the classes that begin with a token."""
        wanted = normalised(token)
        if not wanted:
            return []
        return [place for place, name in enumerate(self._classes) if normalised(name).startswith(wanted)]
