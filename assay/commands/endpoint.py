"""A model behind an address, as named on the command line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from assay.contracts import EndpointLimits, EndpointProtocol, EndpointRequest
from assay.errors import BadInput, unknown_setting

if TYPE_CHECKING:
    from assay.endpoints.asker import Asker

__all__ = ["EndpointOptions", "checked_request"]


@dataclass(frozen=True)
class EndpointOptions:
    """The options of `--endpoint`, as typed."""

    url: str
    model: str | None = None
    protocol: EndpointProtocol = "open_inference_v2"
    key_env: str | None = None
    template: Path | None = None
    limits: tuple[str, ...] = ()
    private: bool = False

    def request(self, signature: Path | None, seed: int = 0) -> EndpointRequest:
        """The request, checked. Raises BadInput: what is missing or wrong."""
        from assay.endpoints.address import parse_url
        from assay.intake.model_files import read_signature

        if self.model is None:
            raise BadInput("--endpoint needs --endpoint-model, the name of the model there.")
        if signature is None:
            raise BadInput(
                "--endpoint needs --signature: what the model reads and what its output means cannot be "
                "asked over HTTP. docs/models.md shows a signature.json."
            )
        if not signature.is_file():
            raise BadInput(f"{signature} does not exist; --signature names a signature.json.")
        parse_url(self.url)
        values: dict[str, Any] = {
            "url": self.url,
            "protocol": self.protocol,
            "model": self.model,
            "signature": read_signature(signature),
            "key": self.key_env,
            "seed": seed % 2**31,
            "limits": _limits(self.limits),
        }
        if self.template is not None:
            values["template"] = _template(self.template)
        return checked_request(values)

    def asker(self, request: EndpointRequest) -> Asker:
        """Asks it from this machine: the host that was typed, and the key of the environment."""
        from assay.endpoints.address import Access
        from assay.endpoints.asker import Asker

        return Asker(request, Access(private=self.private, key=_of_environment(os.environ)))


def checked_request(values: Mapping[str, Any]) -> EndpointRequest:
    """An EndpointRequest. Raises BadInput with the field that is wrong."""
    try:
        return EndpointRequest.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "limits"
        raise BadInput(f"The endpoint's {where}: {first['msg']}.") from None


def _limits(texts: tuple[str, ...]) -> dict[str, float]:
    found: dict[str, float] = {}
    for text in texts:
        name, _, number = text.partition("=")
        if name not in EndpointLimits.model_fields:
            raise BadInput(unknown_setting("--endpoint-limit", name, EndpointLimits.model_fields))
        try:
            found[name] = float(number)
        except ValueError:
            raise BadInput(f'--endpoint-limit "{text}" has no number; write {name}=10.') from None
    return found


def _template(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"--endpoint-template {path} cannot be read as a text: {error}.") from None


def _of_environment(variables: Mapping[str, str]) -> Any:
    def key(name: str) -> str:
        if name not in variables:
            raise BadInput(f"--endpoint-key-env names {name}, which is not set.")
        return variables[name]

    return key
