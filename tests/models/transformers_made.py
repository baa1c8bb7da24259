"""Small transformers of every kind that is audited, made on the spot and saved as transformers saves them."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

__all__ = [
    "CHAIN",
    "LETTERS",
    "byte_llama",
    "chain_folder",
    "chain_texts",
    "lora",
    "sharded",
    "stories",
    "tiny_llama",
    "tiny_vit",
    "word_tokenizer",
]

LETTERS = ("a", "b", "c", "d")
WORDS = ("<s>", *LETTERS, "<unk>")
CHAIN = np.array(
    [
        [0.25, 0.25, 0.25, 0.25],
        [0.1, 0.6, 0.2, 0.1],
        [0.4, 0.1, 0.4, 0.1],
        [0.05, 0.05, 0.1, 0.8],
        [0.7, 0.1, 0.1, 0.1],
    ]
)
"""Chance of each letter after the start and after each letter."""


def word_tokenizer(folder: Path, words: Sequence[str] = WORDS) -> Path:
    """tokenizer.json of whole words parted by blanks, and which of them stand for start, stop and unknown."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    folder.mkdir(parents=True, exist_ok=True)
    known = {word: place for place, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(known, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"))
    marks = {"bos_token": "<s>", "eos_token": "<s>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(marks))
    return folder


def chain_folder(folder: Path, chances: np.ndarray = CHAIN) -> Path:
    """A Llama whose next-token distribution is a Markov chain's: everything about it has a closed form.

    Embeddings are one-hot, its one layer adds nothing, RMS normalisation turns a one-hot row of width 6 into
    sqrt(6) times itself, and the head holds log chances / sqrt(6).
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    size = len(WORDS)
    config = LlamaConfig(
        vocab_size=size,
        hidden_size=size,
        intermediate_size=4,
        num_hidden_layers=1,
        num_attention_heads=1,
        head_dim=size,
        max_position_embeddings=64,
        rms_norm_eps=0.0,
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=0,
    )
    module = LlamaForCausalLM(config)
    table = np.full((size, size), -50.0)
    table[: len(LETTERS) + 1, 1 : len(LETTERS) + 1] = np.log(chances)
    with torch.no_grad():
        for name, weight in module.named_parameters():
            if "norm" not in name:
                weight.zero_()
        module.model.embed_tokens.weight.copy_(torch.eye(size))
        module.lm_head.weight.copy_(torch.tensor(table.T / np.sqrt(size), dtype=torch.float32))
    module.save_pretrained(folder)
    return word_tokenizer(folder)


def chain_texts(texts: int, seed: int, chances: np.ndarray = CHAIN) -> list[str]:
    """Texts of 5 to 40 letters drawn from the chain."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(texts):
        letters, state = [], 0
        for _ in range(rng.integers(5, 41)):
            state = int(rng.choice(len(LETTERS), p=chances[state])) + 1
            letters.append(LETTERS[state - 1])
        found.append(" ".join(letters))
    return found


def tiny_llama(folder: Path, *, seed: int = 0, **more: Any) -> Path:
    """A Llama with random weights over `WORDS`, 16 numbers wide."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    sizes = {
        "vocab_size": len(WORDS),
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 32,
        "initializer_range": 0.5,
        "bos_token_id": 0,
        "eos_token_id": 0,
    }
    LlamaForCausalLM(LlamaConfig(**{**sizes, **more})).save_pretrained(folder)
    return word_tokenizer(folder)


def byte_llama(folder: Path, **more: Any) -> Path:
    """A Llama with random weights whose tokens are bytes, token n byte n, after a start token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    start = 256
    tiny_llama(folder, **{"vocab_size": start + 1, "bos_token_id": start, "eos_token_id": start, **more})
    # As byte-level vocabularies write bytes: those that can be seen as themselves, others from 256 on.
    seen = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in seen]
    known = {chr(byte): byte for byte in seen} | {chr(256 + n): byte for n, byte in enumerate(hidden)}
    known["<s>"] = start
    tokenizer = Tokenizer(models.BPE(known, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<s>", "eos_token": "<s>"}))
    return folder


def tiny_vit(
    folder: Path,
    *,
    size: int = 8,
    classes: Sequence[str] = ("one", "two", "three"),
    **more: Any,
) -> Path:
    """A vision transformer with random weights over colour images of `size`, and its processor."""
    import torch
    from transformers import ViTConfig, ViTForImageClassification

    torch.manual_seed(0)
    sizes = {
        "image_size": size,
        "patch_size": size // 2,
        "num_channels": 3,
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "initializer_range": 0.5,
        "id2label": dict(enumerate(classes)),
        "label2id": {name: place for place, name in enumerate(classes)},
    }
    ViTForImageClassification(ViTConfig(**{**sizes, **more})).save_pretrained(folder)
    processor(folder, size)
    return folder


def processor(folder: Path, size: int, **more: Any) -> None:
    """A preprocessor_config.json as ViT's is."""
    said = {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": {"height": size, "width": size},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.4, 0.3],
        "image_std": [0.5, 0.25, 0.2],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps({**said, **more}))


def sharded(folder: Path, parts: int = 2) -> Path:
    """The same model with its weights in `parts` files and an index, as save_pretrained writes large ones."""
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    names = sorted(weights)
    mapped = {}
    for part in range(parts):
        file = f"model-{part + 1:05}-of-{parts:05}.safetensors"
        held = names[part::parts]
        save_file({name: weights[name] for name in held}, folder / file, metadata={"format": "pt"})
        mapped.update(dict.fromkeys(held, file))
    (folder / "model.safetensors").unlink()
    index = {"metadata": {"total_size": 0}, "weight_map": mapped}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def lora(folder: Path, base: Path, auto: str, *, seed: int = 1, **more: Any) -> Any:
    """An adapter over `base` with random factors, saved by PEFT; returns PEFT's own model."""
    import peft
    import torch
    import transformers

    torch.manual_seed(seed)
    model = getattr(transformers, auto).from_pretrained(str(base))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # PEFT asks transformers for a name it will drop
        adapted = peft.get_peft_model(model, peft.LoraConfig(r=2, lora_alpha=3, **more))
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_" in name or "modules_to_save" in name:
                weight.normal_(std=0.5)
    adapted.save_pretrained(folder)
    return adapted.eval()


def stories(folder: Path) -> Path:
    """stories260k with its SentencePiece vocabulary in one folder; needs ASSAY_REAL_DATA."""
    source = Path(os.environ["ASSAY_REAL_DATA"]) / "stories260k"
    folder.mkdir()
    for file in (source / "hf").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    shutil.copyfile(source / "tok512.model", folder / "tokenizer.model")
    return folder


def trained_vit(folder: Path) -> tuple[Path, Path]:
    """A vision transformer trained on scikit-learn's digits, and the rows it never saw as an .npz.

    The images are 8 x 8 in one channel; more than half of the others are told right after a second.
    """
    import torch
    from sklearn.datasets import load_digits
    from transformers import ViTConfig, ViTForImageClassification

    torch.manual_seed(0)
    images, labels = load_digits(return_X_y=True)
    pixels = (images.reshape(-1, 8, 8) * 255 / 16).astype(np.uint8)
    config = ViTConfig(
        image_size=8,
        patch_size=4,
        num_channels=1,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        num_labels=10,
    )
    module = ViTForImageClassification(config).train()
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-2)
    inputs = torch.from_numpy(pixels[:1400, None].astype(np.float32) / 255 - 0.5) / 0.5
    targets = torch.from_numpy(labels[:1400])
    for step in range(120):
        rows = torch.from_numpy(np.random.default_rng(step).choice(1400, 64, replace=False))
        loss = module(pixel_values=inputs[rows], labels=targets[rows]).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    module.save_pretrained(folder / "vit")
    processor(folder / "vit", 8, image_mean=[0.5], image_std=[0.5])
    data = folder / "digits.npz"
    np.savez(data, images=pixels[1400:], labels=labels[1400:])
    return folder / "vit", data


def picture(folder: Path, seed: int = 0) -> np.ndarray:
    """One random 8 x 8 colour image, uint8."""
    return np.asarray(
        Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8))
    )
