"""What docs/api.md prints is what the service answers."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

from django.test import Client

from accounts.api_auth import new_token
from config.api import api
from tests.conftest import People

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text("utf-8")


def _ask(line: str, secret: str) -> object:
    """A printed curl line, asked without curl."""
    words = shlex.split(line.replace("$ASSAY_TOKEN", secret).replace("$ASSAY_SERVER", ""))
    authorization = words[words.index("-H") + 1].removeprefix("Authorization: ")
    sent = words[words.index("--json") + 1] if "--json" in words else None
    answer = Client().generic(
        "GET" if sent is None else "POST",
        words[-1],
        sent or b"",
        content_type="application/json",
        headers={"Authorization": authorization},
    )
    assert answer["Content-Type"] == "application/problem+json"
    return answer.json()


def test_the_printed_errors_are_answered(people: People) -> None:
    _, secret = new_token(people.engineer, people.organisation, "test", ["read", "write"])
    examples = re.findall(r"^\$ (curl .*)\n(\{.*\})$", PAGE, re.MULTILINE)
    assert len(examples) == 3
    for line, printed in examples:
        assert _ask(line, secret) == json.loads(printed)


def test_every_400_has_a_code(people: People) -> None:
    _, secret = new_token(people.engineer, people.organisation, "test", ["read", "write"])
    for body, more in (
        ('{"name":', {}),
        ('{"name": "a\\u0000b"}', {}),
        ('{"name": "x"}', {"Idempotency-Key": "k" * 201}),
        ('{"name": "x"}', {"Host": "elsewhere.example"}),
    ):
        answer = Client().post(
            "/api/v1/systems",
            body,
            content_type="application/json",
            headers={"Authorization": f"Bearer {secret}", **more},
        )
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_input"), answer.content


def _asked(operations: dict[str, Any]) -> dict[str, Any]:
    """Parameters behind the question mark of a GET, and their schemas."""
    parameters = operations.get("get", {}).get("parameters", [])
    return {one["name"]: one["schema"] for one in parameters if one["in"] == "query"}


def test_lists_are_as_the_page_says() -> None:
    schema = api.get_openapi_schema()
    bare, total, alone, short = set(), set(), set(), set()
    for path, operations in schema["paths"].items():
        if "get" not in operations:
            continue
        asked = _asked(operations)
        content = operations["get"]["responses"].get(200, {}).get("content", {})
        told = content.get("application/json", {}).get("schema", {})
        kind = schema["components"]["schemas"].get(told.get("$ref", "").rpartition("/")[2], {})
        place = path.removeprefix("/api/v1")
        if told.get("type") == "array":
            bare.add(place)
        elif "items" in kind.get("properties", {}):
            total |= {place} if "count" not in kind["properties"] and "limit" in asked else set()
            alone |= {place} if not asked.keys() & {"limit", "page"} else set()
            short |= {place} if asked.get("limit", {}).get("maximum") == 25 else set()
            assert asked.get("limit", {}).get("maximum") in (None, 25, 100), place
    assert bare == {"/policies/packs", "/frameworks", "/audits/{run_id}/remedies"}
    assert total == {"/remedies", "/schedules"}
    assert alone == {"/audits/{run_id}/verdicts", "/audits/{run_id}/downloads"}
    assert short == {"/audits/{run_id}/figures", "/audits/{run_id}/series"}
    paged = {path for path, kinds in schema["paths"].items() if "page" in _asked(kinds)}
    assert paged == {"/api/v1/audits/{run_id}/rows"}
    paragraph = PAGE.partition("**Lists**")[2].partition("**Errors**")[0]
    for place in bare | total | alone | short:
        assert place.rpartition("/")[2] in paragraph, place
