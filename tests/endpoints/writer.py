"""A causal language model behind a completions API that echoes prompts, in the ways in which servers do.

Nothing here is Assay's own code: the network is transformers' own, the vocabulary that of its library.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import AutoModelForCausalLM

__all__ = ["Spelling", "Writer", "byte_writer", "stories_writer"]

Spelling = Literal["whole", "apart", "stripped", "raw"]
"""How token texts come: as what each adds to the text; decoded one by one; likewise without blanks before a
word, as SentencePiece decodes; as the pieces of the vocabulary."""


class Writer:
    """Answers completion requests with `echo`.

    Attributes:
        spelling: of the tokens' texts.
        start: the token that is put before a prompt; None for a server that puts none there.
        longest: tokens of a prompt; more are refused, or cut off where `cuts` says so.
        ends: whether the generated token is the end of the text, which is listed and has no text.
    """

    def __init__(
        self,
        folder: Path,
        encode: Callable[[str], list[int]],
        bytes_of: Callable[[int], bytes],
        raw: Callable[[int], str],
        start: int,
    ) -> None:
        self._module: Any = AutoModelForCausalLM.from_pretrained(str(folder))
        self._module.eval()
        self._encode, self._bytes_of, self._raw = encode, bytes_of, raw
        self.start: int | None = start
        self.start_text = "<s>"
        self.spelling: Spelling = "whole"
        self.longest = 10_000
        self.cuts = self.ends = False
        self.called = "writer-1"

    def __call__(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        choices, used = [], 0
        for index, prompt in enumerate(body["prompt"]):
            ids = self._encode(prompt)
            if len(ids) > self.longest:
                if not self.cuts:
                    said = f"This model's maximum context length is {self.longest} tokens."
                    return 400, {"error": {"message": said, "type": "BadRequestError"}}
                ids = ids[: self.longest]
            choice = self._choice(prompt, ids, body["max_tokens"])
            choices.append({"index": index, **choice})
            used += len(ids) + body["max_tokens"]
        return 200, {"model": self.called, "choices": choices[::-1], "usage": {"total_tokens": used}}

    def _choice(self, prompt: str, ids: list[int], most: int) -> dict[str, Any]:
        read = ids if self.start is None else [self.start, *ids]
        with torch.inference_mode():
            likely = self._module(input_ids=torch.tensor([read])).logits[0].log_softmax(dim=-1)
        values = [None, *(float(likely[at, then]) for at, then in enumerate(read[1:]))]
        texts = [*([] if self.start is None else [self.start_text]), *self._texts(ids)]
        more = ""
        if most:
            new = int(likely[-1, :256].argmax())
            values.append(float(likely[-1, new]))
            more = "" if self.ends else self._texts([new])[0]
            texts.append("</s>" if self.ends else more)
        offsets, at = [], 0
        for text in texts:
            offsets.append(at)
            at += len(text)
        top = [None if value is None else {text: value} for text, value in zip(texts, values, strict=True)]
        said = {"tokens": texts, "token_logprobs": values, "text_offset": offsets, "top_logprobs": top}
        return {"text": prompt + more, "logprobs": said, "finish_reason": "length"}

    def _texts(self, ids: list[int]) -> list[str]:
        if self.spelling == "raw":
            return [self._raw(token) for token in ids]
        each = [self._bytes_of(token) for token in ids]
        if self.spelling == "whole":
            so_far = [b"".join(each[:stop]).decode(errors="ignore") for stop in range(len(each) + 1)]
            return [after[len(before) :] for before, after in pairwise(so_far)]
        apart = [piece.decode(errors="replace") for piece in each]
        return apart if self.spelling == "apart" else [text.lstrip(" ") for text in apart]


def byte_writer(folder: Path) -> Writer:
    """Of `byte_llama`: token n is byte n."""
    return Writer(
        folder,
        encode=lambda prompt: list(prompt.encode()),
        bytes_of=lambda token: bytes([token]),
        raw=lambda token: f"<0x{token:02X}>",
        start=256,
    )


def stories_writer(folder: Path) -> Writer:
    """Of stories260k, whose vocabulary is SentencePiece's, a blank before the first word."""
    from sentencepiece import SentencePieceProcessor

    pieces = SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))

    def bytes_of(token: int) -> bytes:
        piece: str = pieces.id_to_piece(token)
        return bytes([int(piece[3:5], 16)]) if pieces.is_byte(token) else piece.replace("▁", " ").encode()

    return Writer(folder, pieces.encode, bytes_of, pieces.id_to_piece, start=pieces.bos_id())
