"""Remedies in the operators' admin: to look at; what changes them is the service."""

from __future__ import annotations

from django.contrib import admin

from remediations.models import RemedyRun
from trail.read_only import ReadOnly

__all__ = ["RemedyRunAdmin"]


@admin.register(RemedyRun)
class RemedyRunAdmin(ReadOnly):
    list_display = ("number", "organisation", "remedy", "state", "created_at", "ended_at")
    list_filter = ("state", "remedy")
    search_fields = ("=id",)
    ordering = ("-created_at",)
