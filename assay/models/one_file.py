"""A model that is one file, given by itself or in a folder beside signature.json and lineage.json."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from assay.contracts import ModelFacts, ModelSignature
from assay.datasets.values import visible
from assay.errors import Internal
from assay.intake.model_files import folder_digest, read_lineage, read_signature, the_file

__all__ = ["OneFile"]

_SIGNATURE, _LINEAGE = "signature.json", "lineage.json"


class OneFile:
    """Where the model's file is, what it is called, and what stands beside it.

    Args:
        path: the file, or the folder that holds it.
        looks: whether a file's content is of the format.
        format_id: the format's id.
        signature: the caller's own, which comes before the one beside the file.

    Raises:
        Internal: `path` was not recognised as such a model.
        BadInput: the signature beside the file is malformed.
    """

    def __init__(
        self, path: Path, looks: Callable[[Path], bool], format_id: str, signature: ModelSignature | None
    ) -> None:
        file = the_file(path, looks)
        if file is None:
            raise Internal(f"{path.name} is no model of the format {format_id}.")
        self._path, self._format, self.file = path, format_id, file
        self.name = visible(path.name)
        """Of what was given."""
        self.shown = self.name if file == path else f"{self.name}/{visible(file.name)}"
        """The file, as messages call it."""
        own = file.parent / _SIGNATURE
        if signature is None and file != path and own.is_file():
            signature = read_signature(own)
        self.signature = signature
        """None where nobody says what the model reads and answers."""

    def facts(self, **told: Any) -> ModelFacts:
        """What is known of the model: `told`, and what every such file has. Raises BadInput: odd lineage."""
        beside = self._path != self.file
        return ModelFacts(
            name=self.name,
            format=self._format,
            sha256=folder_digest(self._path),
            lineage=read_lineage(self.file.parent / _LINEAGE) if beside else None,
            **told,
        )
