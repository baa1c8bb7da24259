"""The walls between tenants, by construction: rows are asked for by organisation, pages are behind a door."""

from __future__ import annotations

import re
from pathlib import Path

from django.apps import apps
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.permissions import PERMISSIONS
from accounts.tenancy import TenantManager

OURS = (
    "trail accounts jobs models_registry audits remediations compliance reports portal config".split()  # noqa: SIM905
)

# Where rows of every organisation may be read, and why that is right.
UNSCOPED = {
    "accounts/tenancy.py": "defines it",
    "accounts/api_auth.py": "a token says which organisation it is for",
    "accounts/invitations.py": "a link's secret says which organisation it is for; rows scoped before",
    "accounts/members.py": "starts from a membership that was scoped before",
    "accounts/selectors.py": "a person's own memberships, wherever they are",
    "accounts/tokens.py": "starts from a token that was scoped before",
    "models_registry/selectors.py": "below a system, model or dataset that was scoped before",
    "models_registry/forms.py": "versions of a model that was scoped before",
    "portal/demo.py": "rows that the demo itself has just made",
    "config/health.py": "figures of the whole installation, no rows",
}
# Apps whose workers, admin, commands and public pages serve every organisation; their files are listed by
# what they do.
UNSCOPED_FILES = re.compile(
    r"(^jobs/|/admin\.py$|/management/commands/|_kind\.py$|/kind\.py$|^audits/|^models_registry/|^remediations/"
    r"|^compliance/|^reports/)"
)
_HARMLESS = re.compile(r"\.unscoped\.none\(\)|OuterRef\(")
"""Empty until a form says whose, or bound to the row outside."""
PAGES_AND_APIS = re.compile(r"(views|forms|api|selectors|pages)(_\w+)?\.py$|/(views|api)/")


def _sources() -> list[Path]:
    return [p for app in OURS for p in sorted(Path(app).rglob("*.py")) if "migrations" not in p.parts]


def test_every_model_with_an_organisation_is_read_by_organisation() -> None:
    tenant = [
        model
        for app in OURS
        for model in apps.get_app_config(app).get_models()
        if any(field.name == "organisation" for field in model._meta.get_fields())
    ]
    assert len(tenant) > 20
    for model in tenant:
        assert isinstance(model.objects, TenantManager), f"{model.__name__}.objects asks for no organisation"  # type: ignore[attr-defined]


def test_unscoped_reads_are_where_they_are_explained() -> None:
    found = {str(p) for p in _sources() if ".unscoped" in p.read_text()}
    unexplained = {name for name in found if name not in UNSCOPED and not UNSCOPED_FILES.search(name)}
    assert unexplained == set()
    assert set(UNSCOPED) <= found | {"accounts/tenancy.py"}, "remove what no longer applies"


def test_pages_and_apis_of_apps_never_read_unscoped() -> None:
    """What a request asks for is fetched by its organisation; services start from rows fetched so."""
    found = {
        f"{path}:{number}"
        for path in _sources()
        if PAGES_AND_APIS.search(str(path)) and str(path) not in UNSCOPED
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if ".unscoped" in line and "# public:" not in line and not _HARMLESS.search(line)
    }
    assert found == set(), "write .objects.of(request.organisation), or say why: # public: ..."


def test_every_page_of_an_organisation_is_behind_the_door() -> None:
    doors = {}
    for pattern, route in _walk(get_resolver().url_patterns):
        if "<slug:org>" in route:
            doors[route] = getattr(pattern.callback, "permission", None)
    assert len(doors) > 10
    assert {route for route, permission in doors.items() if permission not in PERMISSIONS} == set()


def _walk(patterns: list[URLPattern | URLResolver], above: str = "") -> list[tuple[URLPattern, str]]:
    found: list[tuple[URLPattern, str]] = []
    for each in patterns:
        route = above + str(each.pattern)
        if isinstance(each, URLResolver):
            found += _walk(each.url_patterns, route)
        else:
            found.append((each, route))
    return found
