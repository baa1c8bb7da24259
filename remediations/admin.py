"""Remedies in the operators' admin: to look at; what changes them is the service."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from remediations.models import RemedyRun

__all__ = ["RemedyRunAdmin"]


@admin.register(RemedyRun)
class RemedyRunAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic when it runs
    list_display = ("number", "organisation", "remedy", "state", "created_at", "ended_at")
    list_filter = ("state", "remedy")
    search_fields = ("=id",)
    ordering = ("-created_at",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
