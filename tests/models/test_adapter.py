"""LoRA adapters over a base: the same answers as PEFT's, merged by plain arithmetic, nothing else applied."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from assay.contracts import ModelRequest
from assay.errors import BadInput
from assay.intake.model_files import folder_digest
from assay.loading import load_model
from assay.models.language_model import LanguageModel
from assay.models.text_classifier import TextClassifier
from tests.models.made import tiny_bert
from tests.models.test_language_model import gpt2
from tests.models.transformers_made import lora, sharded, tiny_llama, tiny_vit

TEXTS = ["a good day .", "bad", "a very very good film"]


def _load(path: Path, base: Path | None) -> Any:
    return load_model(ModelRequest(path=str(path), base=str(base) if base else None, device="cpu"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A base, and an adapter over it."""
    place = tmp_path_factory.mktemp("models")
    base = tiny_llama(place / "base")
    lora(
        place / "adapter",
        base,
        "AutoModelForCausalLM",
        task_type="CAUSAL_LM",
        target_modules=["q_proj", "down_proj"],
    )
    return base, place / "adapter"


@pytest.fixture
def pair(made: tuple[Path, Path], tmp_path: Path) -> tuple[Path, Path]:
    return made[0], Path(shutil.copytree(made[1], tmp_path / "adapter"))


@pytest.mark.parametrize("root", [False, True])
def test_a_language_model_answers_as_peft_does(root: bool, tmp_path: Path) -> None:
    base = sharded(tiny_llama(tmp_path / "base"))
    peer = lora(
        tmp_path / "adapter",
        base,
        "AutoModelForCausalLM",
        task_type="CAUSAL_LM",
        target_modules=["q_proj", "v_proj", "up_proj"],
        use_rslora=root,
    )
    model = _load(tmp_path / "adapter", base)
    assert isinstance(model, LanguageModel)
    ids = torch.tensor([[0, 1, 2, 3, 4, 1]])
    with torch.inference_mode():
        expected, found = peer(input_ids=ids).logits, model.logits(ids)
        plain = _load(base, None).logits(ids)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert float((found - plain).abs().max()) > 0.5, "the adapter must change something"


def test_layers_that_are_stored_transposed(tmp_path: Path) -> None:
    base = gpt2(tmp_path / "base")
    peer = lora(
        tmp_path / "adapter",
        base,
        "AutoModelForCausalLM",
        task_type="CAUSAL_LM",
        target_modules=["c_attn", "attn.c_proj"],
        fan_in_fan_out=True,
    )
    ids = torch.tensor([[0, 1, 2, 3]])
    with torch.inference_mode():
        expected, found = peer(input_ids=ids).logits, _load(tmp_path / "adapter", base).logits(ids)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "named",
    [
        {"target_modules": r"model\.layers\.\d+\.(self_attn|mlp)\.(q|up)_proj"},
        {"target_modules": ["q_proj", "up_proj"], "layers_to_transform": [1]},
        {"target_modules": ["q_proj"], "layers_to_transform": [0], "layers_pattern": "layers"},
        {"target_modules": ["q_proj", "up_proj"], "exclude_modules": ["layers.0.mlp.up_proj"]},
        {"target_modules": "all-linear"},
    ],
)
def test_modules_are_named_in_every_way_of_peft(named: dict[str, Any], tmp_path: Path) -> None:
    base = tiny_llama(tmp_path / "base")
    peer = lora(tmp_path / "adapter", base, "AutoModelForCausalLM", task_type="CAUSAL_LM", **named)
    ids = torch.tensor([[0, 1, 2, 3]])
    with torch.inference_mode():
        expected, found = peer(input_ids=ids).logits, _load(tmp_path / "adapter", base).logits(ids)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.filterwarnings("ignore:.*fan_in_fan_out", "ignore:.*is_gradient_checkpointing")
@pytest.mark.parametrize(("kind", "says"), [(gpt2, False), (tiny_llama, True)])
def test_how_layers_are_stored_is_seen_not_believed(
    kind: Callable[[Path], Path], says: bool, tmp_path: Path
) -> None:
    base = kind(tmp_path / "base")
    names = ["attn.c_proj"] if kind is gpt2 else ["o_proj"]  # square: no shape tells
    lora(
        tmp_path / "adapter",
        base,
        "AutoModelForCausalLM",
        task_type="CAUSAL_LM",
        target_modules=names,
    )
    _config(tmp_path / "adapter", fan_in_fan_out=says)
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    whole = AutoModelForCausalLM.from_pretrained(base, attn_implementation="eager")
    peer = PeftModel.from_pretrained(whole, tmp_path / "adapter").eval()
    ids = torch.tensor([[0, 1, 2, 3]])
    with torch.inference_mode():
        expected, found = peer(input_ids=ids).logits, _load(tmp_path / "adapter", base).logits(ids)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_a_text_classifier_with_a_head_of_its_own(tmp_path: Path) -> None:
    base = tiny_bert(tmp_path / "base")
    peer = lora(
        tmp_path / "adapter",
        base,
        "AutoModelForSequenceClassification",
        task_type="SEQ_CLS",
        target_modules=["query", "value"],
    )
    model = _load(tmp_path / "adapter", base)
    assert isinstance(model, TextClassifier)
    with torch.inference_mode():
        expected = peer(**model.encode(TEXTS)).logits.double().numpy()
    np.testing.assert_allclose(model.raw_outputs(TEXTS), expected, atol=1e-4)
    assert model.signature.classes == ("bad", "good")
    assert any("changing 4 matrices and replacing 2 weights" in note for note in model.notes)


def test_an_image_classifier(tmp_path: Path) -> None:
    base = tiny_vit(tmp_path / "base")
    peer = lora(
        tmp_path / "adapter", base, "AutoModelForImageClassification", target_modules=["query", "q_proj"]
    )
    model = _load(tmp_path / "adapter", base)
    images = np.random.default_rng(0).random((3, 3, 8, 8), dtype=np.float32)
    with torch.inference_mode():
        expected = peer(pixel_values=model.encode(images)).logits.double().numpy()
    np.testing.assert_allclose(model.raw_outputs(images), expected, atol=1e-4)


def test_the_facts_name_both_by_their_digests(made: tuple[Path, Path]) -> None:
    base, adapter = made
    facts = _load(adapter, base).facts
    assert (facts.format, facts.sha256) == ("huggingface_adapter", folder_digest(adapter))
    assert facts.base is not None
    assert (facts.base.name, facts.base.sha256) == ("base", folder_digest(base))
    assert facts.gate is not None
    assert facts.gate.trust == "A"


def test_an_adapter_alone_a_base_too_many_and_a_base_that_is_none(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    base, adapter = pair
    with pytest.raises(
        BadInput, match=r'adapter is an adapter.*its base \(--base\)\. It says it was made for "base"'
    ):
        _load(adapter, None)
    with pytest.raises(BadInput, match=r"base is a whole model.*a base \(--base\) belongs to adapters"):
        _load(base, base)
    with pytest.raises(BadInput, match=r"adapter is of format huggingface_adapter; an adapter of format"):
        _load(adapter, adapter)
    with pytest.raises(BadInput, match="There is no model nowhere"):
        _load(adapter, tmp_path / "nowhere")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "modeling.py").write_text("raise SystemExit")
    with pytest.raises(BadInput, match=r"code holds code \(modeling\.py\)"):
        _load(adapter, tmp_path / "code")


def _config(folder: Path, **changes: Any) -> None:
    said = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**said, **changes}))


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"peft_type": "PROMPT_TUNING"}, "of the kind PROMPT_TUNING; Assay applies LORA"),
        ({"peft_type": ["LORA"]}, "of the kind"),
        ({"use_dora": True}, "asks for use_dora, which Assay does not apply"),
        ({"alpha_pattern": {"(a+)+$": 4}}, "asks for alpha_pattern"),
        ({"layer_replication": [[0, 4]]}, "asks for layer_replication"),
        ({"megatron_config": {"x": 1}}, "asks for megatron_config"),
        ({"bias": "all"}, "trains biases"),
        ({"init_lora_weights": "pissa"}, "changes the base model when it starts"),
        ({"lora_alpha": "many"}, "lora_alpha must be a number above 0"),
        ({"lora_alpha": 1e300}, "lora_alpha must be a number above 0"),
        ({"auto_mapping": {"parent_library": "os", "base_model_class": "x"}}, "names Python code of its own"),
        ({"auto_map": {"AutoModel": "evil.Model"}}, r"adapter_config\.json names Python code"),
        # PEFT would run with fewer of its tensors than the file holds
        (
            {"target_modules": ["q_proj"]},
            r'factors for "model\.layers\.\d\.mlp\.down_proj\.weight", which its',
        ),
        ({"target_modules": ["proj"]}, "leaves out"),
        ({"target_modules": r".*q_pro."}, "leaves out"),
        ({"exclude_modules": ["down_proj"]}, "leaves out"),
        ({"exclude_modules": r".*\.down_proj"}, "leaves out"),
        ({"layers_to_transform": [1]}, r'factors for "model\.layers\.0\.'),
        ({"layers_to_transform": 0, "layers_pattern": "blocks"}, "leaves out"),
        ({"modules_to_save": ["mlp"]}, "leaves out"),
        ({"target_modules": []}, "name no module"),
        ({"target_modules": "all-linear"}, "name no module"),
        ({"target_modules": r"(q_proj|down_proj)+x*(a+)+$"}, "is not matched: it could run for ever"),
        ({"target_modules": "(q_proj"}, "is not matched"),
        ({"target_modules": [["q_proj"]]}, "no name of a module"),
        ({"modules_to_save": [".*"]}, r'"\.\*" among its modules_to_save'),
        ({"layers_to_transform": ["0"]}, "no numbers of layers"),
        ({"target_modules": ".*proj", "layers_to_transform": [0]}, "exclude each other"),
    ],
)
def test_what_assay_does_not_apply_is_refused(
    pair: tuple[Path, Path], changes: dict[str, Any], part: str
) -> None:
    base, adapter = pair
    _config(adapter, **changes)
    with pytest.raises(BadInput, match=part) as refused:
        _load(adapter, base)
    assert "\n" not in refused.value.message


def _weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        weights = load_file(folder / "adapter_model.safetensors")
        change(weights)
        save_file(
            {name: tensor.contiguous() for name, tensor in weights.items()},
            folder / "adapter_model.safetensors",
        )

    return apply


Q = "base_model.model.model.layers.0.self_attn.q_proj"
DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "one factor": (_weights(lambda w: w.pop(f"{Q}.lora_A.weight")), "one of its two factors only"),
    "ranks apart": (
        _weights(lambda w: w.update({f"{Q}.lora_A.weight": torch.zeros(3, 16)})),
        "do not make a matrix",
    ),
    "another shape": (
        _weights(lambda w: w.update({f"{Q}.lora_A.weight": torch.zeros(2, 15)})),
        r"by a matrix of \(16, 15\); the base has \(16, 16\)",
    ),
    "no such weight": (
        _weights(
            lambda w: w.update({n.replace("self_attn", "evil"): w.pop(n) for n in list(w) if "q_proj" in n})
        ),
        r'changes "model\.layers\.0\.evil\.q_proj\.weight", which the base model has not',
    ),
    "replaces what is not there": (
        _weights(lambda w: w.update({"base_model.model.classifier.weight": torch.zeros(2, 2)})),
        'changes "classifier.weight", which the base model has not',
    ),
    "replaces what is changed by factors": (
        _weights(
            lambda w: [
                w.pop(f"{Q}.lora_A.weight"),
                w.pop(f"{Q}.lora_B.weight"),
                w.update({f"{Q}.weight": torch.zeros(16, 16)}),
            ]
        ),
        r'replaces "model\.layers\.0\.self_attn\.q_proj\.weight", of which its adapter_config\.json says',
    ),
    "NaN": (
        _weights(lambda w: w[f"{Q}.lora_A.weight"].fill_(float("nan"))),
        "NaN or infinite weights",
    ),
    "overflow": (
        _weights(lambda w: [w[f"{Q}.lora_{f}.weight"].fill_(1e30) for f in "AB"]),
        "not finite once the adapter is merged",
    ),
    "another kind": (
        _weights(lambda w: w.update({f"{Q}.lora_magnitude_vector": torch.zeros(2)})),
        "a change that Assay does not apply",
    ),
    "another prefix": (_weights(lambda w: w.update({"x": torch.zeros(2)})), "no tensor of a LoRA adapter"),
    "nothing": (_weights(lambda w: w.clear()), "an adapter without weights"),
    "a pickle": (
        lambda f: (f / "adapter_model.safetensors").rename(f / "adapter_model.bin"),
        r"only as a pickle \(adapter_model\.bin\)",
    ),
    "beside a model": (
        lambda f: shutil.copy(f.parent / "config.json", f),
        "a model and an adapter in one folder",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_weights_that_are_no_adapter_of_this_base_are_refused(pair: tuple[Path, Path], damage: str) -> None:
    base, adapter = pair
    shutil.copy(base / "config.json", adapter.parent / "config.json")
    change, part = DAMAGE[damage]
    change(adapter)
    with pytest.raises(BadInput, match=part) as refused:
        _load(adapter, None if damage == "beside a model" else base)
    assert "\n" not in refused.value.message
