"""Where this person is signed in: <home>/servers.json, readable by its owner only.

ASSAY_SERVER and ASSAY_TOKEN, where both are set, come first: for CI.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from assay.errors import BadInput
from assay.report.authority import data_home
from assay.store import write_whole

__all__ = ["Login", "clean_address", "find_login", "keep_login"]

_SCHEMA = "assay.servers/1"


class Login(NamedTuple):
    """A service and the token to use there."""

    server: str
    token: str


def clean_address(server: str) -> str:
    """The address without a path. Raises BadInput for what is none, and for http beyond this machine."""
    parts = urlsplit(server if "//" in server else f"https://{server}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadInput(f'"{server}" is no address; write one such as https://assay.example.org.')
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme == "http" and not local:
        raise BadInput(f"{server} is not encrypted, so a token sent there could be read; use https.")
    return f"{parts.scheme}://{parts.netloc}"


def keep_login(login: Login) -> None:
    """Remember a login and make it the one that is used when none is named."""
    logins = _read()
    logins[login.server] = login.token
    document = {"schema": _SCHEMA, "default": login.server, "tokens": logins}
    write_whole(_path(), json.dumps(document, indent=1).encode())


def find_login(server: str | None, environment: Mapping[str, str] | None = None) -> Login:
    """The login for `server`, or for the default one.

    Raises:
        BadInput: there is none; says how to get one.
    """
    variables = os.environ if environment is None else environment
    named = clean_address(server) if server else None
    address, token = variables.get("ASSAY_SERVER"), variables.get("ASSAY_TOKEN")
    if token and (named or address):
        return Login(named or clean_address(str(address)), token)
    logins = _read()
    chosen = named or (clean_address(address) if address else None) or _default()
    if chosen is None or chosen not in logins:
        where = chosen or "any service"
        raise BadInput(f"You are not signed in to {where}. Run: assay login {chosen or 'ADDRESS'}")
    return Login(chosen, logins[chosen])


def _path() -> Path:
    return data_home() / "servers.json"


def _document() -> dict[str, object]:
    try:
        found = json.loads(_path().read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and found.get("schema") == _SCHEMA else {}


def _read() -> dict[str, str]:
    tokens = _document().get("tokens")
    return {str(k): str(v) for k, v in tokens.items()} if isinstance(tokens, dict) else {}


def _default() -> str | None:
    found = _document().get("default")
    return str(found) if found else None
