"""What operators see of audits: read only, since what was started or written is never changed."""

from __future__ import annotations

from django.contrib import admin

from audits.models import Policy, PolicyVersion, Run
from trail.read_only import ReadOnly


@admin.register(Run)
class RunAdmin(ReadOnly):
    list_display = ("number", "organisation", "title", "state", "outcome", "created_at")
    list_filter = ("state", "outcome", "tier", "trigger")
    search_fields = ("title",)
    list_select_related = ("organisation",)
    ordering = ("-created_at",)


@admin.register(Policy)
class PolicyAdmin(ReadOnly):
    list_display = ("name", "organisation", "created_at", "archived_at")
    list_select_related = ("organisation",)


@admin.register(PolicyVersion)
class PolicyVersionAdmin(ReadOnly):
    list_display = ("policy", "number", "sha256", "created_at")
    list_select_related = ("policy",)
    exclude = ("toml",)
