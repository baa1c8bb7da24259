"""A registered system with versions and the addresses of its pages, for tests of pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.test import Client
from django.urls import reverse

from accounts.models import User
from assay.contracts import Lineage
from models_registry.description import DataDescription
from models_registry.services import (
    add_dataset_version,
    add_model_version,
    add_predictions_version,
    create_dataset,
    create_model,
    create_system,
)
from tests.conftest import People
from tests.models_registry.stored import stored

__all__ = ["EVIL", "Registered", "SignIn"]

SignIn = Callable[[User], Client]
EVIL = '<script>alert("x")</script>&'


class Registered:
    """A system with a model and a dataset, and versions of both."""

    def __init__(self, people: People, words: str = "plain") -> None:
        self.org = people.organisation.slug
        self.system = create_system(
            people.organisation,
            f"System {words}",
            by=people.engineer,
            purpose=words,
            hazards=words,
            affected_people=words,
        )
        self.model = create_model(self.system, f"m {words}", by=people.engineer, description=words)
        self.dataset = create_dataset(self.system, f"d {words}", by=people.engineer, description=words)
        self.predictions = add_predictions_version(
            self.model, scores=words, by=people.engineer, label=words[:60], notes=words
        )
        name = f"{words}.json".replace("/", "")
        self.version = add_model_version(
            self.model,
            {name: stored(people.organisation, b"{}")},
            by=people.engineer,
            notes=words,
            parent=self.predictions,
            lineage=Lineage(remedy="training.fine_tune", version="1", params={words: words}, seed=1),
        )
        self.data = add_dataset_version(
            self.dataset,
            {"test": (f"{words}.csv".replace("/", ""), stored(people.organisation, b"a,b\n1,2\n"))},
            DataDescription(label=words, sensitive=(words,), favourable=words),
            by=people.engineer,
            origin=words,
            licence=words,
            consent_basis=words,
            period=words,
            disjoint=True,
        )

    def url(self, name: str, *rows: Any) -> str:
        return reverse(f"models_registry:{name}", args=[self.org, *(row.pk for row in rows)])

    @property
    def reading(self) -> list[str]:
        return [
            self.url("systems"),
            self.url("system", self.system),
            self.url("model", self.model),
            self.url("model_version", self.version),
            self.url("model_version", self.predictions),
            self.url("model_version_state", self.version),
            self.url("dataset", self.dataset),
            self.url("dataset_version", self.data),
            self.url("dataset_version_state", self.data),
            self.url("dataset_diff", self.data, self.data),
        ]

    @property
    def writing(self) -> list[str]:
        return [
            self.url("new_system"),
            self.url("edit_system", self.system),
            self.url("new_model", self.system),
            self.url("new_dataset", self.system),
            self.url("new_model_version", self.model),
            self.url("new_predictions", self.model),
            self.url("new_dataset_version", self.dataset),
            self.url("correct_columns", self.data),
        ]

    @property
    def posting(self) -> list[str]:
        return [
            self.url("archive_system", self.system),
            self.url("restore_system", self.system),
            self.url("read_model_version", self.version),
            self.url("read_dataset_version", self.data),
            self.url("begin_upload"),
        ]
