"""The chain for those who run the installation: to look at, never to change."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from trail.models import TrailEntry


@admin.register(TrailEntry)
class Entries(admin.ModelAdmin):  # type: ignore[type-arg]  # its parameter exists for type checkers only
    list_display = ("sequence", "at", "action", "target_kind", "organisation_id")
    list_filter = ("action",)
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
