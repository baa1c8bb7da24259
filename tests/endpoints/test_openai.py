"""A chat becomes a classifier: an answer is a class or it is counted as none, never guessed."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.contracts import ModelSignature, TextInput
from assay.endpoints.labels import class_of
from assay.errors import BadInput, EndpointFailed, LimitReached
from assay.models.endpoint import NO_CLASS
from tests.endpoint_server import raw, served
from tests.endpoints.asked import TEXTS, asker, outputs, request

PROBABLE = TEXTS.model_copy(update={"output": "probability"})
THREE = ModelSignature(task="multiclass", output="label", classes=("bad", "good", "mixed"), text=TextInput())
ROWS = ["a good day", "a bad film", "good good bad"]


@pytest.mark.parametrize("protocol", ["openai_chat", "openai_completions"])
def test_a_chats_answers_are_the_classes_they_name(protocol: str) -> None:
    with served() as server:
        found = asker(request(server, TEXTS, protocol, batch_rows=2))
        np.testing.assert_array_equal(outputs(found, ROWS), [[0, 1], [1, 0], [0, 1]])
        bodies = [body for _, _, _, body in server.seen]
        record = found.finish()
    assert all(body["temperature"] == 0 and body["seed"] == 0 and body["model"] == "tiny" for body in bodies)
    assert len(bodies) == (3 if protocol == "openai_chat" else 2)
    assert record.tokens == 60
    assert record.answered_as == ("tiny-1",)
    said = bodies[0]["messages"][0]["content"] if protocol == "openai_chat" else bodies[0]["prompt"][0]
    assert said.startswith("Classify the text into exactly one of these classes: bad, good.")
    assert said.endswith("Text: a good day")


@pytest.mark.parametrize("protocol", ["openai_chat", "openai_completions"])
def test_probabilities_are_the_mass_of_first_tokens_that_begin_a_class(protocol: str) -> None:
    with served() as server:
        found = outputs(asker(request(server, PROBABLE, protocol)), ROWS)
    # of the served 95 % on tokens, 90 % begin a class; a class's share among them is the server's own
    np.testing.assert_allclose(found[:, 1], [2 / 3, 1 / 3, 3 / 5], rtol=1e-9)
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_with_more_classes_the_rest_of_the_mass_belongs_to_none() -> None:
    signature = THREE.model_copy(update={"output": "probability"})
    with served() as server:
        found = outputs(asker(request(server, signature, "openai_chat")), ["a good day"])
    np.testing.assert_allclose(found, [[0.3, 0.6, 0.0, 0.1]], rtol=1e-9)


def test_an_answer_beside_the_list_is_a_class_of_its_own_or_no_favourable_outcome() -> None:
    for signature, expected in ((THREE, [[0, 0, 0, 1], [1, 0, 0, 0]]), (TEXTS, [[1, 0], [1, 0]])):
        with served() as server:
            server.answer = lambda text: "I would say it is good." if "good" in text else "Bad."
            found = asker(request(server, signature, "openai_chat"))
            np.testing.assert_array_equal(outputs(found, ROWS[:2]), expected)
            assert found.finish().unmatched == 1


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        *(("good", 1), ("Good", 1), (' "GOOD". ', 1), ("ｇｏｏｄ", 1), ("**bad**", 0), ("very   good", 2)),
        *(("", None), ("goodness", None), ("good or bad", None), ("not good", None), ("1", None)),
    ],
)
def test_an_answer_names_a_class_to_the_letter_or_normalised(answer: str, expected: int | None) -> None:
    assert class_of(answer, ("bad", "good", "very good")) == expected


def test_a_question_that_no_answer_fits_is_refused_early() -> None:
    with served() as server:
        server.answer = lambda _text: "As a language model, I\x1b[2J cannot."
        with pytest.raises(
            BadInput, match=r"None of the first 8 answers .* As a language|As a language model"
        ):
            outputs(asker(request(server, TEXTS, "openai_chat")), [f"text {n}" for n in range(20)])
        assert len(server.seen) == 8


def test_a_text_cannot_change_the_question() -> None:
    with served() as server:
        outputs(asker(request(server, TEXTS, "openai_chat")), ["{classes} {text} {0.__class__}"])
        assert server.seen[0][3]["messages"][0]["content"].endswith("Text: {classes} {text} {0.__class__}")


@pytest.mark.parametrize(
    ("signature", "template", "says"),
    [
        (TEXTS, "Is it {classes}?", "has no {text}"),
        (TEXTS.model_copy(update={"output": "logit"}), "{text}", 'gives "label" or "probability"'),
        (TEXTS.model_copy(update={"classes": ("Good", "good!")}), "{text}", "differ only in case"),
    ],
)
def test_a_request_that_cannot_work_is_refused(signature: ModelSignature, template: str, says: str) -> None:
    with served() as server, pytest.raises(BadInput, match=says):
        asker(request(server, signature, "openai_chat", template=template))


def test_alternatives_that_are_one_text_each_count() -> None:
    """Parts of characters and odd spellings are several tokens of one text."""
    top = [("good", 0.70), ("bad", 0.25), ("good", 0.01)]
    listed = [{"token": token, "logprob": math.log(share)} for token, share in top]
    content = [{**listed[0], "top_logprobs": listed}]
    said = {"choices": [{"index": 0, "message": {"content": "good"}, "logprobs": {"content": content}}]}
    with served() as server:
        server.faults = [raw(json.dumps(said).encode())]
        found = outputs(asker(request(server, PROBABLE, "openai_chat")), ["a"])
    np.testing.assert_allclose(found, [[0.25 / 0.96, 0.71 / 0.96]])


def test_a_class_fits_into_the_answer_whatever_its_script() -> None:
    """A tokenizer of bytes makes a token of each; what is broken off is counted apart."""
    names = ("ดี", "ไม่พอใจมาก")
    signature = TEXTS.model_copy(update={"classes": names})

    def by_bytes(handler: Any) -> bool:
        body = server.seen[-1][3]
        text = body["messages"][0]["content"]
        whole = "I would say that it is bad, or is it?" * 3 if text.endswith("5") else names[1]
        said = whole.encode()[: body["max_tokens"]].decode("utf-8", "ignore")
        reason = "stop" if said == whole else "length"
        choice = {"index": 0, "message": {"content": said}, "finish_reason": reason}
        handler.give(200, {"choices": [choice]})
        return True

    with served() as server:
        server.faults = [by_bytes] * 10
        found = asker(request(server, signature, "openai_chat"))
        assert (
            outputs(found, [f"text {n}" for n in range(10)]).argmax(axis=1).tolist()
            == [1] * 5 + [0] + [1] * 4
        )
        record = found.finish()
    assert (record.unmatched, record.cut) == (1, 1)


def test_a_model_that_refuses_max_tokens_and_a_temperature_is_asked_without_them() -> None:
    def refusing(handler: Any) -> bool:
        body = server.seen[-1][3]
        for name in ("max_tokens", "temperature"):
            if name in body:
                handler.give(400, {"error": {"message": f"Unsupported: '{name}' is not supported here."}})
                return True
        return False

    with served() as server:
        server.faults = [refusing] * 4
        found = asker(request(server, TEXTS, "openai_chat"))
        np.testing.assert_array_equal(outputs(found, ROWS[:2]), [[0, 1], [1, 0]])
        bodies = [body for _, _, _, body in server.seen]
    assert len(bodies) == 4  # refused twice, then never again
    assert all("max_tokens" not in body and "temperature" not in body for body in bodies[2:])
    assert bodies[-1]["max_completion_tokens"] > 2_000


def test_missing_logprobs_and_classes_that_begin_alike_are_told() -> None:
    with served() as server:
        server.logprobs = False
        with pytest.raises(BadInput, match=r'offers no logprobs.*"output": "label"'):
            outputs(asker(request(server, PROBABLE, "openai_chat")), ROWS)
        server.logprobs = True
        alike = PROBABLE.model_copy(update={"classes": ("badly", "bad")})
        with pytest.raises(BadInput, match='"bad" begins more than one class'):
            outputs(asker(request(server, alike, "openai_chat")), ["a bad film bad bad bad"])


@pytest.mark.parametrize(
    ("logprob", "says"),
    [
        ("-1" + "0" * 400, "a number of 402 digits"),
        ("-1e999", "logprobs that are none"),
        ("0.5", "logprobs that are none"),
        ("true", "logprobs that are none"),
    ],
)
def test_logprobs_that_are_none_are_told(logprob: str, says: str) -> None:
    first = f'{{"token": "good", "logprob": 0, "top_logprobs": [{{"token": "bad", "logprob": {logprob}}}]}}'
    said = f'{{"choices": [{{"index": 0, "logprobs": {{"content": [{first}]}}}}]}}'
    with served() as server:
        server.faults = [raw(said.encode())]
        with pytest.raises(EndpointFailed, match=says):
            outputs(asker(request(server, PROBABLE, "openai_chat")), ROWS)


def test_spending_stops_before_the_limit_is_overrun(tmp_path: Path) -> None:
    prices = {"price_per_1k_tokens": 1.0, "most_spend": 0.15}
    with served() as server:
        found = asker(request(server, TEXTS, "openai_chat", **prices), counts=tmp_path / "c")
        with pytest.raises(LimitReached, match=r"over the limit of 0\.1500 \(\d+ tokens so far\)"):
            outputs(found, [f"text {n} good" for n in range(50)])
        record = found.finish()
    assert 0.06 <= record.spend <= 0.15
    assert record.spend == pytest.approx(record.tokens / 1000)
    assert record.requests == len(server.seen)
    assert NO_CLASS not in TEXTS.classes
