"""The base of every tenant row: it belongs to one organisation, and the default manager says which.

`Thing.objects.of(organisation)` is how rows are read. `Thing.objects.all()` does not exist: whoever means the
rows of every organisation (a worker, an operator's command, the admin) writes `Thing.unscoped` and is listed
in tests/test_tenancy.py.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.db import models

if TYPE_CHECKING:
    from accounts.models import Organisation

__all__ = ["TenantManager", "TenantModel"]


class TenantManager(models.Manager[Any]):
    """Reads the rows of one organisation, and of no other."""

    def of(self, organisation: Organisation | uuid.UUID) -> models.QuerySet[Any]:
        key = organisation if isinstance(organisation, uuid.UUID) else organisation.pk
        return super().get_queryset().filter(organisation_id=key)

    def get_queryset(self) -> models.QuerySet[Any]:
        raise TypeError(
            f"{self.model.__name__}.objects needs an organisation: write .objects.of(organisation)."
        )

    def create(self, **values: Any) -> Any:
        """Add a row; it names its organisation."""
        if "organisation" not in values and "organisation_id" not in values:
            raise TypeError(f"{self.model.__name__}.objects.create needs an organisation.")
        made = self.model(**values)
        made.save(force_insert=True)
        return made


class TenantModel(models.Model):
    """A row of one organisation, with a random id that tells outsiders nothing."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")

    objects: ClassVar[TenantManager] = TenantManager()
    unscoped: ClassVar[models.Manager[Self]] = models.Manager()

    class Meta:
        abstract = True
        base_manager_name = "unscoped"
        default_manager_name = "unscoped"
