"""Versions behind an address: registering them, which hosts and keys, and a model that was swapped."""

from __future__ import annotations

import contextlib
import uuid
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from pydantic import ValidationError

from accounts.models import Organisation, User
from assay.contracts import EndpointRecord, EndpointRequest
from assay.datasets.odd_characters import refuse_odd_characters
from assay.endpoints.address import Access, listed_hosts, parse_url
from assay.endpoints.asker import Asker
from assay.errors import BadInput
from jobs.kinds import ShardContext
from models_registry.description import endpoint_of
from models_registry.files import ANSWERS, root_of
from models_registry.models import Model, ModelVersion
from models_registry.names import checked_text
from models_registry.signals import version_changed
from models_registry.versions import add_described_version
from trail.services import record

__all__ = ["add_endpoint_version", "asker_of", "checked_endpoint", "counts_of", "note_swap", "secret_of"]

_MOST_KEY = 10_000


def add_endpoint_version(
    model: Model,
    request: EndpointRequest,
    *,
    by: User,
    label: str = "",
    notes: str = "",
    key: uuid.UUID | None = None,
) -> ModelVersion:
    """Freeze an endpoint as the model's next version and submit the job that asks what it is.

    Raises:
        BadInput: an address that is none, a host that is not allowed here, an archived system.
    """
    allowed = listed_hosts(settings.ENV.endpoint_hosts)
    place = parse_url(request.url)
    if not place.is_listed(allowed):
        raise BadInput(
            f"{place.name} is none of the hosts that may be asked here; whoever runs this installation can "
            "add it to ASSAY_ENDPOINT_HOSTS."
        )
    said = request.model_dump(mode="json")
    refuse_odd_characters(said, "the endpoint")
    return add_described_version(
        model,
        by=by,
        label=label,
        key=key,
        source=ModelVersion.Source.ENDPOINT,
        notes=checked_text(notes, "the version"),
        endpoint=said,
        words={"host": place.name, "protocol": request.protocol},
    )


def checked_endpoint(values: dict[str, Any]) -> EndpointRequest:
    """An EndpointRequest of what a form gave. Raises BadInput with the field that is wrong."""
    try:
        return EndpointRequest.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "limits"
        raise BadInput(f"{where}: {first['msg']}.") from None


def asker_of(version: ModelVersion, context: ShardContext, subject: uuid.UUID | None = None) -> Asker | None:
    """Asks the version's endpoint for one job, with this installation's rules; None for other versions.

    What the job has asked so far, and what was answered when a subject was first read, outlive the worker.
    """
    request = endpoint_of(version)
    if request is None:
        return None
    environment = settings.ENV
    access = Access(
        hosts=listed_hosts(environment.endpoint_hosts),
        private=environment.endpoint_private,
        key=lambda name: secret_of(version.organisation, name),
    )
    kept = None
    if subject is not None:
        kept = root_of(version.organisation_id) / ANSWERS / f"{subject}.npz"
        _bring_over(environment.home / "endpoints" / str(version.organisation_id) / kept.name, kept)
    return Asker(request, access, kept=kept, ring=environment.keyring, counts=counts_of(context))


def counts_of(context: ShardContext) -> Path:
    """The file of what a job has asked so far, with all its workers."""
    return context.work / "asked.json"


def _bring_over(old: Path, kept: Path) -> None:
    """Answers of before 0.5 lie where no backup and no rotation finds them."""
    if old.exists():
        kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(FileNotFoundError):  # another worker was faster
            old.replace(kept)


def secret_of(organisation: Organisation, name: str) -> str:
    """The key that lies in <ASSAY_SECRETS>/<organisation>/<name>; no organisation reaches another's.

    Raises:
        BadInput: there is none.
    """
    root: Path | None = settings.ENV.secrets
    path = None if root is None else root / organisation.slug / name
    if path is None or not path.is_file() or path.is_symlink() or path.stat().st_size > _MOST_KEY:
        raise BadInput(
            f"There is no secret {name} for {organisation.name}. Whoever runs this installation can put the "
            "key into a file of that name below ASSAY_SECRETS."
        )
    return path.read_text("utf-8", errors="replace")


def note_swap(version: ModelVersion, found: EndpointRecord | None) -> None:
    """Mark a version whose endpoint did not stay the same model; sign-offs of it go stale."""
    if found is None or found.canary is None or not found.canary.changed:
        return
    with transaction.atomic():
        locked = ModelVersion.unscoped.select_for_update().get(pk=version.pk)
        locked.swapped, locked.swapped_at = found.canary.sentence, timezone.now()
        locked.save(update_fields=["swapped", "swapped_at"])
        record(
            locked.organisation_id,
            "model_version.swap_noticed",
            "model_version",
            locked.pk,
            facts={"moved": f"{found.canary.moved:.3g}", "answers_sha256": found.canary.first},
        )
    version_changed.send(ModelVersion, version=locked)
