"""Reviews and what hangs on them, for operators to look at: nothing here is changed by hand."""

from __future__ import annotations

from django.contrib import admin

from compliance.models import Attestation, Reply, Review, StageChange
from trail.read_only import ReadOnly


@admin.register(Review)
class ReviewAdmin(ReadOnly):
    list_select_related = True
    list_display = ("organisation", "number", "state", "requested_by", "reviewer", "decided_at", "stale_at")
    list_filter = ("state",)


@admin.register(Reply)
class ReplyAdmin(ReadOnly):
    list_select_related = True
    list_display = ("organisation", "finding", "by", "at")


@admin.register(StageChange)
class StageChangeAdmin(ReadOnly):
    list_select_related = True
    list_display = ("organisation", "version", "before", "after", "by", "at")


@admin.register(Attestation)
class AttestationAdmin(ReadOnly):
    list_select_related = True
    list_display = ("organisation", "system", "framework", "control", "by", "valid_until", "withdrawn_at")
