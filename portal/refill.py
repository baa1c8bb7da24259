"""Fills a form of a page with what was typed before, in the HTML itself: for every form, without script.

Hidden fields keep what the page says now, so that a form which carries a revision is still told when somebody
was faster. Passwords and files stay empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

__all__ = ["refill"]

_LEFT_ALONE = ("hidden", "password", "file", "submit", "button", "reset", "image")


def refill(html: str, page: str, action: str, fields: Sequence[Sequence[str]]) -> str | None:
    """The page with the form that posts to `action` filled in; None where it has no such form."""
    filler = _Filler(html, page, action, fields)
    filler.feed(html)
    filler.close()
    return filler.result()


class _Filler(HTMLParser):
    def __init__(self, html: str, page: str, action: str, fields: Sequence[Sequence[str]]) -> None:
        super().__init__(convert_charrefs=False)
        self._html, self._page, self._action = html, page, action
        self._values: dict[str, list[str]] = {}
        for name, value in fields:
            self._values.setdefault(name, []).append(value)
        self._lines = [0]
        for line in html.split("\n"):
            self._lines.append(self._lines[-1] + len(line) + 1)
        self._edits: list[tuple[int, int, str]] = []
        self._inside = self._found = False
        self._select: str | None = None
        self._area: tuple[str, int] | None = None

    def result(self) -> str | None:
        if not self._found:
            return None
        parts, at = [], 0
        for start, end, text in self._edits:
            parts += [self._html[at:start], text]
            at = end
        return "".join([*parts, self._html[at:]])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            target = urlsplit(urljoin(self._page, given.get("action") or self._page)).path
            same = target == self._action and (given.get("method") or "get").lower() == "post"
            # the same address may serve several forms: the one that has the fields is meant
            self._inside = same and self._mentions(self._offset())
            self._found = self._found or self._inside
        elif self._inside:
            self._control(tag, given, attrs)

    def _control(self, tag: str, given: dict[str, str | None], attrs: list[tuple[str, str | None]]) -> None:
        name = given.get("name") or ""
        kind = (given.get("type") or "text").lower()
        if tag == "input" and name and kind not in _LEFT_ALONE:
            if kind in ("checkbox", "radio"):
                self._mark("checked", (given.get("value") or "on") in self._values.get(name, []), tag, attrs)
            elif name in self._values:
                self._replace(tag, [(k, v) for k, v in attrs if k != "value"] + [("value", self._next(name))])
        elif tag == "textarea" and name in self._values:
            self._area = (name, self._offset() + len(self.get_starttag_text() or ""))
        elif tag == "select":
            self._select = name if name in self._values else None
        elif tag == "option" and self._select is not None and given.get("value") is not None:
            self._mark("selected", given["value"] in self._values[self._select], tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
        elif tag == "select":
            self._select = None
        elif tag == "textarea" and self._area is not None:
            name, start = self._area
            # a line break right after <textarea> is not part of its content
            self._edits.append((start, self._offset(), "\n" + escape(self._next(name), quote=False)))
            self._area = None

    def _mentions(self, start: int) -> bool:
        end = self._html.find("</form", start)
        body = self._html[start : end if end >= 0 else len(self._html)]
        return any(f'name="{escape(name)}"' in body for name in self._values)

    def _next(self, name: str) -> str:
        """Fields of one name are filled in the order in which they were sent."""
        values = self._values[name]
        return values.pop(0) if len(values) > 1 else values[0]

    def _mark(self, word: str, on: bool, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        kept = [(k, v) for k, v in attrs if k != word]
        self._replace(tag, [*kept, (word, None)] if on else kept)

    def _replace(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        start = self._offset()
        written = "".join(f" {k}" if v is None else f' {k}="{escape(v)}"' for k, v in attrs)
        self._edits.append((start, start + len(self.get_starttag_text() or ""), f"<{tag}{written}>"))

    def _offset(self) -> int:
        line, column = self.getpos()
        return self._lines[line - 1] + column
