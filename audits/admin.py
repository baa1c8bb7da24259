"""What operators see of audits: read only, since what was started or written is never changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from audits.models import Policy, PolicyVersion, Run

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[Any]
else:
    _Admin = admin.ModelAdmin


class _ReadOnly(_Admin):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Run)
class RunAdmin(_ReadOnly):
    list_display = ("number", "organisation", "title", "state", "outcome", "created_at")
    list_filter = ("state", "outcome", "tier", "trigger")
    search_fields = ("title",)
    list_select_related = ("organisation",)
    ordering = ("-created_at",)


@admin.register(Policy)
class PolicyAdmin(_ReadOnly):
    list_display = ("name", "organisation", "created_at", "archived_at")
    list_select_related = ("organisation",)


@admin.register(PolicyVersion)
class PolicyVersionAdmin(_ReadOnly):
    list_display = ("policy", "number", "sha256", "created_at")
    list_select_related = ("policy",)
    exclude = ("toml",)
