"""What differs between two model versions: files by digest, what they are, signature, gate, lineage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError

from assay.contracts import GateVerdict, ModelFacts
from models_registry.models import ModelVersion
from models_registry.signature_changes import FieldChange, signature_changes

__all__ = ["FactLine", "FileLine", "ModelDiff", "diff_models"]

_NOTHING = "–"
FileState = Literal["same", "changed", "moved", "added", "removed"]


class FactLine(NamedTuple):
    """One thing that is known of both versions."""

    what: str
    before: str
    after: str

    @property
    def same(self) -> bool:
        return self.before == self.after

    @property
    def unknown(self) -> bool:
        """Neither version says it."""
        return self.before == self.after == _NOTHING


class FileLine(NamedTuple):
    """A file by its path; `moved`: the same content lay under `was`."""

    path: str
    origin: str
    state: FileState
    before: str
    """Digest; empty where it was not there."""
    after: str
    was: str = ""


class ModelDiff(NamedTuple):
    sentence: str
    relation: str
    """How one comes from the other; empty where nothing says so."""
    facts: list[FactLine]
    files: list[FileLine]
    signature: list[FieldChange]

    @property
    def differs(self) -> bool:
        files = any(each.state != "same" for each in self.files)
        return files or bool(self.signature) or any(not each.same for each in self.facts)


def diff_models(before: ModelVersion, after: ModelVersion) -> ModelDiff:
    """Compare two versions of one organisation; two queries, for their files.

    Both want `model`, `parent` and `base` fetched.
    """
    files = _files(before, after)
    facts = _facts(before, after)
    signature = signature_changes(before.signature, after.signature)
    return ModelDiff(
        _sentence(before, after, facts, files, signature), _relation(before, after), facts, files, signature
    )


def _files(before: ModelVersion, after: ModelVersion) -> list[FileLine]:
    left, right = (
        {(m.origin, m.path): m.file.sha256 for m in version.members.select_related("file")}
        for version in (before, after)
    )
    came = {sha256: path for (_origin, path), sha256 in left.items()}
    found = []
    for origin, path in sorted(left.keys() | right.keys(), key=lambda key: (key[0] != "uploaded", key[1])):
        old, new = left.get((origin, path), ""), right.get((origin, path), "")
        was = came.get(new, "") if new and not old else ""
        state: FileState
        if old and new:
            state = "same" if old == new else "changed"
        elif new:
            state = "moved" if was and (origin, was) not in right else "added"
        else:
            state = "removed"
        found.append(FileLine(path, origin, state, old, new, was if state == "moved" else ""))
    moved = {(each.origin, each.was) for each in found if each.state == "moved"}
    return [each for each in found if each.state != "removed" or (each.origin, each.path) not in moved]


def _facts(before: ModelVersion, after: ModelVersion) -> list[FactLine]:
    said = [_said(before), _said(after)]
    return [
        FactLine(what, said[0].get(what, _NOTHING), said[1].get(what, _NOTHING))
        for what in dict.fromkeys([*said[0], *said[1]])
    ]


def _said(version: ModelVersion) -> dict[str, str]:
    found = {"Read": version.get_state_display(), "Stage": version.get_stage_display()}
    found["Format"] = version.format or _NOTHING
    if version.source == ModelVersion.Source.PREDICTIONS:
        found["Predicted classes"], found["Scores"] = (
            version.predictions or _NOTHING,
            version.scores or _NOTHING,
        )
        found["Threshold of the scores"] = _NOTHING if version.threshold is None else f"{version.threshold:g}"
    if version.base is not None:
        found["Adapter of"] = f"{version.base}, {version.base.sha256}"
    if (facts := _read(ModelFacts, version.facts)) is not None:
        found["Architecture"] = facts.architecture
        found["Parameters"] = f"{facts.parameters:,}"
        found["Weights"] = f"{facts.weight_bytes:,} bytes, {facts.dtype}"
    if (gate := _read(GateVerdict, version.gate)) is not None:
        found["Gate"] = f"class {gate.trust}, came in as {gate.came_as}"
        found["Scanners"] = " ".join(gate.findings) or "noticed nothing"
    found["Signature given by"] = "people" if version.said_signature is not None else "the files"
    found["SHA-256"] = version.sha256 or _NOTHING
    return found


def _relation(before: ModelVersion, after: ModelVersion) -> str:
    for child, parent in ((after, before), (before, after)):
        if child.base_id == parent.pk:
            return f"{child} is an adapter over {parent}."
        if child.parent_id == parent.pk:
            remedy = (child.lineage or {}).get("remedy")
            return f"{child} was made from {parent}{f' by {remedy}' if remedy else ''}."
    if before.parent_id is not None and before.parent_id == after.parent_id:
        return f"Both were made from {before.parent}."
    return ""


def _sentence(
    before: ModelVersion,
    after: ModelVersion,
    facts: list[FactLine],
    files: list[FileLine],
    signature: list[FieldChange],
) -> str:
    if before.pk == after.pk:
        return "This is one and the same version."
    if before.source != after.source:
        kinds = [each.get_source_display().lower() for each in (before, after)]
        return (
            f"{before} is {kinds[0]}, {after} is {kinds[1]}: what they answer can be compared, not what they "
            "are."
        )
    counts = {
        state: sum(each.state == state for each in files)
        for state in ("changed", "moved", "added", "removed")
    }
    said = [f"{count} file{'' if count == 1 else 's'} {state}" for state, count in counts.items() if count]
    weights = next((each for each in facts if each.what == "SHA-256"), None)
    if not said:
        said = ["the same files"] if files else []
    if weights is not None and weights.same and weights.before != _NOTHING and any(counts.values()):
        said.append("the model is the same")
    if signature:
        said.append(f"{len(signature)} field{'' if len(signature) == 1 else 's'} of the signature changed")
    elif before.signature and after.signature:
        said.append("the same signature")
    words = ", ".join(said) or "nothing to compare yet"
    return f"{words[:1].upper()}{words[1:]}."


def _read(kind: Any, said: Mapping[str, Any] | None) -> Any:
    if not said:
        return None
    try:
        return kind.model_validate(said)
    except ValidationError:  # of an older schema
        return None
