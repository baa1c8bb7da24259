"""What the portal does the API does, or docs/api.md says why not; and each operation has an example."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

from ninja import Schema

from config.api import api
from tests.test_outsider import PAGES

PAGE = Path(__file__).resolve().parent.parent / "docs" / "api.md"
ROW = re.compile(r"^\| (.+?) \| (.+?) \|$", re.MULTILINE)
OPERATION = re.compile(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`]+)`")


def table() -> dict[str, str]:
    """Page, ids as {} -> what is said of it."""
    found: dict[str, str] = {}
    text = PAGE.read_text().partition("| page | operation |")[2]
    for pages, operations in ROW.findall(text):
        for page in re.findall(r"`([^`]+)`", pages) or [""]:
            assert page not in found, f"{page} stands twice in docs/api.md"
            found[_bare(page)] = operations
    return found


def _bare(text: str) -> str:
    return re.sub(r"<[^>]+>|\{[^}]+\}", "{}", text)


def schema() -> dict[str, Any]:
    return dict(api.get_openapi_schema())


def test_every_page_is_an_operation_or_says_why_it_is_of_the_portal_only() -> None:
    pages = {_bare(route.removeprefix("o/<slug:org>/")) for route in PAGES}
    assert set(table()) == pages, sorted(set(table()) ^ pages)
    for page, said in table().items():
        assert OPERATION.search(said) or re.search(r"portal only: \w+", said), page


def test_every_operation_is_on_the_page_and_there() -> None:
    real = {
        (verb.upper(), path.removeprefix("/api/v1"))
        for path, verbs in schema()["paths"].items()
        for verb in verbs
    }
    named = {pair for said in table().values() for pair in OPERATION.findall(said)}
    assert named == real, sorted(named ^ real)


def test_every_body_and_answer_has_an_example() -> None:
    described = schema()
    kinds = described["components"]["schemas"]

    def shown(part: Any, seen: tuple[str, ...] = ()) -> bool:
        if not isinstance(part, dict) or "example" in part or "examples" in part:
            return isinstance(part, dict)
        if (name := part.get("$ref")) is not None:
            return name not in seen and shown(kinds[name.rsplit("/", 1)[1]], (*seen, name))
        inner = [*part.get("properties", {}).values(), part.get("items"), *part.get("anyOf", ())]
        return any(shown(each, seen) for each in inner if each is not None)

    bare = []
    for path, verbs in described["paths"].items():
        for verb, operation in verbs.items():
            bodies = {"body": operation.get("requestBody") or {}, **operation["responses"]}
            for what, body in bodies.items():
                content = body.get("content", {}).get("application/json", {})
                part = None if "example" in content else content.get("schema")
                if part is not None and part.get("type") not in ("string", "object") and not shown(part):
                    bare.append(f"{verb} {path} {what}")
    assert bare == []


def test_no_two_schemas_go_by_one_name() -> None:
    """The description keeps schemas by their bare names: a second one would take the first one's place."""

    def below(kind: type) -> list[type]:
        return [each for child in kind.__subclasses__() for each in (child, *below(child))]

    own = {"accounts", "models_registry", "audits", "remediations", "compliance", "reports", "jobs"}
    names = [kind.__name__ for kind in below(Schema) if kind.__module__.partition(".")[0] in own]
    assert [name for name, count in Counter(names).items() if count > 1 and "[" not in name] == []
