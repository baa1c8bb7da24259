"""Deleting the bytes of what was refused: the refusal, its class and the digests stay."""

from __future__ import annotations

from typing import NamedTuple

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from assay.errors import AssayError
from models_registry.files import remove
from models_registry.models import DatasetFile, IntakeState, ModelVersion, StoredFile, Upload, VersionFile
from trail.services import record

__all__ = ["Removed", "remove_bytes"]


class Removed(NamedTuple):
    """How many files went, and how many stay because something else rests on them."""

    gone: int
    kept: int


def remove_bytes(version: ModelVersion, *, by: User) -> Removed:
    """Delete the stored bytes of a refused version, unless another version, a dataset or the service itself
    rests on the same content. Unfinished business of uploads with the same content ends.

    Raises:
        AssayError: the version was not refused.
    """
    organisation = version.organisation_id
    with transaction.atomic():
        locked = ModelVersion.unscoped.select_for_update().get(pk=version.pk)
        if locked.state != IntakeState.REFUSED:
            raise AssayError(f"{locked} was not refused, so its files stay.", code="conflict")
        rows = list(
            StoredFile.objects.of(organisation)
            .select_for_update()
            .filter(pk__in=locked.members.values("file"), removed_at=None)
            .order_by("pk")
        )
        keys = [row.pk for row in rows]
        others = VersionFile.objects.filter(file__in=keys).exclude(version=locked)
        others = others.exclude(version__state=IntakeState.REFUSED)
        needed = set(others.values_list("file", flat=True))
        needed |= set(DatasetFile.objects.filter(file__in=keys).values_list("file", flat=True))
        needed |= {row.pk for row in rows if not row.only_uploaded}
        going = [row for row in rows if row.pk not in needed]
        gone = Q(pk__in=[row.pk for row in going])
        StoredFile.objects.of(organisation).filter(gone).update(removed_at=timezone.now())
        Upload.objects.of(organisation).filter(file__in=going).delete()
        record(
            organisation,
            "model_version.bytes_deleted",
            "model_version",
            locked.pk,
            actor_id=by.pk,
            facts={"sha256": sorted(row.sha256 for row in going), "kept": len(rows) - len(going)},
        )
        for row in going:
            remove(organisation, row.sha256)
    return Removed(len(going), len(rows) - len(going))
