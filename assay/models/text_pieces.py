"""Texts to token ids and back, for language models: by tokenizers alone, or by SentencePiece.

Nothing is added to a text here: which token stands before it is decided in one place (`LanguageModel`).
Words that spell a control token, such as "</s>", are read as words.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.model_files import read_json
from assay.intake.tokenizer_files import PIECES
from assay.models.transformer import first_line, load_tokenizer

__all__ = ["Pieces", "read_pieces"]


class Marks(NamedTuple):
    """Ids of the tokens that mean something besides text; None where there is none."""

    start: int | None
    stop: int | None
    unknown: int | None


class Pieces(Protocol):
    """A vocabulary: `size` is one more than its largest id."""

    @property
    def size(self) -> int: ...

    @property
    def marks(self) -> Marks: ...

    def ids(self, texts: Sequence[str]) -> list[list[int]]: ...

    def text(self, ids: Sequence[int]) -> str: ...


class _Tokenizers:
    def __init__(self, tokenizer: Any, folder: Path) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True
        self._tokenizer = tokenizer
        self.size = max(tokenizer.get_vocab().values(), default=-1) + 1
        settings = _settings(folder)
        unknown = settings.get("unk_token") or getattr(tokenizer.model, "unk_token", None)
        start, stop = self._id(settings.get("bos_token")), self._id(settings.get("eos_token"))
        self.marks = Marks(start, stop, self._id(unknown))

    def _id(self, token: Any) -> int | None:
        word = token.get("content") if isinstance(token, dict) else token
        found = self._tokenizer.token_to_id(word) if isinstance(word, str) else None
        return None if found is None else int(found)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        return [
            list(found.ids) for found in self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        ]

    def text(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))


class _SentencePiece:
    def __init__(self, processor: Any) -> None:
        self._processor = processor
        self.size = int(processor.vocab_size())
        start, stop, unknown = processor.bos_id(), processor.eos_id(), processor.unk_id()
        self.marks = Marks(*(int(mark) if mark >= 0 else None for mark in (start, stop, unknown)))

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        return [[int(piece) for piece in found] for found in self._processor.encode(list(texts))]

    def text(self, ids: Sequence[int]) -> str:
        return str(self._processor.decode([int(piece) for piece in ids]))


def read_pieces(folder: Path, config: Any, name: str) -> Pieces:
    """The vocabulary in `folder`: tokenizer.json, else tokenizer.model, else what transformers reads.

    Raises BadInput: files that are none.
    """
    try:
        if (folder / "tokenizer.json").is_file():
            from tokenizers import Tokenizer

            return _Tokenizers(Tokenizer.from_file(str(folder / "tokenizer.json")), folder)
        if (folder / PIECES).is_file():
            from sentencepiece import SentencePieceProcessor

            return _SentencePiece(SentencePieceProcessor(model_proto=(folder / PIECES).read_bytes()))
    except ImportError as error:
        raise BadInput(
            f"{name} carries its vocabulary as {PIECES}, for which the package sentencepiece is needed; it "
            "is not installed here."
        ) from error
    except Exception as error:
        raise BadInput(f"{name}: its tokenizer cannot be loaded: {first_line(error)}.") from error
    return _Tokenizers(load_tokenizer(folder, config, name).backend_tokenizer, folder)


def _settings(folder: Path) -> dict[str, Any]:
    path = folder / "tokenizer_config.json"
    found = read_json(path) if path.is_file() else {}
    if not isinstance(found, dict):
        raise BadInput(f"{visible(folder.name)}/tokenizer_config.json is no JSON object.")
    return found
