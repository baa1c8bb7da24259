"""Every setting of the service: one ASSAY_* environment variable each, typed; a wrong value stops the start.

A secret may come from a file instead: ASSAY_SECRET_KEY_FILE names one that holds ASSAY_SECRET_KEY.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from assay.report.authority import data_home
from assay.sealing import Keyring

__all__ = ["Environment", "WrongSetting", "read_environment"]

_SECRETS = (
    "ASSAY_SECRET_KEY",
    "ASSAY_DATABASE_URL",
    "ASSAY_BROKER_URL",
    "ASSAY_METRICS_TOKEN",
    "ASSAY_STORAGE_KEY",
    "ASSAY_EMAIL_URL",
)


@lru_cache(maxsize=8)
def _keyring(text: str) -> Keyring:
    return Keyring.read(text)


def _readable_keys(text: str) -> str:
    _keyring(text)
    return text


_BROKERS = ("memory", "amqp", "amqps", "redis", "rediss")


def _address(text: str) -> str:
    """Refuse an address that would be read otherwise than it was meant, without a word of it."""
    try:
        parts = urlsplit(text)
        wrong = parts.port == 0
    except ValueError:  # its words quote what may be half of the password
        wrong = True
    if wrong or "@" in parts.path + parts.query or parts.fragment:
        raise ValueError(
            "it is not scheme://user:password@host:port/name with a number as port, or something in it has "
            "to be percent-encoded: in a password / is %2F, # is %23, ? is %3F, @ is %40, % is %25"
        )
    return text


def _database_address(text: str) -> str:
    return text if text.startswith("sqlite:") else _address(text)


def _broker_address(text: str) -> str:
    for one in text.split(";"):  # several brokers, of which one is up
        if urlsplit(_address(one)).scheme not in _BROKERS:
            raise ValueError(f"it begins with none of {', '.join(f'{name}://' for name in _BROKERS)}")
    return text


class WrongSetting(SystemExit):
    """A setting that cannot be used; the service does not start."""


class Environment(BaseModel):
    """The settings and their defaults, which together are the embedded installation on one machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path
    """ASSAY_HOME: where data, keys and (by default) the database live."""
    secret_key: Annotated[str, Field(min_length=32)]
    """ASSAY_SECRET_KEY: signs sessions; made once and kept in the home folder where it is not given."""
    database_url: Annotated[str, AfterValidator(_database_address)] = ""
    """ASSAY_DATABASE_URL: postgresql://user:password@host:port/name?sslmode=verify-full, or sqlite:///path;
    SQLite in the home folder by default."""
    broker_url: Annotated[str, AfterValidator(_broker_address)] = "memory://"
    """ASSAY_BROKER_URL: amqp://... or redis://...; memory:// wakes only the one worker in its own process."""
    url: Annotated[str, Field(pattern=r"^https?://[^/\s]+$")] = "http://127.0.0.1:8000"
    """ASSAY_URL: how browsers reach the service; https switches secure cookies and HSTS on."""
    debug: bool = False
    """ASSAY_DEBUG: error pages with details; never in production."""
    queues: Annotated[str, Field(pattern=r"^(cpu|gpu)(,(cpu|gpu))*$")] = "cpu"
    """ASSAY_QUEUES: which queues this worker serves: cpu, gpu, or cpu,gpu."""
    model_queue: Literal["cpu", "gpu"] = "cpu"
    """ASSAY_MODEL_QUEUE: where audits and remedies of models wait; gpu once a GPU worker runs."""
    slots: Annotated[int, Field(ge=1, le=256)] = 1
    """ASSAY_SLOTS: shards of the queue cpu that a worker runs side by side; gpu has one slot a device."""
    lease_seconds: Annotated[float, Field(ge=0.2, le=3600)] = 60.0
    """ASSAY_LEASE_SECONDS: how long a silent worker keeps its shard; renewed four times as often."""
    sweep_seconds: Annotated[float, Field(ge=0.05, le=60)] = 0.5
    """ASSAY_SWEEP_SECONDS: how often a worker looks for work that no message announced."""
    attempts: Annotated[int, Field(ge=1, le=20)] = 3
    """ASSAY_ATTEMPTS: how often a shard is begun before it is given up."""
    shard_seconds: Annotated[float, Field(ge=1)] = 3600.0
    """ASSAY_SHARD_SECONDS: how long one answer of the child may take."""
    model_seconds: Annotated[float, Field(ge=1)] = 300.0
    """ASSAY_MODEL_SECONDS: how long opening a model may take when it is registered."""
    upload_bytes: Annotated[int, Field(ge=1024)] = 8 * 2**30
    """ASSAY_UPLOAD_BYTES: the largest file that is taken in."""
    hub: bool = False
    """ASSAY_HUB: members may name models of the Hugging Face Hub, which a worker fetches."""
    mfa: Literal["optional", "signers"] = "optional"
    """ASSAY_MFA: `signers` refuses a signature without a second factor."""
    metrics_token: str = ""
    """ASSAY_METRICS_TOKEN: lets a scraper read /metrics; without it only this machine may."""
    email_url: Annotated[str, Field(pattern=r"^$|^smtps?://\S+$"), AfterValidator(_address)] = ""
    """ASSAY_EMAIL_URL: smtp://user:password@host:587, by STARTTLS where there is a user or the port is 587,
    or smtps://user:password@host; without it nothing is mailed."""

    endpoint_hosts: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:,\[\] -]*$")] = ""
    """ASSAY_ENDPOINT_HOSTS: hosts (or host:port) whose models may be asked over HTTP, commas between; none by
    default."""
    endpoint_private: bool = False
    """ASSAY_ENDPOINT_PRIVATE: the hosts may be at loopback or private addresses, without TLS."""
    secrets: Path | None = None
    """ASSAY_SECRETS: folder with a folder an organisation (its slug) of files, each the key of endpoints."""

    storage_key: Annotated[str, AfterValidator(_readable_keys)] = ""
    """ASSAY_STORAGE_KEY: seals stored files; 64 hexadecimal digits, or several such keys with blanks between:
    the first one writes, all of them read. `off` first reads all of them and writes in the clear."""

    @property
    def keyring(self) -> Keyring:
        """The keys of stored files; the child never sees them."""
        return _keyring(self.storage_key)

    @property
    def secure(self) -> bool:
        return self.url.startswith("https://")

    @property
    def files(self) -> Path:
        """Stored files of all organisations."""
        return self.home / "files"


def read_environment(variables: Mapping[str, str] | None = None) -> Environment:
    """Read ASSAY_* variables.

    Raises:
        WrongSetting: names the variable, what it holds and what would be right.
    """
    source = dict(os.environ if variables is None else variables)
    values: dict[str, str] = {}
    for name in Environment.model_fields:
        variable = f"ASSAY_{name.upper()}"
        if variable in _SECRETS and (path := source.get(f"{variable}_FILE")):
            values[name] = _read(variable, path)
        elif variable in source:
            values[name] = source[variable]
    home = data_home(source).resolve()
    values["home"] = str(home)
    if "secret_key" not in values:
        values["secret_key"] = _own_secret(home)
    try:
        return Environment.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = f"ASSAY_{str(first['loc'][0]).upper()}"
        shown = "" if name in _SECRETS else f' is "{values.get(str(first["loc"][0]), "")}"'
        told = first["msg"].removeprefix("Value error, ")
        raise WrongSetting(f"{name}{shown}: {told}. docs/deploy.md lists every setting.") from None


def _read(variable: str, path: str) -> str:
    try:
        return Path(path).read_text("utf-8").strip()
    except OSError as error:
        raise WrongSetting(f"{variable}_FILE names {path}, which cannot be read: {error.strerror}.") from None


def _own_secret(home: Path) -> str:
    """The installation's own secret, made once; two processes that start at once keep the same one."""
    path = home / "secret_key"
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = home / f".secret_key-{os.getpid()}"
        if not path.exists():
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(48))
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(draft, path)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return path.read_text("utf-8").strip()
    except OSError as error:
        raise WrongSetting(f"{home} cannot be used as ASSAY_HOME: {error.strerror or error}.") from None
