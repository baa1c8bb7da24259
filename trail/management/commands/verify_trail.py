"""manage.py verify_trail: recompute the chain of every organisation; exit 1 where one does not hold."""

from __future__ import annotations

import uuid
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError, CommandParser

from trail.models import TrailEntry, TrailHead
from trail.services import verify


class Command(BaseCommand):
    help = "Recompute the trail's chain of every organisation, or of one; exit 1 where one does not hold."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--organisation", metavar="SLUG", help="only this one")

    def handle(self, *_args: Any, organisation: str | None, **_options: Any) -> None:
        names = self._names()
        if organisation is None:
            chains = _chains() | set(names)
        else:
            chains = {key for key, slug in names.items() if slug == organisation}
            if not chains:
                raise CommandError(f'There is no organisation "{organisation}".')
        broken = [found for key in sorted(chains) if (found := verify(key))]
        for found in broken:
            self.stderr.write(
                f"{names.get(found.organisation_id, found.organisation_id)}: the chain does not hold "
                f"at entry {found.sequence}: {found.why}."
            )
        if broken:
            raise SystemExit(1)
        entries = TrailEntry.objects.filter(organisation_id__in=chains).count()
        self.stdout.write(f"{len(chains)} chains hold, {entries:,} entries in all.")

    @staticmethod
    def _names() -> dict[uuid.UUID, str]:
        """Organisations by id. The trail knows no other app, so the table is asked for by name."""
        found = apps.get_model("accounts", "Organisation")._default_manager
        return dict(found.values_list("pk", "slug"))


def _chains() -> set[uuid.UUID]:
    """Every chain there is, also of organisations that are gone."""
    entries = TrailEntry.objects.order_by().values_list("organisation_id", flat=True).distinct()
    return set(entries) | set(TrailHead.objects.values_list("organisation_id", flat=True))
