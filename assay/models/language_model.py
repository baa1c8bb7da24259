"""Causal language models that transformers itself ships: how likely a text is, and what comes next."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from assay.contracts import Capability, ModelFacts, ModelSignature, TextInput
from assay.errors import BadInput
from assay.models.base import Floats, Inputs, take
from assay.models.likelihoods import Likelihoods
from assay.models.text_pieces import Pieces, read_pieces
from assay.models.torch_model import TorchModel
from assay.models.transformer import first_line

if TYPE_CHECKING:
    import torch

__all__ = ["LanguageModel", "language_model"]

_MOST_TOKENS = 1_024
"""Longest windows of a model whose folder has no signature; a signature may say more."""
_MOST_LOGITS = 64 * 2**20
"""Logits of one call: rows x tokens x vocabulary; 256 MB."""
_MOST_NEW = 4_096


class LanguageModel(TorchModel):
    """A decoder. Its score of a text is the text's log-likelihood in nats.

    A text longer than the window (`signature.text.max_length` tokens) is read in consecutive windows, each of
    which begins with the last token of the one before: every token is scored once.

    Attributes:
        pieces: its vocabulary.
        start: the token that stands before every text; None for a model that has none.
    """

    kind_capabilities: ClassVar[tuple[Capability, ...]] = ("query", "tokens", "generation")
    most_rows: ClassVar[int] = 64

    def __init__(
        self, module: torch.nn.Module, pieces: Pieces, signature: ModelSignature, facts: ModelFacts
    ) -> None:
        super().__init__(module, signature, facts, batch_rows=64)
        self.pieces = pieces
        config: Any = module.config
        self.start = _first(pieces.marks.start, config.bos_token_id, pieces.marks.stop, config.eos_token_id)
        self.stop = _first(config.eos_token_id, pieces.marks.stop)
        self._plain = (
            {"use_cache": False} if "use_cache" in inspect.signature(module.forward).parameters else {}
        )

    @property
    def window(self) -> int:
        """Tokens that the network sees at once."""
        assert self.signature.text is not None
        return self.signature.text.max_length

    def encode(self, inputs: Inputs) -> torch.Tensor:
        """Token ids of the texts' windows, padded on the right, (windows, tokens)."""
        windows = [read for ids in self._ids(inputs) for read, _ in self._windows(ids)]
        return self._padded(windows or [[0]])

    def logits(self, encoded: Any) -> torch.Tensor:
        """(windows, tokens, vocabulary): what is expected after each token."""
        found: torch.Tensor = self.module(input_ids=encoded, **self._plain).logits
        return found

    def likelihoods(self, texts: Inputs) -> Likelihoods:
        """Log-likelihoods of texts; texts of like length share a call."""
        order = np.argsort([len(text) for text in texts], kind="stable")
        found = self.in_batches(len(order), lambda rows: self._likelihoods(take(texts, order[rows])))
        if not found:
            none = np.zeros(0, dtype=np.int64)
            return Likelihoods(np.zeros(0), none, none, none)
        back = np.empty_like(order)
        back[order] = np.arange(order.size)
        return Likelihoods(*(np.concatenate(parts)[back] for parts in zip(*found, strict=True)))

    def raw_outputs(self, inputs: Inputs) -> Floats:
        """(rows, 1): log-likelihoods in nats."""
        return self.likelihoods(inputs).nats[:, None]

    def generate(self, prompts: Sequence[str], new_tokens: int) -> list[str]:
        """The likeliest continuation of each prompt as text, without the prompt; see `new_tokens`."""
        before = self.pieces.ids(list(prompts))
        return [
            self._continued(ids, self.new_tokens(prompt, new_tokens))
            for ids, prompt in zip(before, prompts, strict=True)
        ]

    def new_tokens(self, prompt: str, most: int) -> list[int]:
        """The likeliest tokens after the prompt, one by one, up to the stop token (which is the last then).

        Args:
            most: at most so many; together with the prompt, of which the end is kept, at most a window.
        """
        import torch
        from transformers import GenerationConfig

        wanted = max(1, min(most, self.window - 1, _MOST_NEW))
        settings = GenerationConfig(  # type: ignore[no-untyped-call]  # transformers leaves it untyped
            max_new_tokens=wanted,
            do_sample=False,
            use_cache=True,
            eos_token_id=self.stop,
            pad_token_id=0 if self.stop is None else self.stop,
        )
        module: Any = self.module
        module.generation_config = settings
        before = [] if self.start is None else [self.start]
        ids = self.pieces.ids([prompt])[0]
        kept = [*before, *ids[max(0, len(ids) + len(before) + wanted - self.window) :]] or [0]
        asked = torch.tensor([kept], device=self.device)
        with torch.inference_mode():
            answer = module.generate(
                input_ids=asked, attention_mask=torch.ones_like(asked), generation_config=settings
            )
        found: list[int] = answer[0, len(kept) :].tolist()
        return found

    def _continued(self, before: list[int], new: list[int]) -> str:
        """The new tokens as text: what they add to the text of the prompt, blanks included."""
        stopped = new[:-1] if new and new[-1] == self.stop else new
        whole, start = self.pieces.text([*before, *stopped]), self.pieces.text(before)
        return whole[len(start) :] if whole.startswith(start) else self.pieces.text(stopped)

    def _outputs(self, inputs: Inputs) -> Floats:
        return self._likelihoods(inputs).nats[:, None]

    def _likelihoods(self, texts: Inputs) -> Likelihoods:
        import torch

        said = [str(text) for text in texts]
        ids = self._ids(said)
        nats, tokens = np.zeros(len(said)), np.zeros(len(said), dtype=np.int64)
        windows = [
            (row, read, targets) for row, piece in enumerate(ids) for read, targets in self._windows(piece)
        ]
        for batch in self._batches(sorted(windows, key=lambda window: len(window[1]))):
            read = self._padded([window[1] for window in batch])
            with torch.inference_mode():
                likely = self.logits(read).float().log_softmax(dim=-1)
            for place, (row, _, targets) in enumerate(batch):
                wanted = torch.tensor(targets, device=self.device)
                each = likely[place, : len(targets)].gather(1, wanted[:, None])
                nats[row] += float(each.double().sum())
                tokens[row] += len(targets)
        unknown = self.pieces.marks.unknown
        return Likelihoods(
            nats,
            tokens,
            np.array([len(text.encode()) for text in said], dtype=np.int64),
            np.array([piece.count(unknown) if unknown is not None else 0 for piece in ids], dtype=np.int64),
        )

    def _ids(self, texts: Inputs) -> list[list[int]]:
        return self.pieces.ids([str(text) for text in texts])

    def _windows(self, ids: list[int]) -> Iterator[tuple[list[int], list[int]]]:
        """What the network reads, and which tokens follow each of these."""
        whole = ids if self.start is None else [self.start, *ids]
        for first in range(0, len(whole) - 1, self.window):
            targets = whole[first + 1 : first + 1 + self.window]
            yield whole[first : first + len(targets)], targets

    def _batches(
        self, windows: list[tuple[int, list[int], list[int]]]
    ) -> Iterator[list[tuple[int, list[int], list[int]]]]:
        """Windows, sorted by length, in calls whose logits fit."""
        width = int(self.module.config.vocab_size)  # type: ignore[arg-type, union-attr]  # every language model has one
        batch: list[tuple[int, list[int], list[int]]] = []
        for window in windows:
            if batch and (len(batch) + 1) * len(window[1]) * width > _MOST_LOGITS:
                yield batch
                batch = []
            batch.append(window)
        if batch:
            yield batch

    def _padded(self, rows: list[list[int]]) -> torch.Tensor:
        """On the right, where a causal network cannot see it from the left."""
        import torch

        longest = max(map(len, rows))
        return torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows], device=self.device)


def language_model(
    module: torch.nn.Module, folder: Path, signature: ModelSignature | None, facts: ModelFacts
) -> LanguageModel:
    """The network with the vocabulary in `folder`.

    Raises BadInput: a vocabulary that does not belong to it, a network that sees what comes after a token, a
    signature of something else.
    """
    config: Any = module.config
    pieces = read_pieces(folder, config, facts.name)
    if signature is None:
        positions = getattr(config, "max_position_embeddings", None)
        limit = positions if isinstance(positions, int) and positions > 1 else _MOST_TOKENS
        text = TextInput(max_length=min(limit, _MOST_TOKENS))
        signature = ModelSignature(task="generation", output="score", text=text)
    if signature.task != "generation" or signature.text is None:
        raise BadInput(
            f"{facts.name} is a language model, but its signature describes a {signature.task} of "
            f'{signature.modality} data; write "task": "generation", "output": "score" and "text".'
        )
    model = LanguageModel(module, pieces, signature, facts)
    _try_tokens(model)
    before = "no start token" if model.start is None else "the start token first"
    model.notes.append(f"{facts.name} reads texts in windows of {model.window:,} tokens, {before}.")
    return model


def _try_tokens(model: LanguageModel) -> None:
    """Every token must have an embedding, every place one, and no place may see what comes after it."""
    import torch

    name, known = model.facts.name, model.pieces.size
    rows = int(model.module.get_input_embeddings().num_embeddings)  # type: ignore[operator]  # a method of every transformer
    if known > rows:
        raise BadInput(
            f"{name}: its tokenizer knows {known:,} tokens, its network {rows:,}; they do not belong "
            "together."
        )
    for mark in (model.start, model.stop):
        if mark is not None and not 0 <= mark < rows:
            raise BadInput(f"{name}/config.json names token {mark:,}; the network knows {rows:,}.")
    tokens = torch.arange(model.window, device=model.device)[None] % rows
    try:
        with torch.inference_mode():
            model.logits(tokens)
            short = tokens[:, : min(16, model.window)]
            changed = short.clone()
            changed[0, -1] = (changed[0, -1] + 1) % rows
            before, after = model.logits(short)[0, :-1], model.logits(changed)[0, :-1]
    except (RuntimeError, ValueError, IndexError, AttributeError, TypeError) as error:
        raise BadInput(
            f"{name}: the network cannot take a text of {model.window:,} tokens ({first_line(error)})."
        ) from error
    if before.numel() and not torch.allclose(before, after, rtol=1e-3, atol=1e-3):
        raise BadInput(
            f"{name} sees tokens that come after the one it is asked about, so that likelihoods of texts "
            "mean nothing; it is no causal language model (is_decoder in config.json?)."
        )


def _first(*marks: Any) -> int | None:
    """The first of several possible ids; of a list of ids its first."""
    for mark in marks:
        found = mark[0] if isinstance(mark, list) and mark else mark
        if isinstance(found, int) and not isinstance(found, bool):
            return found
    return None
