"""What lies beside a model and speaks of it: a Hugging Face model card (README.md) and an MLmodel file.

All of it is claims: read within limits, kept as text, printed as what the card says. A card that cannot be
read is no reason to refuse the model; a sentence says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from assay.contracts import ClaimedResult, ModelClaims
from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.bounded_yaml import MAX_YAML, read_yaml
from assay.intake.mlflow_folder import MLMODEL, flavours_of, is_mlflow, read_mlmodel

__all__ = ["CARD", "card_claims", "claims_of"]

CARD = "README.md"
_MAX_CARD = 1 << 20
_MOST, _SHORT, _LONG = 200, 500, 20_000
_HEADING = re.compile(r"^(#{1,6})[ \t]+(.+?)[ \t]*#*[ \t]*$")
_FENCE = re.compile(r"^ {0,3}(```|~~~)")
_USE = re.compile(
    r"\b(intended|direct|downstream|primary|model|out-of-scope)\s+(use|uses|usage)\b|^uses?$", re.I
)
_LIMITS = re.compile(r"\blimitations?\b|\brisks?\b|\bbias(es)?\b|out-of-scope|\bcaveats?\b", re.I)


def claims_of(path: Path) -> tuple[ModelClaims | None, tuple[str, ...]]:
    """What README.md and MLmodel in the folder `path` claim, and sentences on what could not be read."""
    if not path.is_dir():
        return None, ()
    found: dict[str, Any] = {}
    sources: list[str] = []
    trouble: list[str] = []
    for name, there, read in (
        (CARD, (path / CARD).is_file(), _card),
        (MLMODEL, is_mlflow(path), lambda folder: _mlmodel(read_mlmodel(folder))),
    ):
        if not there:
            continue
        try:
            said = read(path)
        except BadInput as error:
            trouble.append(f"{name} was not read: {error.message}")
            continue
        if said:
            found.update(said)
            sources.append(name)
    return (ModelClaims(sources=tuple(sources), **found) if sources else None), tuple(trouble)


def card_claims(text: str) -> dict[str, Any]:
    """Fields of `ModelClaims` that a model card fills: its front matter, and sections on use and limits.

    Raises:
        BadInput: front matter that is no YAML within limits, or no mapping.
    """
    front, body = _split(text)
    said: Any = read_yaml(front.encode(), f"the front matter of {CARD}") if front else {}
    if said is None:
        said = {}
    if not isinstance(said, dict):
        raise BadInput(f"The front matter of {CARD} is no mapping of names to values.")
    sections = list(_sections(body))
    limits = "\n\n".join(text for title, text in sections if _LIMITS.search(title))
    use = "\n\n".join(text for title, text in sections if _USE.search(title) and not _LIMITS.search(title))
    licence = _text(said.get("license_name") if said.get("license") == "other" else said.get("license"))
    found: dict[str, Any] = {
        "title": _text(said.get("model_name")) or _title(body),
        "licence": licence,
        "languages": _texts(said.get("language")),
        "datasets": _texts(said.get("datasets")),
        "metrics": _texts(said.get("metrics")),
        "base_models": _texts(said.get("base_model")),
        "tags": _texts(said.get("tags")),
        "library": _text(said.get("library_name")),
        "task": _text(said.get("pipeline_tag")),
        "intended_use": use[:_LONG],
        "limitations": limits[:_LONG],
        "results": tuple(_results(said.get("model-index")))[:_MOST],
    }
    return {name: value for name, value in found.items() if value}


def _card(folder: Path) -> dict[str, Any]:
    try:
        with (folder / CARD).open("rb") as file:
            content = file.read(_MAX_CARD + 1)
    except OSError as error:
        raise BadInput(f"{error.strerror or error}.") from None
    if len(content) > _MAX_CARD:
        raise BadInput(f"it has more than {_MAX_CARD:,} bytes.")
    try:
        return card_claims(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise BadInput("it is not UTF-8; save it so.") from None


def _split(text: str) -> tuple[str, str]:
    """Front matter between two lines of ---, and what follows."""
    lines = text.replace("\r\n", "\n").split("\n")
    if not lines or lines[0].rstrip() != "---":
        return "", text
    for place, line in enumerate(lines[1:], 1):
        if line.rstrip() == "---":
            return "\n".join(lines[1:place]), "\n".join(lines[place + 1 :])
    raise BadInput(f"The front matter of {CARD} does not end; close it with a line of ---.")


def _sections(body: str) -> Iterator[tuple[str, str]]:
    """(title, text) of each section, without those below it; headings inside code blocks are none."""
    title, kept, fenced = "", [], False
    for line in body.split("\n"):
        if _FENCE.match(line):
            fenced = not fenced
        heading = None if fenced or len(line) > _SHORT else _HEADING.match(line)
        if heading is None:
            kept.append(line)
            continue
        if title and (text := "\n".join(kept).strip()):
            yield title, text
        title, kept = heading[2], []
    if title and (text := "\n".join(kept).strip()):
        yield title, text


def _title(body: str) -> str:
    for line in body.split("\n")[:200]:
        found = _HEADING.match(line) if len(line) <= _SHORT else None
        if found is not None and found[1] == "#":
            return found[2][:_SHORT]
    return ""


def _results(index: Any) -> Iterator[ClaimedResult]:
    """Figures of a card's model-index (huggingface_hub, EvalResult)."""
    for model in index if isinstance(index, list) else ():
        entries = model.get("results") if isinstance(model, dict) else None
        for entry in entries if isinstance(entries, list) else ():
            if not isinstance(entry, dict):
                continue
            metrics = entry.get("metrics")
            for metric in metrics if isinstance(metrics, list) else ():
                if isinstance(metric, dict):
                    yield ClaimedResult(
                        metric=_text(metric.get("name") or metric.get("type")),
                        value=_text(metric.get("value")),
                        dataset=_named(entry.get("dataset")),
                        task=_named(entry.get("task")),
                    )


def _named(value: Any) -> str:
    return _text(value.get("name") or value.get("type")) if isinstance(value, dict) else ""


def _mlmodel(said: Mapping[str, Any]) -> dict[str, Any]:
    signature = said.get("signature")
    metadata = said.get("metadata")
    versions = {"mlflow_version": said.get("mlflow_version"), "model_uuid": said.get("model_uuid")}
    more = {**versions, **(metadata if isinstance(metadata, dict) else {})}
    found: dict[str, Any] = {
        "flavours": _texts(flavours_of(said)),
        "run_id": _text(said.get("run_id")),
        "logged_at": _text(said.get("utc_time_created")),
        "metadata": {_text(k): _text(v) for k, v in list(more.items())[:_MOST] if v is not None},
    }
    if isinstance(signature, dict):
        found["inputs"] = _columns(signature.get("inputs"))
        found["outputs"] = _columns(signature.get("outputs"))
    return {name: value for name, value in found.items() if value}


def _columns(said: Any) -> tuple[str, ...]:
    """MLflow keeps the columns of a signature as JSON in a string."""
    try:
        listed = json.loads(said) if isinstance(said, str) and len(said) <= MAX_YAML else said
    except (ValueError, RecursionError):
        return ()
    found = []
    for column in listed[:_MOST] if isinstance(listed, list) else ():
        if isinstance(column, dict):
            kind = column.get("type")
            spec = column.get("tensor-spec")
            shape = f"{spec.get('dtype')} {spec.get('shape')}" if isinstance(spec, dict) else ""
            found.append(f"{_text(column.get('name')) or 'unnamed'}: {shape or _text(kind)}"[:_SHORT])
    return tuple(found)


def _texts(value: Any) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [value]
    return tuple(text for text in (_text(each) for each in listed[:_MOST]) if text)


def _text(value: Any) -> str:
    """A scalar as one short line; nothing of what is none."""
    if value is None or isinstance(value, dict | list):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return visible(" ".join(str(value).split())[:_SHORT])[:_SHORT]
