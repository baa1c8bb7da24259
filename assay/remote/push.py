"""Bringing models and data to a service: uploads in chunks, and versions under the names of people."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

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
        again: make a new version even where the same one is there already.

    What is returned of a version is its JSON, and `known`: whether it was there already.
    """

    def __init__(self, client: Client, system: str, progress: Progress, *, again: bool = False) -> None:
        self._client = client
        self._progress = progress
        self._again = again
        self.system = self._named("/systems", system, search=system)

    def model(
        self,
        path: Path,
        name: str,
        *,
        label: str = "",
        signature: dict[str, Any] | None = None,
        base: str | None = None,
    ) -> dict[str, Any]:
        """Upload a model's file or folder as the next version of model `name`; waits until it was read.

        Args:
            signature: in place of what the files say of themselves.
            base: id of the version that an adapter changes.
        """
        container = self._named(f"/systems/{self.system['id']}/models", name)
        if not path.exists():
            raise BadInput(f"{path} does not exist; give a model's folder or file.")
        members, said = _members(path), {"label": label, "signature": signature, "base": base}
        versions = f"/models/{container['id']}/versions"
        hashed = {relative: self._sha256(member, relative) for relative, member in members}
        if (known := self._known(versions, {"files": hashed, **said})) is not None:
            return self._read(f"/model-versions/{known['id']}", f"{name} {known['number']}", known=True)
        uploaded = [
            {"upload": self.upload(member, relative), "path": relative} for relative, member in members
        ]
        made = self._client.post(versions, {"files": uploaded, **said})
        return self._read(f"/model-versions/{made['id']}", f"{name} {made['number']}")

    def base(self, said: str) -> str:
        """The id of the version that an adapter changes.

        Args:
            said: a folder, which is brought first; a version's id; NAME or NAME@VERSION (its label or number)
                of a model of this system, the newest ready version where none is said.

        Raises:
            BadInput: there is no such version.
        """
        if Path(said).exists():
            return str(self.model(Path(said), Path(said).stem)["id"])
        with contextlib.suppress(ValueError):
            return str(UUID(said))
        name, _, version = said.partition("@")
        for container in self._client.pages(f"/systems/{self.system['id']}/models"):
            if container["name"] == name:
                for found in self._client.pages(f"/models/{container['id']}/versions"):
                    if version in (found["label"], str(found["number"])) or (
                        not version and found["state"] == "ready"
                    ):
                        return str(found["id"])
        raise BadInput(
            f'There is no folder and no model version "{said}" for --base in the system '
            f'"{self.system["name"]}"; give a folder, a version\'s id, NAME or NAME@VERSION.'
        )

    def from_hub(self, hub: str, name: str, *, label: str = "") -> dict[str, Any]:
        """Have the service fetch a model of the Hugging Face Hub as the next version of model `name`."""
        container = self._named(f"/systems/{self.system['id']}/models", name)
        made = self._client.post(f"/models/{container['id']}/hub", {"name": hub, "label": label})
        return self._read(f"/model-versions/{made['id']}", f"{name} {made['number']}")

    def predictions(
        self,
        name: str,
        *,
        predictions: str | None,
        scores: str | None,
        threshold: float | None,
        label: str = "",
    ) -> dict[str, Any]:
        """Register columns of predictions as the next version of model `name`."""
        container = self._named(f"/systems/{self.system['id']}/models", name)
        body = {
            "predictions": predictions or "",
            "scores": scores or "",
            "threshold": threshold,
            "label": label,
        }
        versions = f"/models/{container['id']}/predictions"
        if (known := self._known(versions, body)) is not None:
            return self._read(f"/model-versions/{known['id']}", f"{name} {known['number']}", known=True)
        made = self._client.post(versions, body)
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
        versions = f"/datasets/{container['id']}/versions"
        said = {"description": dict(description), "label": label}
        hashed = {role: self._sha256(path, path.name) for role, path in files.items()}
        wanted = {"files": hashed, "disjoint": bool(datasheet.get("disjoint")), **said}
        if (known := self._known(versions, wanted)) is not None:
            return self._read(f"/dataset-versions/{known['id']}", f"{name} {known['number']}", known=True)
        uploaded = {role: {"upload": self.upload(path, path.name)} for role, path in files.items()}
        made = self._client.post(versions, {"files": uploaded, **said, **datasheet})
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

    def _known(self, versions: str, wanted: Mapping[str, Any]) -> dict[str, Any] | None:
        """The version that is there already, where one is and no new one is wanted."""
        if self._again:
            return None
        found = self._client.post(f"{versions}/equal", dict(wanted))["version"]
        return None if found is None else dict(found)

    def _sha256(self, path: Path, name: str) -> str:
        hashed, size, seen = hashlib.sha256(), path.stat().st_size, 0
        for chunk in _chunks(path):
            hashed.update(chunk)
            seen += len(chunk)
            self._progress(f"reading {name}", seen / max(size, 1))
        return hashed.hexdigest()

    def _read(self, path: str, name: str, *, known: bool = False) -> dict[str, Any]:
        return {**read_version(self._client, path, name, self._progress), "known": known}


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
