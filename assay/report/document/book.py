"""What every chapter needs: evidence, names, numbered figures and tables, ids that resolve."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from assay.contracts import Evidence, Measure, MeasureSpec, MethodSpec, Verdict
from assay.evidence import measure_key
from assay.policy.groups import group_label
from assay.report import formatting as fmt
from assay.report.decision import Decision
from assay.report.document.model import Cell, Column, Figure, Table

__all__ = ["Book", "column", "id_column", "number_column"]

SHORT = 10
"""Hex digits of a measure's key printed in the report; 3,000 measures collide with odds of 4 in a million."""


def column(title: str, share: float = 1.0) -> Column:
    return {"title": title, "kind": "text", "share": share}


def number_column(title: str, share: float = 0.0) -> Column:
    return {"title": title, "kind": "number", "share": share}


def id_column() -> Column:
    return {"title": "Id", "kind": "id", "share": 0.0}


def _place(values: Sequence[str], value: str) -> tuple[int, str]:
    return (values.index(value) if value in values else len(values)), value


def _setting_order(measure: Measure) -> list[tuple[str, bool, float, str]]:
    """Sorts settings by their names, numbers by value."""
    return [
        (name, True, 0.0, value) if isinstance(value, str) else (name, False, float(value), "")
        for name, value in sorted(measure.at.items())
    ]


class Book:
    """Evidence with look-ups; hands out figures and tables and records what each one rests on."""

    def __init__(self, evidence: Evidence, decision: Decision | None = None) -> None:
        self.evidence = evidence
        self.decision = decision
        self.index: dict[str, list[str]] = {}
        self._figures = 0
        self._tables = 0
        self._keys: dict[int, str] = {}
        self.by_key: dict[str, Measure] = {}
        for place, measure in enumerate(evidence.measures):
            key = measure_key(measure)
            self._keys[id(measure)] = key
            self.by_key[key] = measure
            self.index[key[:SHORT]] = [f"/measures/{place}"]
        for place, finding in enumerate(evidence.findings):
            self.index[finding.id] = [f"/findings/{place}"]
        for place in range(len(evidence.verdicts)):
            self.index[f"V{place + 1}"] = [f"/verdicts/{place}"]
        self._series = {id(series): f"/series/{place}" for place, series in enumerate(evidence.series)}
        model = evidence.subject.model
        curves = model.lineage.loss_curves if model is not None and model.lineage is not None else ()
        at = "/subject/model/lineage/loss_curves"
        self._series |= {id(series): f"{at}/{place}" for place, series in enumerate(curves)}
        self.specs: Mapping[str, MeasureSpec] = {s.id: s for m in evidence.methods for s in m.measures}

    def short(self, measure: Measure) -> str:
        """The id printed beside a measure: the first digits of its key."""
        return self._keys[id(measure)][:SHORT]

    def verdict_id(self, verdict: Verdict) -> str:
        return f"V{next(i for i, v in enumerate(self.evidence.verdicts) if v is verdict) + 1}"

    def title(self, measure_id: str) -> str:
        """The measure's own title, or its id made readable when no method describes it."""
        spec = self.specs.get(measure_id)
        return spec.title if spec else measure_id.partition(".")[2].replace("_", " ")

    def names(self, slice_: Mapping[str, str]) -> tuple[str, ...]:
        """The attributes of a slice in the order in which the audit named them, whatever order JSON has."""
        sensitive = self.evidence.subject.roles.sensitive
        return tuple(sorted(slice_, key=lambda name: (name not in sensitive, *_place(sensitive, name))))

    def group(self, measure: Measure) -> str:
        """The rows that a measure stands for: "Black, Female", or "all rows"."""
        if not measure.slice:
            return "all rows"
        return group_label({name: measure.slice[name] for name in self.names(measure.slice)}, measure.over)

    def group_order(self, measure: Measure) -> tuple[int, ...]:
        """Sorts groups as the categories of their columns are sorted."""
        columns = {column.name: column.categories for column in self.evidence.subject.test.columns}
        return tuple(_place(columns.get(n, ()), measure.slice[n])[0] for n in self.names(measure.slice))

    def setting(self, measure: Measure) -> str:
        """`formatting.setting` with the attributes in the order in which the audit named them."""
        named = {name: measure.slice[name] for name in self.names(measure.slice)}
        return fmt.setting(measure.model_copy(update={"slice": named}))

    def of(self, method: MethodSpec) -> list[Measure]:
        """Measures of one method, as its spec lists them; groups as their columns list them."""
        order = {spec.id: place for place, spec in enumerate(method.measures)}
        attributes = {name: place for place, name in enumerate(self.evidence.subject.roles.sensitive)}

        def key(m: Measure) -> tuple[Any, ...]:
            names = self.names(m.slice) or tuple((m.over or "").split(" × "))
            groups = [attributes.get(n, 99) for n in names], self.group_order(m)
            return order[m.id], len(names), *groups, _setting_order(m)

        return sorted((m for m in self.evidence.measures if m.id in order), key=key)

    def pointers(self, sources: Iterable[Any]) -> list[str]:
        """JSON pointers of measures and series."""
        return [
            self.index[self.short(item)][0] if isinstance(item, Measure) else self._series[id(item)]
            for item in sources
        ]

    def table(
        self,
        caption: str,
        columns: Sequence[Column],
        rows: Sequence[Sequence[Cell | str]],
        note: str = "",
        sources: Iterable[Any] = (),
    ) -> Table:
        """A numbered table; plain strings become cells."""
        self._tables += 1
        name = f"T{self._tables}"
        self.index[name] = self.pointers(sources)
        return self._table(name, caption, columns, rows, note)

    @staticmethod
    def _table(
        name: str,
        caption: str,
        columns: Sequence[Column],
        rows: Sequence[Sequence[Cell | str]],
        note: str = "",
    ) -> Table:
        cells = [[{"text": c} if isinstance(c, str) else c for c in row] for row in rows]
        return {
            "kind": "table",
            "id": name,
            "caption": caption,
            "columns": list(columns),
            "rows": cells,  # type: ignore[typeddict-item]  # mypy widens {"text": str} to a dict
            "note": note,
        }

    def figure(
        self,
        caption: str,
        alt: str,
        chart: dict[str, Any],
        columns: Sequence[Column],
        rows: Sequence[Sequence[Cell | str]],
        sources: Iterable[Any],
        *,
        half: bool = False,
    ) -> Figure:
        """A numbered figure with its data as a table; drawn later, when its text is cleaned."""
        self._figures += 1
        name = f"F{self._figures}"
        self.index[name] = self.pointers(sources)
        return {
            "kind": "figure",
            "id": name,
            "number": self._figures,
            "caption": caption,
            "alt": alt,
            "half": half,
            "chart": {**chart, "half": half},
            "svg": "",
            "table": self._table(f"{name}-data", f"Data of figure {self._figures}", columns, rows),
        }

    def measures_table(self, caption: str, measures: Sequence[Measure], most: int = 40) -> Table:
        """Value, interval, n and id of each measure, at most `most` rows."""
        columns = [
            column("Measure", 1.0),
            column("Rows and setting", 1.2),
            number_column("Value"),
            number_column("Interval"),
            column("Unit", 0.0),
            number_column("n"),
            id_column(),
        ]
        times = Counter(m.note for m in measures[:most] if m.note)
        shared = {note: number for number, note in enumerate((n for n, k in times.items() if k > 2), 1)}
        rows = [self._measure_cells(m, shared) for m in measures[:most]]
        left = len(measures) - most
        notes = [f"({number}) {note.rstrip('.')}." for note, number in shared.items()]
        notes += [f"{fmt.plural(left, 'further row')} in evidence.json."] if left > 0 else []
        return self.table(caption, columns, rows, " ".join(notes), measures[:most])

    def _measure_cells(self, measure: Measure, shared: Mapping[str, int]) -> list[Cell | str]:
        """The cells of one measure; why there is no value stands where it would."""
        name: Cell = {"text": self.title(measure.id)}
        setting: Cell = {"text": self.setting(measure)}
        if measure.note and measure.note in shared:
            name["text"] += f" ({shared[measure.note]})"
        elif measure.note:
            setting["sub"] = measure.note
        value: Cell = {"text": fmt.value(measure.value, measure.unit)}
        if measure.status != "measured":
            value = {"text": measure.status.replace("_", " ")}
        interval = fmt.measured_interval(measure)
        return [name, setting, value, interval, measure.unit, fmt.count(measure.n), self.short(measure)]
