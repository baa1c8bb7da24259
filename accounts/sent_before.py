"""A form carries the id of the row that it makes, so that sending it twice makes one row. The browser's Back
brings that form again: what was changed in it since must not be dropped as if it had been sent before."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms

from assay.errors import AssayError, BadInput

__all__ = ["AGAIN", "UsedBefore", "refuse_other_content", "show_refusal"]

AGAIN = "This form was used before; what it made then stays. Send it again to make another one."


class UsedBefore(BadInput):
    """The form's id is taken, and not by what it says now."""

    def __init__(self) -> None:
        super().__init__("This form was used before; load the page again.")


def refuse_other_content(row: Any, **sent: Any) -> None:
    """Raise UsedBefore where the row that the form's id names says something else than was sent now."""
    if any(not _same(getattr(row, name), value) for name, value in sent.items()):
        raise UsedBefore


def show_refusal(form: forms.Form, error: AssayError) -> None:
    """Say on a form why it was refused. One that was used before gets a new id, so that what was typed can be
    sent on purpose."""
    if not isinstance(error, UsedBefore):
        form.add_error(None, error.message)
        return
    data: Any = form.data
    said = data.copy()
    said["key"] = str(uuid.uuid4())
    form.data = said
    form.add_error(None, AGAIN)


def _same(there: Any, sent: Any) -> bool:
    """What was sent, and perhaps more since: a Hub model's commit is added when it was fetched."""
    if isinstance(there, dict) and isinstance(sent, dict):
        return all(name in there and there[name] == value for name, value in sent.items())
    return bool(there == sent)
