"""Text classifiers that transformers itself ships, with their tokenizer."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from assay.contracts import Capability, Lineage, ModelFacts, ModelSignature, TextInput
from assay.errors import BadInput
from assay.models.base import Floats, Inputs
from assay.models.torch_model import TorchModel
from assay.models.transformer import first_line, load_tokenizer

if TYPE_CHECKING:
    import torch

__all__ = ["TextClassifier", "named_classes", "text_classifier", "write_huggingface", "write_network"]

CONFIG, SIGNATURE, LINEAGE = "config.json", "signature.json", "lineage.json"
_MOST_TOKENS = 512
"""Longest texts of a model whose folder has no signature; a signature may say more."""
_OFFSET_POSITIONS = frozenset(
    {"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet", "longformer", "data2vec-text", "luke"}
)
"""Families whose first positions are taken by the padding index."""


class TextClassifier(TorchModel):
    """A transformer over texts. `encode` gives the tokenizer's tensors, padded to the longest text.

    Attributes:
        tokenizer: transformers' own, fast.
    """

    kind_capabilities: ClassVar[tuple[Capability, ...]] = (*TorchModel.kind_capabilities, "tokens")
    most_rows: ClassVar[int] = 64

    def __init__(
        self,
        module: torch.nn.Module,
        tokenizer: Any,
        signature: ModelSignature,
        facts: ModelFacts,
        *,
        batch_rows: int = 64,
    ) -> None:
        super().__init__(module, signature, facts, batch_rows=batch_rows)
        self.tokenizer = tokenizer
        self._taken = set(inspect.signature(module.forward).parameters)

    @property
    def embedding_layer(self) -> torch.nn.Module:
        """Token ids (rows, tokens) -> embeddings (rows, tokens, size)."""
        found: torch.nn.Module = self.module.get_input_embeddings()  # type: ignore[operator]  # a method of every transformer
        return found

    def encode(self, inputs: Inputs) -> dict[str, torch.Tensor]:
        assert self.signature.text is not None
        found = self.tokenizer(
            [str(text) for text in inputs],
            padding=True,
            truncation=True,
            max_length=self.signature.text.max_length,
            return_tensors="pt",
        )
        return {name: tensor.to(self.device) for name, tensor in found.items() if name in self._taken}

    def logits(self, encoded: Any) -> torch.Tensor:
        found: torch.Tensor = self.module(**encoded).logits
        return found

    def logits_from_embeddings(
        self, embeddings: torch.Tensor, attention_mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Logits of (rows, tokens, size) embeddings, differentiable in them.

        Models that read the last token (decoders) cannot see padding here: pass rows of one length.
        """
        found: torch.Tensor = self.module(inputs_embeds=embeddings, attention_mask=attention_mask).logits
        return found

    def write(self, folder: Path, lineage: Lineage) -> Path:
        return write_huggingface(folder, self.module, self.tokenizer, self.signature, lineage)

    def raw_outputs(self, inputs: Inputs) -> Floats:
        """As any model's; texts of like length share a batch, so that little padding is computed."""
        order = np.argsort([len(text) for text in inputs], kind="stable")
        found = super().raw_outputs([inputs[int(place)] for place in order])
        back = np.empty_like(found)
        back[order] = found
        return back


def text_classifier(
    module: torch.nn.Module, folder: Path, signature: ModelSignature | None, facts: ModelFacts
) -> TextClassifier:
    """The network with the tokenizer in `folder`.

    Raises BadInput: a tokenizer that does not belong to it, a signature that does not fit.
    """
    config: Any = module.config
    tokenizer = load_tokenizer(folder, config, facts.name)
    found = signature or _inferred(config, tokenizer, facts.name)
    _check_signature(found, config, facts.name)
    model = TextClassifier(module, tokenizer, found, facts)
    _try_a_long_text(model, facts.name)
    return model


def write_huggingface(
    folder: Path,
    module: torch.nn.Module,
    tokenizer: Any,
    signature: ModelSignature,
    lineage: Lineage | None = None,
) -> Path:
    """Write a transformer and its tokenizer as a folder that Assay (and transformers) reads; returns it."""
    write_network(folder, module, signature, lineage)
    tokenizer.save_pretrained(folder)
    return folder


def write_network(
    folder: Path, module: torch.nn.Module, signature: ModelSignature, lineage: Lineage | None = None
) -> Path:
    """Write a transformer that needs no tokenizer; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    module.save_pretrained(folder)  # type: ignore[operator]  # a method of every transformer
    (folder / SIGNATURE).write_text(signature.model_dump_json(indent=1, by_alias=True) + "\n")
    if lineage is not None:
        (folder / LINEAGE).write_text(lineage.model_dump_json(indent=1) + "\n")
    return folder


def named_classes(config: Any, name: str) -> tuple[str, ...]:
    """Classes in output order from id2label, where LABEL_0 means "0"."""
    labels = [str(config.id2label[place]) for place in sorted(config.id2label)]
    classes = tuple(str(place) if label == f"LABEL_{place}" else label for place, label in enumerate(labels))
    if len(set(classes)) != len(classes):
        raise BadInput(f"{name}/{CONFIG}: two of its classes have the same name.")
    return classes


def _inferred(config: Any, tokenizer: Any, name: str) -> ModelSignature:
    """Classes from id2label, where LABEL_0 means "0"; as many tokens as the positions allow, at most 512."""
    if config.problem_type == "multi_label_classification":
        raise BadInput(f"{name} gives several labels at once; Assay audits one class a text.")
    classes = named_classes(config, name)
    positions = getattr(config, "max_position_embeddings", None) or _MOST_TOKENS
    if config.model_type in _OFFSET_POSITIONS:
        positions -= (config.pad_token_id or 0) + 1
    text = TextInput(max_length=max(1, min(int(tokenizer.model_max_length), positions, _MOST_TOKENS)))
    if len(classes) == 1:
        return ModelSignature(task="regression", output="score", text=text)
    return ModelSignature(
        task="binary" if len(classes) == 2 else "multiclass", output="logit", classes=classes, text=text
    )


def _check_signature(signature: ModelSignature, config: Any, name: str) -> None:
    if signature.text is None:
        raise BadInput(
            f"{name}: a text classifier reads text, its signature describes {signature.modality} data."
        )
    expected = 1 if signature.output == "score" else len(signature.classes)
    if expected != config.num_labels:
        raise BadInput(
            f"{name} gives {config.num_labels} outputs a text, its signature describes {expected}."
        )


def _try_a_long_text(model: TextClassifier, name: str) -> None:
    """One text as long as any may be: every token must have an embedding, and every place one too."""
    import torch

    vocabulary = int(getattr(model.embedding_layer, "num_embeddings", 0))
    if vocabulary and len(model.tokenizer) > vocabulary:
        raise BadInput(
            f"{name}: its tokenizer knows {len(model.tokenizer):,} tokens, its network {vocabulary:,}; they "
            "do not belong together."
        )
    try:
        with torch.inference_mode():
            encoded = model.encode(["a " * 1_024])
            found = model.logits(encoded)
    except (RuntimeError, ValueError, IndexError, AttributeError, TypeError) as error:
        assert model.signature.text is not None
        raise BadInput(
            f"{name}: the network cannot take a text of {model.signature.text.max_length:,} tokens "
            f"({first_line(error)})."
        ) from error
    if found.shape[-1] != model.outputs:
        raise BadInput(f"{name}: the network gives {found.shape[-1]} outputs a text, not {model.outputs}.")
