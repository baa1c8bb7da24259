"""Bringing models and data to a service: uploads in chunks, and versions under the names of people."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from assay.contracts import EndpointRequest
from assay.errors import AssayError, BadInput
from assay.intake.model_files import model_files
from assay.remote.client import Client

__all__ = ["Pusher", "read_version"]

CHUNK = 16 * 2**20
Progress = Callable[[str, float], None]


class Pusher:
    """Registers what belongs to one AI system; makes what is not there yet, by name.

    Args:
        system: name of the AI system.
        progress: called with (what is going on, done share of it).
    """

    def __init__(self, client: Client, system: str, progress: Progress) -> None:
        self._client = client
        self._progress = progress
        self.system = self._named("/systems", system, search=system)

    def model(
        self, path: Path, name: str, *, label: str = "", signature: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Upload a model's file or folder as the next version of model `name`; waits until it was read.

        Args:
            signature: in place of what the files say of themselves.
        """
        container = self._named(f"/systems/{self.system['id']}/models", name)
        if not path.exists():
            raise BadInput(f"{path} does not exist; give a model's folder or file.")
        uploaded = [
            {"upload": self.upload(member, relative), "path": relative} for relative, member in _members(path)
        ]
        body = {"files": uploaded, "label": label, "signature": signature}
        made = self._client.post(f"/models/{container['id']}/versions", body)
        return self._read(f"/model-versions/{made['id']}", f"{name} {made['number']}")

    def from_hub(self, hub: str, name: str, *, label: str = "") -> dict[str, Any]:
        """Have the service fetch a model of the Hugging Face Hub as the next version of model `name`."""
        container = self._named(f"/systems/{self.system['id']}/models", name)
        made = self._client.post(f"/models/{container['id']}/hub", {"name": hub, "label": label})
        return self._read(f"/model-versions/{made['id']}", f"{name} {made['number']}")

    def predictions(
        self, name: str, *, predictions: str | None, scores: str | None, threshold: float | None
    ) -> dict[str, Any]:
        """Register columns of predictions as the next version of model `name`."""
        container = self._named(f"/systems/{self.system['id']}/models", name)
        body = {"predictions": predictions or "", "scores": scores or "", "threshold": threshold}
        made = self._client.post(f"/models/{container['id']}/predictions", body)
        return self._read(f"/model-versions/{made['id']}", f"{name} {made['number']}")

    def endpoint(self, request: EndpointRequest, name: str, *, label: str = "") -> dict[str, Any]:
        """Register a model behind an address as the next version of model `name`; its key by name only."""
        container = self._named(f"/systems/{self.system['id']}/models", name)
        body = {"endpoint": request.model_dump(mode="json"), "label": label}
        made = self._client.post(f"/models/{container['id']}/endpoints", body)
        return self._read(f"/model-versions/{made['id']}", f"{name} {made['number']}")

    def data(
        self,
        files: Mapping[str, Path],
        name: str,
        description: Mapping[str, Any],
        *,
        label: str = "",
        **datasheet: Any,
    ) -> dict[str, Any]:
        """Upload one file a row role as the next version of dataset `name`; waits until it was read."""
        container = self._named(f"/systems/{self.system['id']}/datasets", name)
        for path in files.values():
            if not path.is_file():
                raise BadInput(f"{path} is no file; a service takes single files (pictures as .npz).")
        uploaded = {role: {"upload": self.upload(path, path.name)} for role, path in files.items()}
        body = {"files": uploaded, "description": dict(description), "label": label, **datasheet}
        made = self._client.post(f"/datasets/{container['id']}/versions", body)
        return self._read(f"/dataset-versions/{made['id']}", f"{name} {made['number']}")

    def upload(self, path: Path, name: str) -> str:
        """Send one file in chunks; goes on where the service says that it stands. Returns the upload's id."""
        size = path.stat().st_size
        upload = self._client.post("/uploads", {"name": name, "size": size})
        hashed, sent = hashlib.sha256(), 0
        for chunk in _chunks(path):
            hashed.update(chunk)
            upload = self._client.patch(f"/uploads/{upload['id']}", chunk, offset=sent)
            sent += len(chunk)
            self._progress(f"sending {name}", sent / max(size, 1))
        self._client.post(f"/uploads/{upload['id']}/finish", {"sha256": hashed.hexdigest()})
        return str(upload["id"])

    def _named(self, path: str, name: str, **query: Any) -> dict[str, Any]:
        """What goes by `name`, made where there is none."""
        for found in self._client.pages(path, **query):
            if found["name"] == name:
                return dict(found)
        return dict(self._client.post(path, {"name": name}))

    def _read(self, path: str, name: str) -> dict[str, Any]:
        return read_version(self._client, path, name, self._progress)


def read_version(client: Client, path: str, name: str, progress: Progress | None = None) -> dict[str, Any]:
    """Wait until the service has read a version. Raises BadInput where it was refused."""
    for found in client.polled(path):
        if found["state"] == "ready":
            return dict(found)
        if found["state"] in ("refused", "failed"):
            trust = (found.get("gate") or {}).get("trust")
            raise BadInput(f"{name} was refused{f' (class {trust})' if trust else ''}. {found['refusal']}")
        if progress is not None:
            progress(f"{name} is being read", 0.0)
    raise AssayError("The service stopped answering.", code="server")


def _members(path: Path) -> list[tuple[str, Path]]:
    if path.is_file():
        return [(path.name, path)]
    return [(str(relative), member) for relative, member in model_files(path)]


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
