"""docs/service.md says what each role may do; these are the roles of the code."""

from __future__ import annotations

import re
from pathlib import Path

from accounts.api_auth import SCOPES
from accounts.models import Role
from accounts.permissions import PERMISSIONS, may
from tests.conftest import People

PAGE = Path(__file__).resolve().parents[2] / "docs" / "service.md"
API_PAGE = PAGE.with_name("api.md")


def test_the_table_on_the_page_is_what_the_code_allows(people: People) -> None:
    rows = [
        [cell.strip(" `") for cell in line.strip("|").split("|")]
        for line in PAGE.read_text().splitlines()
        if line.startswith("|")
    ]
    head = next(row for row in rows if row[0] == "permission")
    roles = head[2:]
    assert sorted(roles) == sorted(Role.values)
    told = {
        row[0]: dict(zip(roles, row[2:], strict=True))
        for row in rows
        if row[0] in PERMISSIONS and len(row) == len(head)
    }
    users = {role: getattr(people, role) for role in roles}
    assert told == {
        permission: {
            role: "yes" if may(users[role], permission, people.organisation) else "no" for role in roles
        }
        for permission in PERMISSIONS
    }


def test_every_scope_is_on_the_page() -> None:
    for scope in SCOPES:
        assert re.search(rf"^\| `{scope}` \|", API_PAGE.read_text(), re.MULTILINE), scope
