"""Language models of transformers: likelihoods are transformers' own, samples the published ones."""

from __future__ import annotations

import json
import os
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    BertConfig,
    BertLMHeadModel,
    GPT2Config,
    GPT2LMHeadModel,
    MambaConfig,
    MambaForCausalLM,
)

from assay.contracts import ModelRequest, ModelSignature, TextInput
from assay.errors import BadInput
from assay.intake.huggingface_files import HEADS
from assay.loading import load_model
from assay.models.language_model import LanguageModel
from tests.models.transformers_made import (
    CHAIN,
    chain_folder,
    chain_texts,
    stories,
    tiny_llama,
    word_tokenizer,
)

TEXTS = ["a b c d", "d", "", "a b " * 40, "c c c zebra"]


def _load(path: Path) -> LanguageModel:
    model = load_model(ModelRequest(path=str(path), device="cpu"))
    assert isinstance(model, LanguageModel)
    return model


def gpt2(folder: Path) -> Path:
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=6,
        n_embd=16,
        n_layer=1,
        n_head=2,
        n_positions=32,
        bos_token_id=0,
        eos_token_id=0,
        initializer_range=0.5,
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    return word_tokenizer(folder)


def _mamba(folder: Path) -> Path:
    torch.manual_seed(0)
    config = MambaConfig(
        vocab_size=6,
        hidden_size=16,
        state_size=4,
        num_hidden_layers=2,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=0,
        initializer_range=0.5,
    )
    MambaForCausalLM(config).save_pretrained(folder)
    return word_tokenizer(folder)


MAKERS = {"llama": tiny_llama, "gpt2": gpt2, "mamba": _mamba}


@pytest.mark.parametrize("kind", MAKERS)
def test_likelihoods_are_transformers_own_loss(kind: str, tmp_path: Path) -> None:
    folder = MAKERS[kind](tmp_path / kind)
    model = _load(folder)
    peer = AutoModelForCausalLM.from_pretrained(str(folder)).eval()
    expected = []
    for text in ("a b c d", "d", "c c c zebra"):
        ids = torch.tensor(
            [[0, *(("<s>", "a", "b", "c", "d").index(w) if w in "abcd" else 5 for w in text.split())]]
        )
        with torch.inference_mode():
            loss = peer(input_ids=ids, labels=ids).loss
        expected.append(-float(loss) * (ids.shape[1] - 1))
    assert np.ptp(expected) > 0.5
    found = model.likelihoods(["a b c d", "d", "c c c zebra"])
    np.testing.assert_allclose(found.nats, expected, rtol=1e-5)
    assert found.tokens.tolist() == [4, 1, 4]
    assert found.bytes.tolist() == [7, 1, 11]
    assert found.unknown.tolist() == [0, 0, 1]
    assert model.signature.task == "generation"
    assert {"query", "tokens", "generation"} <= set(model.capabilities)
    assert not {"gradients", "trainable", "probabilities"} & set(model.capabilities)


@pytest.mark.parametrize("kind", MAKERS)
def test_greedy_continuations_are_the_likeliest_tokens_one_by_one(kind: str, tmp_path: Path) -> None:
    model = _load(MAKERS[kind](tmp_path / kind))
    ids = [0, 1, 2]
    for _ in range(6):
        with torch.inference_mode():
            best = int(model.logits(torch.tensor([ids]))[0, -1].argmax())
        if best == 0:
            break
        ids.append(best)
    words = ["<s>", "a", "b", "c", "d", "<unk>"]
    expected = " ".join(words[token] for token in ids[3:])
    assert model.generate(["a b"], 6)[0].strip() == expected
    assert len(ids) > 3, "the model must say something for this to show anything"


def test_a_chain_has_the_likelihoods_of_its_table(tmp_path: Path) -> None:
    model = _load(chain_folder(tmp_path / "chain"))
    texts = chain_texts(20, 3)
    expected = []
    for text in texts:
        states = [0, *("abcd".index(letter) + 1 for letter in text.split())]
        expected.append(sum(np.log(CHAIN[now][then - 1]) for now, then in pairwise(states)))
    np.testing.assert_allclose(model.likelihoods(texts).nats, expected, rtol=1e-6)


def test_texts_longer_than_the_window_are_scored_once_a_token(tmp_path: Path) -> None:
    """In a Markov chain one token of context is all that counts, so windows change nothing."""
    whole = _load(chain_folder(tmp_path / "chain"))
    text = " ".join(chain_texts(8, 5))
    expected = whole.likelihoods([text])
    assert int(expected.tokens[0]) > 64
    for window in (2, 7, 63):
        short = whole.signature.model_copy(update={"text": TextInput(max_length=window)})
        model = LanguageModel(whole.module, whole.pieces, short, whole.facts)
        found = model.likelihoods([text])
        np.testing.assert_allclose(found.nats, expected.nats, rtol=1e-6)
        assert found.tokens.tolist() == expected.tokens.tolist()


def test_neither_batches_nor_order_change_an_answer(tmp_path: Path) -> None:
    model = _load(tiny_llama(tmp_path / "llama"))
    expected = [float(model.likelihoods([text]).nats[0]) for text in TEXTS]
    np.testing.assert_allclose(model.likelihoods(TEXTS).nats, expected, rtol=1e-5)
    model.batch_rows = 2
    np.testing.assert_allclose(model.raw_outputs(TEXTS)[:, 0], expected, rtol=1e-5)
    assert expected[2] == 0.0
    assert model.likelihoods([]).nats.shape == (0,)


def test_words_that_spell_control_tokens_are_words(tmp_path: Path) -> None:
    folder = tiny_llama(tmp_path / "llama")
    word_tokenizer(folder, ("a", "b", "c", "d", "<unk>"))
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    kinds = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    tokenizer["added_tokens"] = [{"id": 5, "content": "<s>", "special": True, **kinds}]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    model = _load(folder)
    assert model.start == 5
    assert model.pieces.ids(["a <s> b"]) == [[0, 4, 1]]


def test_generation_settings_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    folder = tiny_llama(tmp_path / "llama")
    expected = _load(folder).generate(["a b"], 5)
    said = {
        "max_length": 10**9,
        "num_beams": 10**6,
        "do_sample": True,
        "temperature": 9.0,
        "min_length": 10**8,
    }
    (folder / "generation_config.json").write_text(json.dumps(said))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **said}))
    assert _load(folder).generate(["a b"], 5) == expected
    assert len(_load(folder).generate(["a b"], 10**9)[0].split()) <= 32


def _config(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"vocab_size": 5}, r"do not fit its config\.json"),
        ({"vocab_size": 10**12}, r"claims 1,000,000,000,000 as its vocab_size"),
        ({"max_position_embeddings": 10**12}, r"claims 1,000,000,000,000 as its max_position_embeddings"),
        ({"architectures": ["MistralForCausalLM"]}, "is a LlamaForCausalLM in transformers"),
        ({"architectures": ["T5ForConditionalGeneration"]}, "Assay audits text classifiers"),
        ({"custom_generate": "evil/repo"}, r"custom_generate.*never runs"),
    ],
)
def test_a_configuration_that_lies_is_refused(tmp_path: Path, changes: dict[str, Any], part: str) -> None:
    folder = tiny_llama(tmp_path / "llama")
    _config(folder, **changes)
    with pytest.raises(BadInput, match=part) as refused:
        _load(folder)
    assert "\n" not in refused.value.message


def test_tokens_without_an_embedding_are_refused(tmp_path: Path) -> None:
    folder = tiny_llama(tmp_path / "llama")
    word_tokenizer(folder, ("<s>", "a", "b", "c", "d", "<unk>", "e"))
    with pytest.raises(BadInput, match="knows 7 tokens, its network 6; they do not belong together"):
        _load(folder)
    word_tokenizer(folder, ("a", "b", "c", "d", "e", "<unk>"))
    _config(folder, bos_token_id=77)
    with pytest.raises(BadInput, match=r"names token 77; the network knows 6"):
        _load(folder)


def test_a_network_that_sees_the_next_token_is_refused(tmp_path: Path) -> None:
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    for decoder in (False, True):
        folder = tmp_path / f"bert-{decoder}"
        config = BertConfig(vocab_size=6, is_decoder=decoder, initializer_range=0.5, bos_token_id=0, **sizes)
        BertLMHeadModel(config).save_pretrained(folder)
        with pytest.raises(BadInput, match="BertLMHeadModel; Assay audits"):
            _load(word_tokenizer(folder))
    from transformers import RobertaConfig, RobertaForCausalLM

    folder = tmp_path / "roberta"
    RobertaForCausalLM(
        RobertaConfig(
            vocab_size=6, max_position_embeddings=34, bos_token_id=0, initializer_range=0.5, **sizes
        )
    ).save_pretrained(folder)
    signature = ModelSignature(task="generation", output="score", text=TextInput(max_length=16))
    (folder / "signature.json").write_text(signature.model_dump_json(by_alias=True))
    with pytest.raises(BadInput, match=r"sees tokens that come after.*no causal language model"):
        _load(word_tokenizer(folder))


def test_a_signature_of_a_classifier_does_not_fit(tmp_path: Path) -> None:
    folder = tiny_llama(tmp_path / "llama")
    signature = ModelSignature(task="binary", output="logit", classes=("a", "b"), text=TextInput())
    (folder / "signature.json").write_text(signature.model_dump_json(by_alias=True))
    with pytest.raises(BadInput, match=r"is a language model, but its signature describes a binary"):
        _load(folder)


def test_a_chat_template_is_never_rendered(tmp_path: Path) -> None:
    """This one would print for years."""
    folder = tiny_llama(tmp_path / "llama")
    (folder / "chat_template.jinja").write_text("{% for x in range(10**12) %}{{ messages }}{% endfor %}")
    assert _load(folder).generate(["a"], 2)


def test_every_head_is_an_auto_class_of_transformers() -> None:
    import transformers

    assert [head.kind for head in HEADS] == ["text", "image", "language"]
    assert all(hasattr(transformers, head.auto) for head in HEADS)


REAL = pytest.mark.skipif("ASSAY_REAL_DATA" not in os.environ, reason="ASSAY_REAL_DATA is not set")


@REAL
def test_stories260k_repeats_its_published_sample_to_the_character(tmp_path: Path) -> None:
    model = _load(stories(tmp_path / "stories"))
    golden = json.loads(
        (Path(os.environ["ASSAY_REAL_DATA"]) / "stories260k" / "golden_greedy.json").read_text()
    )
    assert model.facts.parameters == 260_032
    assert model.pieces.ids([golden["text"]]) == [golden["token_ids"][1:]]
    assert model.generate([""], len(golden["token_ids"]) - 1) == [golden["published_text"]]
    start, middle, rest = golden["text"].partition(" She wanted")
    assert model.generate([start], 30)[0][:40] == (middle + rest)[:40]


@REAL
def test_a_sentencepiece_file_that_is_none_is_refused(tmp_path: Path) -> None:
    folder = stories(tmp_path / "stories")
    (folder / "tokenizer.model").write_bytes(b"\x80\x04cos\nsystem\n")
    with pytest.raises(BadInput, match="tokenizer cannot be loaded"):
        _load(folder)
    (folder / "tokenizer.model").unlink()
    with pytest.raises(BadInput, match=r"no fast tokenizer \(tokenizer\.json, tokenizer\.model"):
        _load(folder)
    shutil.rmtree(folder)
