"""The form that shows what was inferred of each column of a dataset version, and lets people put it right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from django import forms

from assay.contracts import DataReport
from assay.datasets.values import canonical_number
from models_registry.description import DataDescription, Kind
from models_registry.forms import WordsForm
from models_registry.models import DatasetVersion
from models_registry.presenting import ColumnLine, parts_of

__all__ = ["MOST_COLUMNS", "ColumnsForm"]

MOST_COLUMNS = 200
"""Columns that the form shows; the others keep what was said of them."""
_KINDS = (("number", "Number"), ("category", "Category"), ("text", "Text"))
_ROLES = (
    ("feature", "Feature"),
    ("label", "True outcome"),
    ("sensitive", "Sensitive"),
    ("cluster", "Cluster"),
    ("identifier", "Identifier"),
    ("text", "Text that a model reads"),
    ("roles_column", "Splits the rows"),
    ("ignored", "Not read"),
)
_ONE = ("label", "cluster", "identifier", "text", "roles_column")
"""Roles that one column plays at most."""


class Line(NamedTuple):
    """One row of the table."""

    name: str
    found: str
    """The kind that its values look like."""
    looks: ColumnLine | None
    """Its values; None of a column that was not read."""
    joined: bool
    """From a file of attributes: it is sensitive or not taken."""
    kind: Any
    role: Any


class ColumnsForm(WordsForm):
    """Kind and role of each column; the result is a description for a new version of the same files."""

    def __init__(self, *args: Any, version: DatasetVersion, **more: Any) -> None:
        self._said = DataDescription.model_validate(version.description)
        report = DataReport.model_validate(version.profile)
        leading = report.datasets[0]
        joined = {name for each in leading.joined for name in each.columns}
        roles = _roles(report, self._said)
        found = {column.name: column.kind for column in leading.columns}
        names = [*found, *(name for name in self._said.ignored if name not in found)]
        named = names[:MOST_COLUMNS]
        bins = "\n".join(f"{k}: {', '.join(map(canonical_number, c))}" for k, c in self._said.bins.items())
        more["initial"] = {
            "favourable": self._said.favourable or "",
            "bins": bins,
            "disjoint": version.disjoint,
            **more.get("initial", {}),
        }
        super().__init__(*args, **more)
        self._looks = {line.name: line for line in parts_of(version)[0].lines}
        self._columns = dict(enumerate(named))
        self.more = len(names) - len(named)
        self._found, self._joined, self._before = found, joined, roles
        for place, name in self._columns.items():
            as_found = f"{found[name].capitalize()}, as found" if name in found else "Not read"
            choices = [each for each in _ROLES if name not in joined or each[0] == "sensitive"]
            self.fields[f"role_{place}"] = forms.ChoiceField(
                choices=choices, initial=roles.get(name, "feature"), label=f"What {name} is used as"
            )
            self.fields[f"kind_{place}"] = forms.ChoiceField(
                choices=(("", as_found), *_KINDS),
                required=False,
                initial=self._said.kinds.get(name, ""),
                label=f"Kind of {name}",
            )
            for field in (f"role_{place}", f"kind_{place}"):
                self.fields[field].widget.attrs["aria-label"] = self.fields[field].label

    @property
    def lines(self) -> list[Line]:
        return [
            Line(
                name,
                self._found.get(name, "not read"),
                self._looks.get(name),
                name in self._joined,
                self[f"kind_{place}"],
                self[f"role_{place}"],
            )
            for place, name in self._columns.items()
        ]

    @property
    def said(self) -> list[Any]:
        return [self[name] for name in ("favourable", "bins", "disjoint", "label")]

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if self.errors:
            return values
        chosen = {name: values[f"role_{place}"] for place, name in self._columns.items()}
        for role in _ONE:
            several = [name for name, each in chosen.items() if each == role]
            if len(several) > 1:
                listed = " and ".join(f'"{name}"' for name in several[:3])
                title = dict(_ROLES)[role].lower()
                self.add_error(None, f"One column can be the {title}; {listed} are. Choose one of them.")
                return values
        try:
            values["description"] = self._described(chosen, values)
        except ValueError as error:
            self.add_error(None, str(error).splitlines()[-1])
            return values
        if values["description"] == self._said and values["disjoint"] == self.initial["disjoint"]:
            self.add_error(None, "Nothing is different from this version. Change a column, or go back.")
        return values

    def _described(self, chosen: Mapping[str, str], values: dict[str, Any]) -> DataDescription:
        one = {
            role: next((name for name, each in chosen.items() if each == role), None)
            if any(self._before.get(name) == role for name in chosen) or role in chosen.values()
            else getattr(self._said, role)
            for role in _ONE
        }
        places = {name: place for place, name in self._columns.items()}
        kinds: dict[str, Kind] = {
            name: values[f"kind_{places[name]}"]
            for name, role in chosen.items()
            if role == "feature" and values[f"kind_{places[name]}"]
        }
        kept = {name: kind for name, kind in self._said.kinds.items() if name not in places}
        every = {**chosen, **self._unseen()}
        sensitive, ignored = (
            [name for name, role in every.items() if role == wanted] for wanted in ("sensitive", "ignored")
        )
        before = {*self._before.values(), *self._said.without}
        said: dict[str, Any] = {
            **self._said.model_dump(),
            **one,
            "sensitive": sensitive,
            "ignored": ignored,
            # A role that was inferred would be again, unless it is said that no column plays it.
            "without": [r for r in ("label", "sensitive") if r in before and r not in every.values()],
            "kinds": {**kept, **kinds},
            "favourable": values["favourable"].strip() or None,
            "bins": values["bins"],
        }
        return DataDescription.model_validate(said)

    def _unseen(self) -> dict[str, str]:
        """Roles of the columns that the form does not show."""
        shown = set(self._columns.values())
        return {name: role for name, role in self._before.items() if name not in shown}


def _roles(report: DataReport, said: DataDescription) -> dict[str, str]:
    """Column -> role, as it was said or inferred."""
    named: dict[str | None, str] = {
        report.roles.label: "label",
        report.roles.cluster: "cluster",
        report.roles.identifier: "identifier",
        report.roles.text: "text",
        said.roles_column: "roles_column",
        **dict.fromkeys(report.roles.sensitive, "sensitive"),
        **dict.fromkeys(said.ignored, "ignored"),
    }
    return {name: role for name, role in named.items() if name is not None}
