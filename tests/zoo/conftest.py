"""Each zoo model is loaded once for the tests of this room."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from assay.contracts import DatasetRole
from assay.datasets.subject import Subject
from tests.zoo.made import zoo_subject

SubjectOf = Callable[..., Subject]


@pytest.fixture(scope="session")
def subject_of(tmp_path_factory: pytest.TempPathFactory) -> SubjectOf:
    """Name and roles -> the loaded subject (default roles: all)."""

    @cache
    def load(name: str, *roles: DatasetRole) -> Subject:
        return zoo_subject(name, tmp_path_factory.mktemp(name), *roles)

    return load
