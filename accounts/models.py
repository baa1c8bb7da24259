"""Who may do what where: users, organisations, members with one role, invitations, API tokens."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models

from accounts.tenancy import TenantModel

__all__ = ["ApiToken", "IdempotentRequest", "Invitation", "Membership", "Organisation", "Role", "User"]


class Users(BaseUserManager["User"]):
    """People sign in by e-mail address."""

    def create_user(self, email: str, password: str | None = None, **more: Any) -> User:
        user = self.model(email=self.normalize_email(email), **more)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **more: Any) -> User:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **more)

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email__iexact=username)


class User(AbstractBaseUser, PermissionsMixin):
    """A person. Superusers run the installation; what they may see in an organisation is their role's."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120, blank=True)
    """As printed in reports that the person signs."""
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    date_joined = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[Users] = Users()
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    def __str__(self) -> str:
        return self.name or self.email

    def get_full_name(self) -> str:
        return str(self)

    def get_short_name(self) -> str:
        return str(self)


class Organisation(models.Model):
    """A tenant. Everything else belongs to exactly one."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.SlugField(unique=True, max_length=60)
    name = models.CharField(max_length=120)
    timezone = models.CharField(max_length=64, default="UTC")
    """IANA name; schedules fire in it, pages show times in it."""
    created_at = models.DateTimeField(auto_now_add=True)
    members = models.ManyToManyField(User, through="Membership", related_name="organisations")

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """What a member does here; accounts/permissions.py says what that allows."""

    OWNER = "owner", "Owner"
    ENGINEER = "engineer", "Engineer"
    REVIEWER = "reviewer", "Reviewer"
    AUDITOR = "auditor", "Auditor (reads only)"
    OPERATOR = "operator", "Operator"


class Membership(TenantModel):
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=12, choices=Role.choices)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(TenantModel.Meta):
        constraints = (
            models.UniqueConstraint(fields=("organisation", "user"), name="one_membership_a_person"),
        )

    def __str__(self) -> str:
        return f"{self.user} ({self.get_role_display()})"


class Invitation(TenantModel):
    """A way in for one address. Only the digest of its secret is kept."""

    email = models.EmailField()
    role = models.CharField(max_length=12, choices=Role.choices)
    token_digest = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    withdrawn_at = models.DateTimeField(null=True)


class ApiToken(TenantModel):
    """A program's way in, on behalf of one member, in one organisation. Only its digest is kept."""

    user = models.ForeignKey(User, models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12)
    """The first characters, to tell tokens apart."""
    token_digest = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    """Some of accounts.api_auth.SCOPES; what the member's role does not allow, no scope does."""
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)


class IdempotentRequest(models.Model):
    """A change that the API was asked for under an Idempotency-Key, and its answer."""

    caller = models.CharField(max_length=64)
    """SHA-256 of the Authorization header."""
    key = models.CharField(max_length=200)
    request_digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    """Null while the first request runs."""
    content_type = models.CharField(max_length=100, blank=True)
    body = models.BinaryField(null=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("caller", "key"), name="one_request_a_key"),)
