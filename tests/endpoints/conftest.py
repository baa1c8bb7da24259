from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.endpoints import asked


@pytest.fixture(autouse=True)
def _closed_connections() -> Iterator[None]:
    yield
    while asked.MADE:
        asked.MADE.pop().close()
