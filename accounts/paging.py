"""Which part of a list the API is asked for: at most 100 at a time."""

from __future__ import annotations

from typing import Any

from ninja import Field, Schema

__all__ = ["Paging"]


class Paging(Schema):
    """`limit` things from `offset` on."""

    limit: int = Field(50, ge=1, le=100)
    offset: int = Field(0, ge=0, le=2**31)

    def of(self, found: Any) -> Any:
        """The slice of a query set."""
        return found[self.offset : self.offset + self.limit]
