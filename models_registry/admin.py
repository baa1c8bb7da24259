"""The registry for operators: to look things up, not to change what is frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from models_registry.models import (
    AISystem,
    Dataset,
    DatasetFile,
    DatasetVersion,
    Model,
    ModelVersion,
    StoredFile,
    Subject,
    Upload,
    VersionFile,
)

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[Any]
    _Inline = admin.TabularInline[Any, Any]
else:
    _Admin = admin.ModelAdmin
    _Inline = admin.TabularInline


class ReadOnly(_Admin):
    """Shows rows; changes go through the services, which record who decided."""

    list_filter: ClassVar[Any] = ("organisation",)
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


class _Lines(_Inline):
    extra = 0
    can_delete = False
    raw_id_fields = ("file",)

    def has_add_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


class VersionFiles(_Lines):
    model = VersionFile


class DatasetFiles(_Lines):
    model = DatasetFile


@admin.register(AISystem)
class AISystemAdmin(ReadOnly):
    list_display = ("name", "number", "organisation", "owner", "risk_class", "archived_at")
    list_select_related = ("organisation", "owner")
    search_fields = ("name", "purpose")


@admin.register(Model)
class ModelAdmin(ReadOnly):
    list_display = ("name", "system", "organisation", "created_at")
    list_select_related = ("organisation", "system")
    search_fields = ("name",)


@admin.register(Dataset)
class DatasetAdmin(ReadOnly):
    list_display = ("name", "system", "organisation", "created_at")
    list_select_related = ("organisation", "system")
    search_fields = ("name",)


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnly):
    list_display = ("model", "number", "label", "state", "stage", "format", "created_at")
    list_select_related = ("model",)
    list_filter: ClassVar[Any] = ("state", "stage", "format", "organisation")
    search_fields = ("model__name", "label", "sha256")
    inlines = (VersionFiles,)


@admin.register(DatasetVersion)
class DatasetVersionAdmin(ReadOnly):
    list_display = ("dataset", "number", "label", "state", "disjoint", "created_at")
    list_select_related = ("dataset",)
    list_filter: ClassVar[Any] = ("state", "organisation")
    search_fields = ("dataset__name", "label", "sha256")
    inlines = (DatasetFiles,)


@admin.register(StoredFile)
class StoredFileAdmin(ReadOnly):
    list_display = ("sha256", "size", "organisation", "created_at")
    list_select_related = ("organisation",)
    search_fields = ("sha256",)


@admin.register(Upload)
class UploadAdmin(ReadOnly):
    """`manage.py sweep_uploads` removes those that nobody finished."""

    list_display = ("name", "size", "received", "by", "touched_at", "organisation")
    list_select_related = ("organisation", "by")


@admin.register(Subject)
class SubjectAdmin(ReadOnly):
    list_display = ("id", "model_version", "dataset_version", "state", "created_at")
    list_select_related = ("model_version__model", "dataset_version__dataset")
    list_filter: ClassVar[Any] = ("state", "organisation")
