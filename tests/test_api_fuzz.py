"""Every API operation under fire: whatever is sent, the answer is never a server error (schemathesis)."""

from __future__ import annotations

import os
from itertools import cycle
from typing import Any

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from hypothesis import HealthCheck, Phase, settings

from accounts.api_auth import SCOPES, new_token
from tests.conftest import make_people
from tests.everything import everything

EXAMPLES = int(os.environ.get("ASSAY_FUZZ", "3"))
"""Requests an operation; ./run proof takes more."""

schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", get_wsgi_application())
_known: dict[str, Any] = {}


def _token() -> str:
    """An owner's token in an organisation that has one of everything; made once a process."""
    if not _known:
        people = make_people()
        rows = everything(people)
        _token, secret = new_token(people.owner, people.organisation, "fuzz", list(SCOPES))
        _known.update({"secret": secret, "ids": cycle([str(row.pk) for row in rows.values()])})
    return str(_known["secret"])


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@pytest.mark.usefixtures("committed")
def test_no_request_makes_the_api_fail(case: Any) -> None:
    headers = {"Authorization": f"Bearer {_token()}"}
    answer = case.call(headers=headers)
    assert answer.status_code < 500, answer.text[:500]
    # The same with an id of each kind in turn, so that operations get past "not found".
    for name in list(case.path_parameters or {}):
        case.path_parameters[name] = next(_known["ids"])
        answer = case.call(headers=headers)
        assert answer.status_code < 500, answer.text[:500]
