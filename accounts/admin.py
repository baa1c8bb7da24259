"""People and organisations for those who run the installation. Members' roles are the owners' business."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm
from django.http import HttpRequest

from accounts.models import ApiToken, Invitation, Membership, Organisation, User
from trail.read_only import ReadOnly


class NewUser(AdminUserCreationForm):  # type: ignore[type-arg]
    class Meta:
        model = User
        fields = ("email", "name")


@admin.register(User)
class Users(UserAdmin):  # type: ignore[type-arg]
    """Accounts: a new password, closing one, superusers."""

    ordering = ("email",)
    list_display = ("email", "name", "is_active", "is_superuser", "last_login")
    list_filter = ("is_active", "is_superuser")
    search_fields = ("email", "name")
    readonly_fields = ("date_joined", "last_login")
    filter_horizontal = ()
    add_form = NewUser
    fieldsets = (
        (None, {"fields": ("email", "name", "password")}),
        ("May", {"fields": ("is_active", "is_staff", "is_superuser")}),
        ("When", {"fields": ("date_joined", "last_login")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "name", "usable_password", "password1", "password2")}),)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Closed, not deleted: decisions name them."""
        return False


@admin.register(Organisation)
class Organisations(ReadOnly):
    list_display = ("name", "slug", "timezone", "created_at")
    search_fields = ("name", "slug")


@admin.register(Membership)
class Memberships(ReadOnly):
    list_display = ("user", "organisation", "role", "created_at")
    list_filter = ("role",)
    search_fields = ("user__email", "organisation__name")
    list_select_related = ("user", "organisation")


@admin.register(Invitation)
class Invitations(ReadOnly):
    list_display = ("email", "organisation", "role", "expires_at", "accepted_at", "withdrawn_at")
    search_fields = ("email", "organisation__name")
    list_select_related = ("organisation",)
    exclude = ("token_digest",)


@admin.register(ApiToken)
class ApiTokens(ReadOnly):
    list_display = ("name", "prefix", "user", "organisation", "expires_at", "last_used_at", "revoked_at")
    search_fields = ("name", "user__email", "organisation__name")
    list_select_related = ("user", "organisation")
    exclude = ("token_digest",)
