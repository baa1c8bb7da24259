"""Operators look things up in the admin; what is frozen stays frozen there too."""

from __future__ import annotations

from django.test import Client
from django.urls import reverse

from accounts.models import User
from models_registry.models import (
    AISystem,
    Dataset,
    DatasetVersion,
    Model,
    ModelVersion,
    StoredFile,
    Subject,
    Upload,
)
from models_registry.services import add_model_version, create_model, create_system
from tests.conftest import People
from tests.models_registry.stored import stored


def test_every_list_opens_and_nothing_can_be_changed(people: People) -> None:
    operator = User.objects.create_superuser("root@example.org", "a long password")
    client = Client()
    client.force_login(operator, backend="allauth.account.auth_backends.AuthenticationBackend")
    model = create_model(create_system(people.organisation, "S", by=people.engineer), "m", by=people.engineer)
    version = add_model_version(model, {"m.json": stored(people.organisation, b"{}")}, by=people.engineer)
    for kind in (AISystem, Dataset, DatasetVersion, Model, ModelVersion, StoredFile, Subject, Upload):
        name = f"admin:models_registry_{kind._meta.model_name}"
        assert client.get(reverse(f"{name}_changelist"), {"q": "x"}).status_code == 200, name
        assert client.get(reverse(f"{name}_add")).status_code == 403, name
    change = reverse("admin:models_registry_modelversion_change", args=[version.pk])
    assert client.get(change).status_code == 200
    assert client.post(change, {"stage": "deployed"}).status_code == 403
    version.refresh_from_db()
    assert version.stage == "candidate"
