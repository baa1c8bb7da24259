"""The chain for those who run the installation: to look at, never to change."""

from __future__ import annotations

from django.contrib import admin

from trail.models import TrailEntry
from trail.read_only import ReadOnly


@admin.register(TrailEntry)
class Entries(ReadOnly):
    list_display = ("sequence", "at", "action", "target_kind", "organisation_id")
    list_filter = ("action",)
