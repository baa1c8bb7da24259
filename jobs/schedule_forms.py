"""The form of a schedule; what is to be done comes from the trigger's own form beside it."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms

from assay.errors import BadInput
from jobs.models import Schedule
from jobs.schedule_times import check_cron

__all__ = ["ScheduleForm", "ways"]

_MOST_BOXES = 6


class ScheduleForm(forms.Form):
    """Name, times and catch-up."""

    key = forms.UUIDField(widget=forms.HiddenInput, required=False)
    name = forms.CharField(max_length=120, help_text="As lists show it: nightly audit.")
    when = forms.ChoiceField(
        label="Starts", choices=Schedule.When.choices, initial=Schedule.When.CRON, widget=forms.RadioSelect
    )
    cron = forms.CharField(
        label="Times (cron)",
        max_length=1000,
        required=False,
        initial="0 3 * * *",
        help_text="Minute, hour, day of month, month, day of week. Every night at three: 0 3 * * *. "
        "Mondays at six: 0 6 * * mon. The first of each month: 0 3 1 * *.",
    )
    catch_up = forms.ChoiceField(
        label="After a downtime",
        choices=Schedule.CatchUp.choices,
        initial=Schedule.CatchUp.ONCE,
        help_text="What happens to times that passed while no worker ran (at most 24 of them are run).",
    )

    def __init__(self, data: Any = None, *, initial: dict[str, Any] | None = None) -> None:
        super().__init__(data, initial=initial, label_suffix="")
        self.initial.setdefault("key", uuid.uuid4())

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if found.get("when") == Schedule.When.CRON and "cron" in found:
            try:
                found["cron"] = check_cron(found["cron"])
            except BadInput as error:
                self.add_error("cron", error.message)
        return found


def ways(form: Any) -> list[tuple[Any, str]]:
    """A form's shown fields, each with how it is laid out: line, boxes, or folded boxes."""
    found = []
    for field in form.visible_fields():
        widget = field.field.widget
        several = isinstance(widget, forms.RadioSelect | forms.CheckboxSelectMultiple)
        many = several and len(list(field.field.choices)) > _MOST_BOXES
        found.append((field, "folded" if many else "boxes" if several else "line"))
    return found
