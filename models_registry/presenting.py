"""What the child found, in the words and shapes of pages. What comes in was validated when it was stored."""

from __future__ import annotations

from typing import Any, NamedTuple

from pydantic import ValidationError

from assay.contracts import (
    ColumnSummary,
    DataReport,
    EndpointRequest,
    Joined,
    Lineage,
    ModelFacts,
    ModelSignature,
    Roles,
)
from assay.datasets.values import canonical_number
from assay.report import sandbox_words
from assay.report.formatting import significant
from models_registry.description import DataDescription
from models_registry.models import DatasetFile, DatasetVersion, IntakeState, ModelVersion

__all__ = [
    "ColumnLine",
    "data_sentence",
    "endpoint_said",
    "layers_of",
    "lineage_said",
    "model_sentence",
    "parts_of",
    "role_of",
    "said_of",
]

_SHOWN_COLUMNS = 200
_SHOWN_CATEGORIES = 6
_TASKS = {
    "binary": "tells two classes apart",
    "multiclass": "tells {n} classes apart",
    "multilabel": "sets {n} labels",
    "regression": "predicts a number",
    "generation": "continues texts",
}


def model_sentence(version: ModelVersion) -> str:
    """The answer of the page, in a sentence."""
    if version.source == ModelVersion.Source.PREDICTIONS:
        columns = " and ".join(f'"{name}"' for name in (version.predictions, version.scores) if name)
        return f"Predictions that come in the test data, in {columns}. No model is asked."
    if version.state != IntakeState.READY or not version.facts or not version.signature:
        return ""
    facts = ModelFacts.model_validate(version.facts)
    if facts.endpoint is not None:
        return f'"{facts.endpoint.model}" at {facts.endpoint.host}, asked over HTTP. Its inside is not seen.'
    signature = ModelSignature.model_validate(version.signature)
    reads = {
        "table": f"reads {_many(len(signature.columns), 'column')}",
        "image": "reads pictures",
        "text": "reads texts",
    }[signature.modality]
    does = _TASKS.get(signature.task, signature.task).format(n=len(signature.classes))
    weights = "leaves" if facts.format.startswith("xgboost") else "parameters"
    return f"{facts.architecture} with {facts.parameters:,} {weights}; it {reads} and {does}."


def endpoint_said(version: ModelVersion) -> list[tuple[str, str]]:
    """Where a version behind an address is asked, and within which limits; the key by its name only."""
    if not version.endpoint:
        return []
    found = EndpointRequest.model_validate(version.endpoint)
    limits = found.limits
    said = [
        ("Address", found.url),
        ("Protocol", found.protocol.replace("_", " ")),
        ("Model", found.model),
        ("Key", f"in the secret {found.key}" if found.key else "none"),
        (
            "Requests of one audit",
            f"{limits.most_requests:,} at most, {limits.requests_per_second:g} a second",
        ),
        ("Rows of a request", f"{limits.batch_rows:,}"),
        ("An answer", f"within {limits.timeout:g} s, {limits.retries} further attempts"),
    ]
    if limits.price_per_1k_tokens:
        most = f", {limits.most_spend:g} at most an audit" if limits.most_spend is not None else ""
        said.append(("Price", f"{limits.price_per_1k_tokens:g} for 1,000 tokens{most}"))
    if found.signature.task == "generation":
        said.append(("Prompt", "each text as it is, for the likelihoods of its tokens"))
    elif found.protocol != "open_inference_v2":
        said.append(("Prompt", found.template))
    return said


def lineage_said(version: ModelVersion) -> dict[str, Any] | None:
    """How a remedy made the version: that of the registration, or what the folder itself claims."""
    claimed = (version.facts or {}).get("lineage")
    said = version.lineage or claimed
    if not said:
        return None
    try:
        found = Lineage.model_validate(said)
    except ValidationError:  # of an older schema: what it is called is all that is sure
        return {"remedy": str(said.get("remedy", "")), "claimed": not version.lineage}
    return {
        "remedy": found.remedy,
        "claimed": not version.lineage,
        "params": [(name, _plain(value)) for name, value in sorted(found.params.items())],
        "figures": [(name.replace("_", " "), significant(value, 6)) for name, value in found.figures.items()],
        "parent": found.parent_sha256,
        "rows": sorted(found.rows.items()),
        "notes": found.notes,
    }


class Layer(NamedTuple):
    name: str
    active: bool


def layers_of(version: ModelVersion | DatasetVersion) -> list[Layer]:
    """Sandbox layers that were on when the child read it."""
    return [Layer(*found) for found in sandbox_words.layers_of((version.sandbox or {}).get("layers", {}))]


def data_sentence(version: DatasetVersion) -> str:
    """The answer of the page, in a sentence."""
    if version.state != IntakeState.READY or not version.profile:
        return ""
    found = DataReport.model_validate(version.profile)
    counted = [f"{each.rows:,} {each.role}" for each in found.datasets]
    rows = " and ".join([*([", ".join(counted[:-1])] if counted[:-1] else []), counted[-1]])
    label = (
        f'The true outcome is in "{found.roles.label}"' if found.roles.label else "No true outcome is named"
    )
    sensitive = (
        f"fairness is asked about {_and(found.roles.sensitive)}"
        if found.roles.sensitive
        else "no column is named as sensitive"
    )
    return f"{rows} rows of {_many(len(found.datasets[0].columns), 'column')}. {label}; {sensitive}."


def said_of(version: DatasetVersion) -> list[tuple[str, str]]:
    """What people said about the columns."""
    found = DataDescription.model_validate(version.description)
    bins = "; ".join(f"{name}: {', '.join(map(canonical_number, c))}" for name, c in found.bins.items())
    said = (
        ("True outcome", found.label or ("none" if "label" in found.without else None)),
        ("Favourable outcome", found.favourable),
        ("Sensitive", ", ".join(found.sensitive) or ("none" if "sensitive" in found.without else None)),
        ("Groups of numbers", bins),
        ("Not read", ", ".join(found.ignored)),
        ("Kinds", "; ".join(f"{name}: {kind}" for name, kind in found.kinds.items())),
        ("Task", found.task),
        ("Splits the rows", found.roles_column),
        ("Identifier", found.identifier),
        ("Id in the attributes", found.attributes_id),
        ("Id in the log of predictions", found.predictions_id),
        ("Time in the log of predictions", found.predictions_time),
        ("Cluster", found.cluster),
        ("Text", found.text),
        ("Means missing", ", ".join(found.missing) if found.missing is not None else None),
        ("Rows without outcome", "set aside" if found.allow_missing else None),
    )
    return [(name, value) for name, value in said if value]


class Bar(NamedTuple):
    """One category of a column: its share as a piece of a bar that is 100 wide."""

    name: str
    share: float
    start: float


class ColumnLine(NamedTuple):
    name: str
    role: str
    kind: str
    missing: int
    missing_share: float
    distinct: int | None
    values: str
    bars: list[Bar]
    others: int
    """Categories beyond those shown."""


class Part(NamedTuple):
    """The rows of one role."""

    title: str
    file: str
    rows: int
    joined: tuple[Joined, ...]
    lines: list[ColumnLine]
    more: int


def parts_of(version: DatasetVersion) -> list[Part]:
    """Column summaries by row role."""
    if not version.profile:
        return []
    found = DataReport.model_validate(version.profile)
    titles = dict(DatasetFile.Role.choices)
    return [
        Part(
            titles.get(each.role, each.role),
            each.name,
            each.rows,
            each.joined,
            [_line(column, found.roles) for column in each.columns[:_SHOWN_COLUMNS]],
            max(0, len(each.columns) - _SHOWN_COLUMNS),
        )
        for each in found.datasets
    ]


def _line(column: ColumnSummary, roles: Roles) -> ColumnLine:
    total = sum(column.counts)
    ranked = sorted(zip(column.categories, column.counts, strict=False), key=lambda each: -each[1])
    bars: list[Bar] = []
    start = 0.0
    for name, count in ranked[:_SHOWN_CATEGORIES]:
        share = 100 * count / total if total else 0.0
        bars.append(Bar(name, round(share, 2), round(start, 2)))
        start += share
    values = ""
    if column.minimum is not None and column.maximum is not None:
        values = f"{significant(column.minimum, 6)} to {significant(column.maximum, 6)}"
        values += f", mean {significant(column.mean)}" if column.mean is not None else ""
    return ColumnLine(
        column.name,
        role_of(column.name, roles),
        column.kind,
        column.missing,
        100 * column.missing / column.rows if column.rows else 0.0,
        column.distinct,
        values,
        bars,
        max(0, len(ranked) - _SHOWN_CATEGORIES),
    )


def role_of(name: str, roles: Roles) -> str:
    """What a column is used as, for tags; "" for a feature."""
    if name in roles.sensitive:
        return "sensitive"
    named = {
        roles.label: "true outcome",
        roles.cluster: "cluster",
        roles.identifier: "identifier",
        roles.text: "text",
    }
    return named.get(name, "")


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)[:200]


def _many(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def _and(names: tuple[str, ...]) -> str:
    quoted = [f'"{name}"' for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"
