"""An audit whose model and data were never read together offers no remedy, and says so."""

from __future__ import annotations

import pytest

from assay.errors import BadInput
from audits.models import Run
from remediations.choices import choices_of
from tests.conftest import People
from tests.everything import everything


def test_an_audit_without_a_profile_is_told_and_never_a_crash(people: People) -> None:
    run: Run = everything(people)["Run"]
    with pytest.raises(BadInput, match="audit them again"):
        choices_of(run, "")
