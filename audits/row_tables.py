"""The single rows behind a result, from the encrypted annex: which count, and how, for what is asked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.annex import RunRows
from assay.contracts import AnnexReference, Evidence, Measure, MeasureSpec, Signature, Verdict
from assay.evidence import measure_key
from assay.methods.fairness.groupings import outcome_of
from assay.methods.fairness.rates import RATES
from assay.policy.wording import subject_of
from assay.report.glyphs import clean, visible

__all__ = ["Chosen", "RowGuide", "RowTable", "choose_rows", "counted_measures"]

PAGE = 50
_SHORT = 16
_OUTCOMES = {1: "counts as 1", 0: "counts as 0", -1: "not counted"}

Counted = npt.NDArray[np.int8]


@dataclass(frozen=True)
class Chosen:
    """Which rows to show, as a reader asked."""

    errors: bool = False
    groups: Mapping[str, str] = field(default_factory=dict)
    """Attribute -> group."""
    measure: str = ""
    """The first digits of the key of a measure whose rows are kept."""
    verdict: int | None = None
    """Place of a verdict: its groups, and how each row counts for what it quotes."""
    counted: str = ""
    """`1`, `0`: only rows that count so."""


@dataclass(frozen=True)
class RowTable:
    """One page of rows, safe to show.

    Attributes:
        total: rows that were chosen, of `of`.
        about: what the column `counted` is about; empty without one.
        aside: the measure is about other rows than those with labels, so that only how they counted is known.
    """

    columns: list[str]
    rows: list[dict[str, Any]]
    total: int
    of: int
    about: str
    aside: bool
    numeric: bool
    first: int
    page: int
    pages: int


@dataclass(frozen=True)
class RowGuide:
    """What is needed of a run's evidence to read its rows: evidence may hold ten thousand measures.

    Attributes:
        measures: by key, those that a verdict quotes or whose rows are kept; specs: of these.
    """

    annex: AnnexReference | None
    signature: Signature
    verdicts: tuple[Verdict, ...]
    measures: Mapping[str, Measure]
    specs: Mapping[str, MeasureSpec]

    @staticmethod
    def of(evidence: Evidence, results: Collection[str]) -> RowGuide:
        """`results`: keys of the measures whose rows are kept."""
        wanted = {*results, *(v.decisive for v in evidence.verdicts)}
        measures = {key: m for m in evidence.measures if (key := measure_key(m)) in wanted}
        used = {m.id for m in measures.values()}
        return RowGuide(
            evidence.annex,
            evidence.subject.signature,
            evidence.verdicts,
            measures,
            {s.id: s for m in evidence.methods for s in m.measures if s.id in used},
        )

    def title(self, measure: Measure) -> str:
        return self.specs[measure.id].title if measure.id in self.specs else measure.id


def counted_measures(guide: RowGuide, rows: RunRows) -> list[tuple[str, str]]:
    """Measures of which it is kept how each row counted: short key and words."""
    kept = [(key, m) for key, m in guide.measures.items() if key in rows.results]
    return [(key[:_SHORT], visible(f"{guide.title(m)}, {subject_of(m)}")[:160]) for key, m in kept]


def choose_rows(guide: RowGuide, rows: RunRows, chosen: Chosen, page: int) -> RowTable:
    """The page of rows that `chosen` asks for. What it names and the run does not have is ignored."""
    signature = guide.signature
    regression = signature.task == "regression"
    counted, about, masks, of_asked = _counted(guide, rows, chosen)
    aside = of_asked and not _same_rows(rows)
    total_rows = len(rows.asked_identity) if aside else len(rows.identity)
    keep = np.ones(total_rows, dtype=bool)
    if not aside:
        for mask in masks:
            keep &= mask
        for name, group in chosen.groups.items():
            if name in rows.attributes and group in rows.categories[name]:
                keep &= rows.attributes[name] == rows.categories[name].index(group)
        if chosen.errors and not regression and rows.label is not None and rows.prediction is not None:
            keep &= rows.label != rows.prediction
    if counted is not None and chosen.counted in ("0", "1"):
        keep &= counted == int(chosen.counted)
    places = np.flatnonzero(keep)
    pages = max(1, -(-len(places) // PAGE))
    page = min(max(page, 1), pages)
    shown = places[(page - 1) * PAGE : page * PAGE]
    names = list(rows.attributes)
    return RowTable(
        columns=[] if aside else clean(names, visible),
        rows=[
            clean(_row(rows, int(place), signature.classes, counted, regression, aside), visible)
            for place in shown
        ],
        total=len(places),
        of=total_rows,
        about=visible(about),
        aside=aside,
        numeric=regression,
        first=int(shown[0]) + 1 if len(shown) else 0,
        page=page,
        pages=pages,
    )


def _row(
    rows: RunRows,
    place: int,
    classes: Sequence[str],
    counted: Counted | None,
    regression: bool,
    aside: bool,
) -> dict[str, Any]:
    found: dict[str, Any] = {"number": place + 1}
    if counted is not None:
        found["counted"] = _OUTCOMES[int(counted[place])]
        found["one"] = int(counted[place])
    if aside:
        return found

    def named(values: npt.NDArray[Any] | None) -> str:
        if values is None:
            return "–"
        if regression:
            return f"{float(values[place]):.6g}"
        code = int(values[place])
        return classes[code] if 0 <= code < len(classes) else "not known"

    found["label"], found["prediction"] = named(rows.label), named(rows.prediction)
    found["wrong"] = (
        not regression
        and rows.label is not None
        and rows.prediction is not None
        and int(rows.label[place]) != int(rows.prediction[place])
    )
    found["score"] = float(rows.score[place]) if rows.score is not None else None
    found["groups"] = [
        rows.categories[name][int(codes[place])] if codes[place] >= 0 else "not known"
        for name, codes in rows.attributes.items()
    ]
    return found


def _counted(
    guide: RowGuide, rows: RunRows, chosen: Chosen
) -> tuple[Counted | None, str, list[npt.NDArray[np.bool_]], bool]:
    """How each row counts, for what; masks of the groups that it is about; whether it is about asked rows."""
    masks: list[npt.NDArray[np.bool_]] = []
    measure: Measure | None = None
    about = ""
    if chosen.verdict is not None and 0 <= chosen.verdict < len(guide.verdicts):
        verdict = guide.verdicts[chosen.verdict]
        measure = guide.measures.get(verdict.decisive or "")
        about = verdict.title
        if measure is not None and measure.slice:
            masks.append(_either_side(measure, rows))
    elif chosen.measure:
        measure = next((m for key, m in guide.measures.items() if key.startswith(chosen.measure)), None)
        about = guide.title(measure) if measure is not None else ""
    if measure is None:
        return None, "", masks, False
    kept = rows.results.get(measure_key(measure))
    if kept is not None:
        return kept, f"{about}, {subject_of(measure)}", masks, True
    counted = _rate(guide, rows, measure)
    if counted is None and measure.id == "performance.accuracy" and _classified(rows):
        counted = np.asarray(rows.label == rows.prediction).astype(np.int8)
    return counted, f"{about}, {subject_of(measure)}" if counted is not None else "", masks, False


def _classified(rows: RunRows) -> bool:
    return rows.label is not None and rows.prediction is not None


def _rate(guide: RowGuide, rows: RunRows, measure: Measure) -> Counted | None:
    """How each row counts for the group rate that a measure is, or compares."""
    spec = guide.specs.get(measure.id)
    name = spec.of if spec is not None and spec.of is not None else measure.id
    rate = next((r for r in RATES if r.id == name), None)
    signature = guide.signature
    if rate is None or rows.prediction is None or (rate.labelled and rows.label is None):
        return None
    favourable = None
    if signature.favourable is not None:
        favourable = signature.classes.index(signature.favourable)
    label = None if rows.label is None else rows.label.astype(np.int32)
    outcome = outcome_of(label, rows.prediction.astype(np.int32), favourable)
    counted = np.full(len(outcome), -1, dtype=np.int8)
    counted[np.isin(outcome, rate.denominator)] = 0
    counted[np.isin(outcome, rate.numerator)] = 1
    return counted


def _either_side(measure: Measure, rows: RunRows) -> npt.NDArray[np.bool_]:
    """Rows of the group of a measure or, for a pair over one attribute, of either of its groups."""
    found = np.ones(len(rows.identity), dtype=bool)
    for name, group in measure.slice.items():
        if name not in rows.attributes:
            continue
        groups = {group}
        if len(measure.slice) == 1 and "against" in measure.at:
            groups.add(str(measure.at["against"]))
        elif "against" in measure.at:
            continue  # a pair of intersections: its other side is named as one text
        codes = [place for place, known in enumerate(rows.categories[name]) if known in groups]
        found &= np.isin(rows.attributes[name], codes)
    return found


def _same_rows(rows: RunRows) -> bool:
    return rows.asked_identity is rows.identity or np.array_equal(rows.asked_identity, rows.identity)
