"""The service's standing tenants: owners, colleagues in every role, and an outsider; and its databases.

Engine tests use none of this. The service's tests run on SQLite, and on PostgreSQL where
ASSAY_DATABASE_URL names one.
"""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, NamedTuple

import django
import pytest

# Settings are read when Django starts, which is before any fixture: a home of its own for each process.
# In memory where there is such a place: every commit flushes, and what a test leaves may go with a power cut.
_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
os.environ["ASSAY_HOME"] = tempfile.mkdtemp(prefix="assay-tests-", dir=_MEMORY)
atexit.register(shutil.rmtree, os.environ["ASSAY_HOME"], ignore_errors=True)
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
django.setup()

if TYPE_CHECKING:
    from django.test import Client

    from accounts.models import Organisation, User


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Test processes begin without this one's settings, so that each makes a home of its own above."""
    os.environ.pop("DJANGO_SETTINGS_MODULE", None)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is loaded with the tests is there to stay: a search through it for garbage takes half a second."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


class People(NamedTuple):
    """One organisation with a member in each role, and an outsider who owns another one."""

    organisation: Organisation
    owner: User
    engineer: User
    reviewer: User
    auditor: User
    operator: User
    elsewhere: Organisation
    outsider: User


_count = 0


def make_people(prefix: str = "") -> People:
    """Fresh organisations; names are unique in the process, so nothing has to be flushed.

    Args:
        prefix: of every name, for processes that share one database.
    """
    from accounts.models import User
    from accounts.services import add_member, create_organisation

    global _count
    _count += 1

    def person(role: str) -> User:
        made = User(email=f"{prefix}{role}{_count}@example.org", name=f"{role.title()} {_count}")
        made.set_unusable_password()
        made.save()
        return made

    owner = person("owner")
    organisation = create_organisation(f"{prefix}Bank {_count}", owner)
    found = {}
    for role in ("engineer", "reviewer", "auditor", "operator"):
        found[role] = person(role)
        add_member(organisation, found[role], role, by=owner)
    outsider = person("outsider")
    return People(
        organisation,
        owner,
        **found,
        elsewhere=create_organisation(f"{prefix}Other {_count}", outsider),
        outsider=outsider,
    )


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: None, django_db_blocker: object) -> Iterator[None]:
    """A test database made afresh, also where only tests with real commits are run."""
    from django.db import connection
    from django.test.utils import setup_databases, teardown_databases

    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        kept = connection.settings_dict["TEST"]
        kept["NAME"] = f"{kept['NAME'] or 'test_' + str(connection.settings_dict['NAME'])}_{worker}"
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        made = setup_databases(verbosity=0, interactive=False, aliases={"default"})
        if connection.vendor == "postgresql":
            name = connection.settings_dict["NAME"]
            with connection.cursor() as cursor:
                cursor.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
            connection.close()
    yield
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        teardown_databases(made, verbosity=0)


@pytest.fixture
def people(db: None) -> People:
    """Standing users, rolled back after the test."""
    return make_people()


@pytest.fixture
def as_user() -> Callable[[User], Client]:
    """A signed-in browser without a browser."""
    from django.test import Client

    def sign_in(user: User) -> Client:
        client = Client()
        client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
        return client

    return sign_in


@pytest.fixture
def fresh_children() -> Iterator[None]:
    """Children of `factory.run_jobs` and `working` are interpreters of their own (tests/warm.py)."""
    from tests import warm

    with warm.fresh_children():
        yield


@pytest.fixture
def committed(django_db_setup: None, django_db_blocker: object) -> Iterator[None]:
    """A database whose commits are real, for jobs and threads.

    Nothing is flushed afterwards (the trail refuses that): a test uses `make_people` for rows of its own, and
    jobs that it leaves are removed from the queue.
    """
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        yield
        from django.db import connection

        from jobs.models import Shard

        Shard.objects.filter(state__in=("ready", "leased")).update(state="cancelled")
        connection.close()
