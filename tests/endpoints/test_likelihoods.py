"""A language model behind an address is as surprised by texts as the same one here; answers are checked."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.contracts import EndpointRequest, ModelRequest, ModelSignature, TextInput
from assay.endpoints.asker import Asker
from assay.errors import AssayError, BadInput, EndpointFailed, LimitReached
from assay.loading import load_model
from assay.models.endpoint import EndpointLanguageModel, open_endpoint
from assay.models.language_model import LanguageModel
from assay.models.likelihoods import Likelihoods
from tests.endpoint_server import EndpointServer, served, status
from tests.endpoints.asked import NUMBERS, asker, request
from tests.endpoints.writer import Spelling, Writer, byte_writer, stories_writer
from tests.models.transformers_made import byte_llama, stories

GENERATION = ModelSignature(task="generation", output="score", text=TextInput())
TEXTS = [
    "Once upon a time, there was a dog.",
    "",
    "A 😀 costs 3 €, naïvely.",
    "Two lines\nand a blank at the end ",
    "x",
    "  two blanks first",
]


class Behind:
    """A language model in `folder`, and the same one behind an address."""

    def __init__(self, folder: Path, writer: Writer, server: EndpointServer) -> None:
        self.writer, self.server = writer, server
        server.echo = writer
        loaded = load_model(ModelRequest(path=str(folder), device="cpu"))
        assert isinstance(loaded, LanguageModel)
        self.here = loaded

    def asked(self, **more: Any) -> EndpointRequest:
        return request(self.server, GENERATION, "openai_completions", **{"timeout": 20, **more})

    def likelihoods(self, texts: list[str], found: Asker | None = None) -> Likelihoods:
        """As a child asks for them."""
        asked = self.asked()
        model = open_endpoint(asked, (found or asker(asked)).answer)
        assert isinstance(model, EndpointLanguageModel)
        return model.likelihoods(texts)

    def broken(self, change: Callable[[dict[str, Any]], Any]) -> None:
        """Let the server change its choices before they are sent, the probe's left alone."""

        def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
            code, said = self.writer(body)
            if body["prompt"] != ["This is a text."]:
                for choice in said["choices"]:
                    change(choice)
            return code, said

        self.server.echo = answer


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return byte_llama(tmp_path_factory.mktemp("models") / "bytes", max_position_embeddings=256)


@pytest.fixture
def behind(written: Path) -> Iterator[Behind]:
    with served() as server:
        yield Behind(written, byte_writer(written), server)


def _same(found: Likelihoods, expected: Likelihoods) -> None:
    np.testing.assert_allclose(found.nats, expected.nats, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found.tokens, expected.tokens)
    np.testing.assert_array_equal(found.bytes, expected.bytes)


@pytest.mark.parametrize("spelling", ["whole", "apart", "stripped", "raw"])
@pytest.mark.parametrize("ends", [False, True])
def test_likelihoods_are_those_of_the_model_itself(behind: Behind, spelling: Spelling, ends: bool) -> None:
    behind.writer.spelling, behind.writer.ends = spelling, ends
    found = behind.likelihoods(TEXTS)
    _same(found, behind.here.likelihoods(TEXTS))
    assert found.tokens.tolist() == [len(text.encode()) for text in TEXTS]
    assert found.nats[1] == 0
    probe, *bodies = [body for _, _, _, body in behind.server.seen]
    assert probe["prompt"] == ["This is a text."]
    assert [text for body in bodies for text in body["prompt"]] == [text for text in TEXTS if text]
    said = {name: bodies[0][name] for name in ("echo", "logprobs", "max_tokens", "temperature", "model")}
    assert said == {"echo": True, "logprobs": 1, "max_tokens": 1, "temperature": 1, "model": "tiny"}


def test_without_a_start_token_the_first_token_is_not_scored(behind: Behind) -> None:
    behind.writer.start = None
    asked = behind.asked()
    model = open_endpoint(asked, asker(asked).answer)
    assert "No start token stands before it there, so that its first token is not scored" in model.notes[0]
    found = behind.likelihoods(["dog", "x"])
    assert found.tokens.tolist() == [2, 0]
    assert found.nats[1] == 0
    assert found.bytes.tolist() == [3, 1]


def test_a_start_token_without_a_text_is_known(behind: Behind) -> None:
    behind.writer.start_text = ""
    asked = behind.asked()
    assert "every token is scored" in open_endpoint(asked, asker(asked).answer).notes[0]
    _same(behind.likelihoods(TEXTS), behind.here.likelihoods(TEXTS))


REAL = pytest.mark.skipif("ASSAY_REAL_DATA" not in os.environ, reason="ASSAY_REAL_DATA is not set")


@REAL
@pytest.mark.parametrize("spelling", ["whole", "apart", "stripped", "raw"])
def test_stories260k_is_the_same_model_behind_an_address(spelling: Spelling, tmp_path: Path) -> None:
    folder = stories(tmp_path / "stories")
    with served() as server:
        behind = Behind(folder, stories_writer(folder), server)
        behind.writer.spelling = spelling
        found, expected = behind.likelihoods(TEXTS), behind.here.likelihoods(TEXTS)
    _same(found, expected)
    assert found.tokens[0] < len(TEXTS[0]), "pieces of several letters"


LACKING = (
    r"does not tell how likely the tokens of a text are that it is sent \(echo with logprobs\)\. Perplexity "
    r"needs a server that does"
)


def _no_echo(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    said = {"tokens": [" on"], "token_logprobs": [-1.0], "text_offset": [15], "top_logprobs": [{" on": -1.0}]}
    choices = [{"index": n, "text": " on", "logprobs": said} for n in range(len(body["prompt"]))]
    return 200, {"choices": choices}


def _likewise(**choice: Any) -> Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]:
    return lambda body: (
        200,
        {"choices": [{"index": n, "text": t, **choice} for n, t in enumerate(body["prompt"])]},
    )


@pytest.mark.parametrize(
    "echo",
    [
        None,
        _no_echo,
        _likewise(logprobs=None),
        _likewise(),
        _likewise(logprobs={"content": [{"token": "x", "logprob": -1.0}]}),
        lambda _body: (400, {"error": {"message": "Only no echo is supported"}}),
        lambda _body: (500, {"error": {"message": "Only no echo is supported"}}),
        lambda _body: (422, {"error": "extra fields not permitted"}),
    ],
    ids=["not known", "generated only", "no logprobs", "left out", "chat's form", "400", "500", "422"],
)
def test_a_server_without_echo_is_told_apart_and_nothing_is_asked_about_the_data(
    behind: Behind, echo: Any
) -> None:
    behind.server.echo = echo
    with pytest.raises(BadInput, match=LACKING):
        behind.likelihoods(TEXTS)
    assert {tuple(body["prompt"]) for _, _, _, body in behind.server.seen} == {("This is a text.",)}


def test_another_failure_of_the_first_question_is_told_as_it_is(behind: Behind) -> None:
    behind.server.echo = lambda _body: (404, {"error": "there is no model tiny"})
    with pytest.raises(BadInput, match=r'answers 404: "there is no model tiny"\.$'):
        behind.likelihoods(TEXTS)


def _set(name: str, value: Callable[[list[Any]], Any]) -> Callable[[dict[str, Any]], None]:
    def change(choice: dict[str, Any]) -> None:
        choice["logprobs"][name] = value(choice["logprobs"][name])

    return change


def _at(place: int, value: Any) -> Callable[[list[Any]], list[Any]]:
    return lambda found: [*found[:place], value, *found[place + 1 :]]


def _free_tokens(choice: dict[str, Any]) -> None:
    """Tokens without a text, which cost nothing and lower the perplexity."""
    said = choice["logprobs"]
    said["tokens"][1:1], said["token_logprobs"][1:1] = [""] * 500, [0.0] * 500


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_set("token_logprobs", _at(2, 0.5)), "log-likelihoods that are none"),
        (_set("token_logprobs", _at(2, -1e5)), "log-likelihoods that are none"),
        (_set("token_logprobs", _at(2, None)), "log-likelihoods that are none"),
        (_set("token_logprobs", _at(2, "-1")), "log-likelihoods that are none"),
        (_set("token_logprobs", _at(2, True)), "log-likelihoods that are none"),
        (_set("token_logprobs", _at(1, [-1.0])), "log-likelihoods that are none"),
        (_set("token_logprobs", _at(2, 10**290)), "log-likelihoods that are none"),
        (_set("token_logprobs", lambda found: found[1:]), "each token has one"),
        (_set("tokens", lambda found: found[1:]), "each token has one"),
        (_set("tokens", _at(1, 7)), "not all of them texts"),
        (_set("tokens", _at(1, None)), "not all of them texts"),
        (_set("tokens", _at(1, "Q")), "tokens that do not spell the text"),
        (_set("tokens", lambda found: found[:1] + found[:0:-1]), "tokens that do not spell the text"),
        (_free_tokens, r"gives 5\d\d tokens of a text of 34 bytes"),
        (_set("token_logprobs", lambda found: [None] * len(found)), LACKING),
        (_set("tokens", lambda _found: {}), LACKING),
        (lambda choice: choice.update(logprobs=[]), LACKING),
        (lambda choice: choice.update(index=7), "gives 1 answers to 1 questions"),
    ],
)
def test_an_answer_that_is_no_likelihood_of_the_text_is_refused(
    behind: Behind, change: Callable[[dict[str, Any]], Any], says: str
) -> None:
    behind.broken(change)
    with pytest.raises((EndpointFailed, BadInput), match=says) as refused:
        behind.likelihoods(TEXTS[:1])
    assert "\n" not in refused.value.message


def test_what_lies_a_hair_above_certainty_counts_as_certain(behind: Behind) -> None:
    behind.broken(_set("token_logprobs", lambda found: [None, *[5e-7 for _ in found[1:]]]))
    assert behind.likelihoods(["dog"]).nats.tolist() == [0.0]


def test_generated_tokens_are_left_out_where_texts_come_whole(behind: Behind) -> None:
    """Some servers generate on and on."""

    def more(choice: dict[str, Any]) -> None:
        choice["logprobs"]["tokens"] += [" and", " on"]
        choice["logprobs"]["token_logprobs"] += [-9.0, -9.0]

    expected = behind.here.likelihoods(TEXTS)
    behind.broken(more)
    _same(behind.likelihoods(TEXTS), expected)


def test_texts_that_are_too_long_for_the_server_are_told(behind: Behind) -> None:
    behind.writer.longest = 30
    with pytest.raises(
        BadInput,
        match=r"maximum context length is 30 tokens.* longest text of the request has 34 characters; if that "
        "is too long for the model there, cut the texts",
    ):
        behind.likelihoods(TEXTS)
    behind.writer.cuts = True
    with pytest.raises(BadInput, match="of a part of a text of 34 characters only, which is too long for it"):
        behind.likelihoods(TEXTS)
    with pytest.raises(BadInput, match=r"A text has 200,001 characters; .* at most 200,000"):
        behind.likelihoods(["x" * 200_001])


def test_texts_are_asked_about_once_and_kept_for_other_workers(behind: Behind, tmp_path: Path) -> None:
    kept = tmp_path / "answers" / "kept.npz"
    both = [asker(behind.asked(), kept=kept) for _ in range(2)]
    for found, texts in zip(both, (TEXTS[:3], TEXTS[3:]), strict=True):
        found.reading = False  # a method asks
        behind.likelihoods(texts, found)
        behind.likelihoods(texts, found)
    assert len(behind.server.seen) == 4, "each worker's probe and its texts"
    for found in both:
        found.save()
    later = asker(behind.asked(), kept=kept)
    _same(behind.likelihoods(TEXTS, later), behind.here.likelihoods(TEXTS))
    assert len(behind.server.seen) == 5, "a probe"
    assert later.finish().kept_rows == len(TEXTS)


def test_limits_hold(behind: Behind) -> None:
    asked = behind.asked(most_requests=2, batch_rows=2)
    with pytest.raises(LimitReached, match="limit of 2 requests is reached"):
        behind.likelihoods(TEXTS, asker(asked))
    assert len(behind.server.seen) == 2
    dear = behind.asked(price_per_1k_tokens=1.0, most_spend=0.1, batch_rows=1)
    found = asker(dear)
    with pytest.raises(LimitReached, match=r"over the limit of 0\.1000"):
        behind.likelihoods([f"{n} {TEXTS[0]}" for n in range(20)], found)
    record = found.finish()
    assert 0.05 < record.spend <= 0.1
    assert record.spend == pytest.approx(record.tokens / 1000)


@pytest.mark.parametrize(
    ("signature", "protocol", "more", "says"),
    [
        (GENERATION, "openai_chat", {}, r"openai_chat does not tell how likely a text is.*over openai_comp"),
        (GENERATION, "open_inference_v2", {}, r"open_inference_v2 does not tell.*over openai_completions"),
        (GENERATION, "openai_completions", {"template": "Say {text}"}, "leave the template out"),
        (GENERATION.model_copy(update={"output": "label"}), "openai_completions", {}, '"output": "score"'),
        (
            NUMBERS.model_copy(update={"task": "generation", "output": "score"}),
            "openai_completions",
            {},
            re.escape('"text": {}'),
        ),
    ],
)
def test_a_request_that_cannot_work_is_refused(
    behind: Behind, signature: ModelSignature, protocol: str, more: dict[str, Any], says: str
) -> None:
    with pytest.raises(BadInput, match=says):
        asker(request(behind.server, signature, protocol, **more))
    assert not behind.server.seen


def test_a_hostile_childs_half_character_ends_in_a_sentence(behind: Behind) -> None:
    found = asker(behind.asked())
    found.answer({"what": "describe"}, {})
    behind.server.faults = [status(400)]
    with pytest.raises(AssayError, match="longest text of the request has 1 characters"):
        found.answer({"what": "rows", "rows": 1, "texts": ["\ud800"]}, {})
