"""A field for JSON that this service did not write itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.db import models

__all__ = ["TextJSONField"]


if TYPE_CHECKING:
    # what a form or a query may give it: the same as a JSONField
    _Text = models.JSONField
else:
    _Text = models.TextField


class TextJSONField(_Text):
    """JSON kept as its ASCII text, on every database alike.

    PostgreSQL's jsonb refuses U+0000 and reorders keys; what a child says or a user's data holds may contain
    the one, and digests depend on the other. Nothing is queried inside of it.
    """

    def from_db_value(self, value: str | None, *_context: Any) -> Any:
        return None if value is None else json.loads(value)

    def to_python(self, value: Any) -> Any:
        return json.loads(value) if isinstance(value, str) else value

    def get_prep_value(self, value: Any) -> str | None:
        return None if value is None else json.dumps(value, ensure_ascii=True, separators=(",", ":"))

    def value_to_string(self, obj: Any) -> str:
        return self.get_prep_value(self.value_from_object(obj)) or ""
