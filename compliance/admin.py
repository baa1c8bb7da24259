"""Reviews and what hangs on them, for operators to look at: nothing here is changed by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin

from compliance.models import Attestation, Reply, Review, StageChange

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[Any]
else:
    _Admin = admin.ModelAdmin


class ReadOnly(_Admin):
    """To look at. Decisions are changed by deciding anew."""

    list_select_related = True

    def get_queryset(self, request: Any) -> Any:
        return self.model.unscoped.all()

    def has_add_permission(self, request: Any) -> bool:
        return False

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: Any, obj: Any = None) -> bool:
        return False


@admin.register(Review)
class ReviewAdmin(ReadOnly):
    list_display = ("organisation", "number", "state", "requested_by", "reviewer", "decided_at", "stale_at")
    list_filter = ("state",)


@admin.register(Reply)
class ReplyAdmin(ReadOnly):
    list_display = ("organisation", "finding", "by", "at")


@admin.register(StageChange)
class StageChangeAdmin(ReadOnly):
    list_display = ("organisation", "version", "before", "after", "by", "at")


@admin.register(Attestation)
class AttestationAdmin(ReadOnly):
    list_display = ("organisation", "system", "framework", "control", "by", "valid_until", "withdrawn_at")
