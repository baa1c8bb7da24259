"""Every type that crosses a wall: between child and supervisor, engine and method, engine and report.

All are frozen pydantic models that refuse unknown fields and non-finite numbers, so that the same
definition documents a value, validates what a hostile child says, and yields the published JSON Schema.
Shapes, units and meanings stand with each field. Longer than other files on purpose: whoever asks what
crosses a wall finds all of it here.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, runtime_checkable

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from assay.datasets.table import Table
    from assay.models.base import Inputs, Model

__all__ = [
    "PILLARS",
    "PILLAR_TITLES",
    "AdapterFormat",
    "AnnexReference",
    "AuditMethod",
    "AuditPlan",
    "BaseModelFacts",
    "Canary",
    "Capability",
    "ChangeReport",
    "Citation",
    "ClaimedResult",
    "CleanedFormat",
    "ColumnSummary",
    "Comparison",
    "Context",
    "DataReport",
    "DataRequest",
    "DatasetProfile",
    "Direction",
    "EndpointFacts",
    "EndpointLimits",
    "EndpointProtocol",
    "EndpointRecord",
    "EndpointRequest",
    "Estimate",
    "Evidence",
    "FileRequest",
    "Finding",
    "FormatSpec",
    "Frozen",
    "GateVerdict",
    "Grade",
    "ImageInput",
    "InputColumn",
    "Joined",
    "Judging",
    "Limits",
    "Lineage",
    "Manifest",
    "Measure",
    "MeasureSpec",
    "MergeContext",
    "MethodResult",
    "MethodSpec",
    "ModelClaims",
    "ModelFacts",
    "ModelFormat",
    "ModelReport",
    "ModelRequest",
    "ModelSignature",
    "NewArtifact",
    "NotTested",
    "Opening",
    "Outcome",
    "PairUndecided",
    "Params",
    "Partial",
    "Pillar",
    "PlannedMethod",
    "Policy",
    "Profile",
    "Remedy",
    "RemedyContext",
    "RemedySpec",
    "Roles",
    "Rule",
    "SandboxReport",
    "Series",
    "SeriesColumn",
    "ShardSpec",
    "Signature",
    "Status",
    "SubjectProtocol",
    "TextInput",
    "Trust",
    "UnknownGroup",
    "Verdict",
    "VerdictChange",
    "WithRowResults",
    "significant",
]

Pillar = Literal["performance", "fairness", "explainability", "robustness", "privacy", "data_quality", "cost"]
PILLARS: tuple[Pillar, ...] = (
    "performance",
    "fairness",
    "explainability",
    "robustness",
    "privacy",
    "data_quality",
    "cost",
)
PILLAR_TITLES: Mapping[Pillar, str] = {
    "performance": "Performance",
    "fairness": "Fairness",
    "explainability": "Explainability",
    "robustness": "Robustness",
    "privacy": "Privacy",
    "data_quality": "Data quality",
    "cost": "Cost",
}
Capability = Literal[
    # of the model
    "query",
    "predictions",
    "scores",
    "probabilities",
    "gradients",
    "layers",
    "weights",
    "trainable",
    "tokens",
    "generation",
    "local",
    # of the data
    "labels",
    "sensitive",
    "training_rows",
]
Task = Literal["binary", "multiclass", "multilabel", "regression", "ranking", "anomaly", "generation"]
Modality = Literal["table", "text", "image"]
OutputKind = Literal["label", "probability", "logit", "score"]
Grade = Literal["supplied", "endpoint", "executed"]
EndpointProtocol = Literal["open_inference_v2", "openai_chat", "openai_completions"]
Status = Literal["measured", "insufficient", "not_applicable", "failed"]
Direction = Literal["higher", "lower", "even", "none"]
"""Which way is better. `even`: parity is best (0 for a difference, 1 for a ratio); limits hold both ways."""
Judging = Literal["single", "pairs", "shown"]
"""How a policy may judge a measure: by its own interval, pair by pair over an attribute, or never."""
Outcome = Literal["pass", "warn", "fail", "insufficient", "not_tested"]
Severity = Literal["low", "medium", "high", "critical"]
Trust = Literal["A", "B", "C"]
"""Of model files. A: nothing in them can run. B: loaded after cleaning only. C: code, refused unless an
operator opted in for one organisation."""
Tier = Literal["quick", "standard", "deep"]
DatasetRole = Literal["test", "training", "tuning", "reference", "asked"]
"""`asked`: the rows that the model itself is asked about, where predictions over more rows were supplied."""

Text = Annotated[str, StringConstraints(max_length=20_000)]
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.\-]{0,120}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


def significant(value: float) -> float:
    """Round to 12 significant digits, so that digests do not hang on the last bits of a BLAS."""
    if value == 0 or not math.isfinite(value):
        return 0.0 if value == 0 else value
    return float(f"{value:.12g}")


Number = Annotated[float, AfterValidator(significant)]


class Frozen(BaseModel):
    """Base of the contracts: immutable, closed, finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Params(Frozen):
    """Base of a method's parameters. Fields carry ranges and help texts for CLI, forms, API and docs."""

    @classmethod
    def tier_defaults(cls, tier: Tier) -> dict[str, Any]:
        """Values that differ from the fields' defaults in this tier (`standard` takes the defaults)."""
        return {}


# --- data and model -----------------------------------------------------------------------------


class Signature(Frozen):
    """What the model's output means."""

    task: Task
    output: OutputKind
    classes: tuple[str, ...] = ()
    """Class names in code order; empty for regression."""
    favourable: str | None = None
    """The class that the affected person would want (binary) or that rates are counted for."""
    favourable_inferred: bool = False
    threshold: Number | None = None
    """Decision threshold on the score (favourable: score >= threshold); null when labels were supplied."""


class InputColumn(Frozen):
    """One original column of a table that a model reads, and how it becomes numbers.

    Methods perturb original values; the encoding is applied afterwards, in one place
    (`assay.models.encoding`). A number is (x - mean) / scale under `standard`, x under `identity`; a missing
    number becomes the mean under `standard` and stays NaN under `identity`. A category is one of
    `categories` under `one_hot` (unknown or missing: all zeros), its index under `code` (NaN), or stays the
    word that it is under `value`, for models that read words (ONNX, skops).
    """

    name: Text
    kind: Literal["number", "category"]
    encoding: Literal["standard", "identity", "one_hot", "code", "value"]
    mean: Number = 0.0
    scale: Annotated[Number, Field(gt=0)] = 1.0
    categories: tuple[str, ...] = ()
    minimum: Number | None = None
    """Smallest and largest value in training, for kind `number`: the range attacks stay inside."""
    maximum: Number | None = None
    integer: bool = False
    """Whether only whole numbers occur."""

    def model_post_init(self, _context: Any) -> None:
        if (self.encoding in ("one_hot", "code", "value")) != (self.kind == "category"):
            raise ValueError(f'column "{self.name}": encoding {self.encoding} does not fit a {self.kind}')

    @property
    def width(self) -> int:
        """How many numbers the column becomes."""
        return len(self.categories) if self.encoding == "one_hot" else 1


class ImageInput(Frozen):
    """Images as float32 (rows, channels, height, width) in [0, 1]; the model sees (x - mean) / scale."""

    channels: Annotated[int, Field(ge=1, le=4)]
    height: Annotated[int, Field(ge=1, le=4096)]
    width: Annotated[int, Field(ge=1, le=4096)]
    mean: tuple[Number, ...] = (0.0,)
    """One value, or one a channel."""
    scale: tuple[Number, ...] = (1.0,)


class TextInput(Frozen):
    """Texts, cut to `max_length` tokens by the tokenizer that lies beside the weights."""

    max_length: Annotated[int, Field(ge=1, le=131_072)] = 512


class ModelSignature(Frozen):
    """signature.json: what a model reads and what its output means. It travels with the weights."""

    schema_id: Literal["assay.signature/1"] = Field("assay.signature/1", alias="schema")
    task: Task
    output: OutputKind
    """`logit`: softmax over the classes follows; `probability`: rows sum to 1; `score`: one number a row."""
    classes: tuple[str, ...] = ()
    """In output order; for a binary task class 1 is the favourable (or counted) one."""
    favourable: str | None = None
    threshold: Number | None = None
    """Decision threshold on the score of class 1; null = 0.5 for probabilities and logits."""
    columns: tuple[InputColumn, ...] = ()
    """For tables: what the model reads, in input order."""
    image: ImageInput | None = None
    text: TextInput | None = None

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True, serialize_by_alias=True
    )

    def model_post_init(self, _context: Any) -> None:
        inputs = [bool(self.columns), self.image is not None, self.text is not None]
        if sum(inputs) != 1:
            raise ValueError("a signature describes exactly one of columns, image and text")
        if self.task in ("binary", "multiclass") and len(self.classes) < 2:
            raise ValueError("a classifier's signature names at least two classes")
        if self.task == "binary" and len(self.classes) != 2:
            raise ValueError("a binary signature names two classes")

    @property
    def modality(self) -> Modality:
        return "table" if self.columns else "image" if self.image is not None else "text"


class EndpointLimits(Frozen):
    """What asking an endpoint may cost at most; the supervisor keeps to them."""

    timeout: Annotated[Number, Field(gt=0, le=600)] = 30.0
    """Seconds for one answer, from the connection to its last byte."""
    retries: Annotated[int, Field(ge=0, le=10)] = 3
    """Further attempts after a failure that may pass: no connection, no answer in time, 408, 429, 500, 502,
    503, 504, 520, 529."""
    requests_per_second: Annotated[Number, Field(ge=0.001, le=10_000)] = 20.0
    most_requests: Annotated[int, Field(ge=1, le=100_000_000)] = 10_000
    """Of one audit, every attempt counted."""
    most_spend: Annotated[Number, Field(ge=0)] | None = None
    """In the currency of the price; null: no limit."""
    price_per_1k_tokens: Annotated[Number, Field(ge=0)] = 0.0
    batch_rows: Annotated[int, Field(ge=1, le=4096)] = 64
    """Rows of one request, where the protocol takes several (a chat takes one)."""

    def model_post_init(self, _context: Any) -> None:
        if self.most_spend is not None and not self.price_per_1k_tokens:
            raise ValueError("a limit on spending needs the price of 1,000 tokens")


class EndpointRequest(Frozen):
    """A model behind an address. Holds the name of a key, never the key."""

    url: Annotated[str, StringConstraints(min_length=8, max_length=1_000)]
    """What the protocol's own paths are added to, such as https://models.example.org or .../v1."""
    protocol: EndpointProtocol
    # Compiling a counted repetition of \w takes 18 MB: every letter of Unicode, 200 times.
    model: Annotated[str, StringConstraints(pattern=r"^[\w.:/@+-]+$", max_length=200)]
    """Its name there."""
    signature: ModelSignature
    key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")] | None = None
    """Name of what holds the key: an environment variable (command line), a file of secrets (service)."""
    template: Annotated[str, StringConstraints(max_length=20_000)] = (
        "Classify the text into exactly one of these classes: {classes}. "
        "Answer with the name of the class only.\n\nText: {text}"
    )
    """Prompt of the OpenAI protocols: {text} is the row, {classes} the names of the classes. A language model
    (task generation) is sent each text as it is."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Passed on where the protocol takes one."""
    limits: EndpointLimits = EndpointLimits()

    def model_post_init(self, _context: Any) -> None:
        if any(part in ("", ".", "..") for part in self.model.split("/")):
            raise ValueError("the model's name has an empty part or one of dots only")


class ModelRequest(Frozen):
    """The model to load, as the user named it: files at `path`, or an `endpoint` to ask."""

    path: str = ""
    base: str | None = None
    """For an adapter: the whole model that it changes."""
    endpoint: EndpointRequest | None = None
    signature: str | None = None
    """A signature.json that replaces the model's own or the inferred one."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `cuda:N`."""
    batch_rows: Annotated[int, Field(ge=1)] = 1024
    """Most rows of one call; halved when memory runs out."""
    gate: GateVerdict | None = None
    """What the gate decided before, where `path` is what cleaning wrote; said by who keeps such verdicts."""

    def model_post_init(self, _context: Any) -> None:
        if bool(self.path) == (self.endpoint is not None):
            raise ValueError("a model is either files at a path or an endpoint")


class ColumnSummary(Frozen):
    """What intake learnt about one column of one dataset."""

    name: Text
    kind: Literal["number", "category", "text"]
    rows: int
    missing: int
    distinct: int | None
    """Distinct non-missing values; null when there are more than the counting limit."""
    minimum: Number | None = None
    maximum: Number | None = None
    mean: Number | None = None
    categories: tuple[str, ...] = ()
    """For kind `category`: the values, in code order (code i is categories[i]; -1 is missing)."""
    counts: tuple[int, ...] = ()
    """Rows of each category, same order."""


class Roles(Frozen):
    """Which column plays which part. Names refer to the test dataset."""

    label: str | None = None
    prediction: str | None = None
    """Column of predicted classes (or predicted numbers for regression)."""
    score: str | None = None
    """Column of scores or probabilities of the favourable class."""
    sensitive: tuple[str, ...] = ()
    cluster: str | None = None
    identifier: str | None = None
    text: str | None = None
    """Column of the texts that a text model reads."""
    image: str | None = None
    """Column of places in the array of pictures, for image data."""
    features: tuple[str, ...] = ()
    """All other columns."""

    @property
    def described_by(self) -> tuple[str, ...]:
        """What tells one case from another besides its sensitive attributes: features and text."""
        return self.features if self.text is None else (*self.features, self.text)


class Joined(Frozen):
    """A file whose columns were joined to the rows of a dataset by id. The ids themselves are never kept."""

    name: Text
    """File name without its folder."""
    sha256: Digest
    """Of the file as it came."""
    rows: Annotated[int, Field(ge=0)]
    """Rows of the joined file."""
    columns: tuple[Text, ...]
    """What was taken from it."""
    unmatched: Annotated[int, Field(ge=0)]
    """Rows of the dataset whose id the file does not have: their values are missing, their group unknown."""


class DatasetProfile(Frozen):
    """One dataset as the child read it."""

    role: DatasetRole
    name: Text
    """File name without its folder."""
    sha256: Digest
    """Of the file as it came."""
    rows: int
    columns: tuple[ColumnSummary, ...]
    set_aside: int = 0
    """Rows left out because label or prediction was missing (only with allow_missing)."""
    joined: tuple[Joined, ...] = Field((), exclude_if=lambda found: not found)
    """Files whose columns were joined to these rows by id. Left out of the JSON where there are none."""

    def column(self, name: str) -> ColumnSummary:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


Key = Mapping[str, str]
At = Mapping[str, str | int | float]


class SeriesColumn(Frozen):
    name: Text
    unit: Text
    values: tuple[Number | int | str | None, ...]


class Series(Frozen):
    """A curve or table behind a chart. Holds aggregates only, never single rows; at most 2,000 points."""

    id: Identifier
    slice: Key = Field(default_factory=dict)
    title: Text
    method: Identifier
    columns: tuple[SeriesColumn, ...]
    note: Text | None = None

    def model_post_init(self, _context: Any) -> None:
        lengths = {len(column.values) for column in self.columns}
        if len(lengths) > 1:
            raise ValueError(f"series {self.id}: columns of different lengths {sorted(lengths)}")
        if lengths and max(lengths) > 2_000:
            raise ValueError(f"series {self.id}: more than 2,000 points")


class Lineage(Frozen):
    """Where a model came from; lineage.json beside its weights."""

    remedy: Identifier
    version: Text
    params: Mapping[str, Any]
    seed: int
    parent_sha256: Digest | None = None
    """The model that was changed (or the teacher); null for training from scratch."""
    parent_name: Text | None = None
    datasets: Mapping[str, Digest] = Field(default_factory=dict)
    """Role -> digest of the rows that were looked at. Never the sealed test rows."""
    rows: Mapping[str, int] = Field(default_factory=dict)
    loss_curves: tuple[Series, ...] = ()
    figures: Mapping[str, Number] = Field(default_factory=dict)
    """What it came to, e.g. parameters_before, parameters_after, tuning_loss_after, tuning_accuracy_after."""
    notes: tuple[Text, ...] = ()
    made_with: Mapping[str, str] = Field(default_factory=dict)


class GateVerdict(Frozen):
    """What the gate decided on the files of a model, as they came in; printed in every report on them."""

    trust: Trust
    came_as: Identifier
    """Format of what came in; the model that runs may be of another one, which cleaning wrote."""
    sha256: Digest
    """Of what came in: of the file, or over names and digests of the folder's files."""
    cleaning: tuple[Text, ...] = ()
    """Sentences on what cleaning kept, wrote anew and left out; empty for class A."""
    findings: tuple[Text, ...] = ()
    """What scanners noticed: a tripwire, never a permission."""


class BaseModelFacts(Frozen):
    """The model that an adapter changes."""

    name: Text
    format: Identifier
    sha256: Digest


class EndpointFacts(Frozen):
    """Where a model answers that is asked over HTTP, and what one audit may ask of it."""

    host: Text
    """Name and port, as the user wrote them."""
    protocol: EndpointProtocol
    model: Text
    rows_per_request: Annotated[int, Field(ge=1)]
    most_requests: Annotated[int, Field(ge=1)]


class Canary(Frozen):
    """A few rows that are asked about at the start and at the end, to notice a model that was swapped."""

    rows: Annotated[int, Field(ge=1)]
    first: Digest
    """Of the answers at the start, rounded to a hundredth of their spread or less."""
    last: Digest | None = None
    """Of those at the end; null where the audit ended without asking again."""
    tolerance: Annotated[Number, Field(ge=0)]
    """Between the answers to the same rows, asked twice at the start: the share of labels that differ, or the
    largest difference relative to the spread of the answers."""
    moved: Annotated[Number, Field(ge=0)] = 0.0
    """Likewise, between start (or the first reading of the same version) and later."""
    changed: bool = False
    """Whether answers moved by more than the tolerance allows, or the model called itself otherwise."""
    sentence: Text


class EndpointRecord(Frozen):
    """What was asked of an endpoint and what it took; belongs to one run, never to a plan or profile."""

    host: Text
    protocol: EndpointProtocol
    model: Text
    answered_as: tuple[Text, ...] = ()
    """Names and versions that the endpoint gave itself, in order of appearance."""
    requests: Annotated[int, Field(ge=0)]
    """Every attempt counted."""
    retries: Annotated[int, Field(ge=0)]
    rows: Annotated[int, Field(ge=0)]
    kept_rows: Annotated[int, Field(ge=0)] = 0
    """Rows answered from what the endpoint had said of them when these data were first read."""
    tokens: Annotated[int, Field(ge=0)]
    spend: Annotated[Number, Field(ge=0)]
    unmatched: Annotated[int, Field(ge=0)] = 0
    """Answers that named none of the classes."""
    cut: Annotated[int, Field(ge=0)] = 0
    """Those among them that the endpoint broke off at the most tokens of an answer."""
    first_asked: Text | None = None
    last_asked: Text | None = None
    canary: Canary | None = None


class ModelFacts(Frozen):
    """What the child learnt about a loaded model."""

    name: Text
    format: Identifier
    """Of the files that were loaded (`assay formats`)."""
    sha256: Digest
    """Of the file, or over names and digests of the folder's files."""
    architecture: Text
    parameters: Annotated[int, Field(ge=0)]
    """Weights of a network; leaves of a tree ensemble."""
    trainable_parameters: Annotated[int, Field(ge=0)] = 0
    weight_bytes: Annotated[int, Field(ge=0)]
    dtype: Text
    device: Text
    lineage: Lineage | None = None
    base: BaseModelFacts | None = None
    """For an adapter: the model below it, whose files are no part of `sha256`."""
    gate: GateVerdict | None = None
    """Null for endpoints, and where a model was loaded without passing the gate (a copy inside a method)."""
    endpoint: EndpointFacts | None = None
    """Where the model is asked over HTTP; sizes and weights are not known then."""

    @property
    def identity(self) -> str:
        """What tells this model from every other: its digest or, for an adapter, one over both digests, since
        the same adapter over another base is another model."""
        if self.base is None:
            return self.sha256
        return hashlib.sha256(f"{self.sha256} over {self.base.sha256}".encode()).hexdigest()


class Profile(Frozen):
    """Everything that planning, estimates, forms and pages may know of a subject. Made by the child."""

    modality: Modality
    grade: Grade
    signature: Signature
    capabilities: tuple[Capability, ...]
    roles: Roles
    datasets: tuple[DatasetProfile, ...]
    notes: tuple[Text, ...] = ()
    """Sentences on what intake inferred or changed (trimmed blanks, inferred favourable class)."""
    model: ModelFacts | None = None
    """Null where predictions came as a file."""
    model_signature: ModelSignature | None = None

    def dataset(self, role: DatasetRole) -> DatasetProfile | None:
        return next((d for d in self.datasets if d.role == role), None)

    @property
    def test(self) -> DatasetProfile:
        found = self.dataset("test")
        if found is None:
            raise KeyError("test")
        return found

    @property
    def asked(self) -> DatasetProfile:
        """The rows that methods ask the model about: the dataset `asked` where there is one, else `test`."""
        return self.dataset("asked") or self.test

    @property
    def asked_role(self) -> DatasetRole:
        return "asked" if self.dataset("asked") is not None else "test"


Short = Annotated[str, StringConstraints(max_length=500)]
Shorts = Annotated[tuple[Short, ...], Field(max_length=200)]


class ClaimedResult(Frozen):
    """A figure that a model card reports about its model; nobody here measured it."""

    metric: Short
    value: Short
    dataset: Short = ""
    task: Short = ""


class ModelClaims(Frozen):
    """What a model card (README.md) and an MLmodel file say of the model beside them: words of whoever wrote
    them, shown as such, and believed by nothing in Assay."""

    sources: Shorts
    """The files that say so: README.md, MLmodel."""
    title: Short = ""
    licence: Short = ""
    languages: Shorts = ()
    datasets: Shorts = ()
    metrics: Shorts = ()
    base_models: Shorts = ()
    tags: Shorts = ()
    library: Short = ""
    task: Short = ""
    intended_use: Text = ""
    limitations: Text = ""
    results: Annotated[tuple[ClaimedResult, ...], Field(max_length=200)] = ()
    # of an MLmodel file
    flavours: Shorts = ()
    run_id: Short = ""
    logged_at: Short = ""
    inputs: Shorts = ()
    """Columns of its signature: "age: double"."""
    outputs: Shorts = ()
    metadata: Annotated[Mapping[Short, Short], Field(max_length=200)] = Field(default_factory=dict)


class ModelReport(Frozen):
    """A model that was loaded by itself, before any data was there to ask it about."""

    facts: ModelFacts
    signature: ModelSignature
    capabilities: tuple[Capability, ...]
    notes: tuple[Text, ...] = ()
    claims: ModelClaims | None = None


QUANTILE_SHARES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
"""Of a column's numbers, what share lies at or below each of its quantiles."""


class Quantiles(Frozen):
    """How the finite numbers of a column lie."""

    values: tuple[Number, ...]
    """At QUANTILE_SHARES."""
    error: Number
    """Largest distance of a quantile's share from the one it is given for; 0 = exact."""


class DataReport(Frozen):
    """Data that was read by itself: what its columns hold, without deciding what is predicted."""

    modality: Modality
    roles: Roles
    """As far as they can be told without a model and its predictions."""
    datasets: tuple[DatasetProfile, ...]
    quantiles: Mapping[DatasetRole, Mapping[str, Quantiles]] = Field(default_factory=dict)
    """By dataset and column, of at least 40 numbers; of fewer they would be single rows' values."""
    notes: tuple[Text, ...] = ()


class FileRequest(Frozen):
    """One file to read: a table, an .npz of images, or a folder of images."""

    path: str
    header: tuple[str, ...] | None = None
    """Column names of a file without a header row."""


class DataRequest(Frozen):
    """What the user said about the data; the child turns it into a Profile or a BadInput."""

    test: FileRequest | None = None
    """Null for a remedy: the training file leads, and rows that its roles column calls test stay unread."""
    training: FileRequest | None = None
    tuning: FileRequest | None = None
    asked: FileRequest | None = None
    """Rows that the model itself is asked about, where the predictions of the test rows came as a file."""
    attributes: FileRequest | None = None
    """Table of sensitive attributes that are kept apart, one row an id; joined to every file that has the
    id column (`identifier`, or `cluster` where several rows belong to one person)."""
    attributes_id: str | None = None
    """The id's column in `attributes`, where it is called otherwise there."""
    predictions_file: FileRequest | None = None
    """Log of predictions that holds the columns `predictions` and `scores`; joined to the test rows by id."""
    predictions_id: str | None = None
    predictions_time: str | None = None
    """Column of the log that says when; of an id's predictions the latest counts. Null: one a row."""
    model: ModelRequest | None = None
    label: str | None = None
    predictions: str | None = None
    scores: str | None = None
    sensitive: tuple[str, ...] = ()
    favourable: str | None = None
    threshold: float | None = None
    """Default 0.5 when only scores are given."""
    task: Literal["binary", "multiclass", "regression"] | None = None
    """Inferred from the label when null."""
    roles_column: str | None = None
    """Column whose values (train / tuning / test) split the one file."""
    cluster: str | None = None
    identifier: str | None = None
    text: str | None = None
    bins: Mapping[str, tuple[float, ...]] = Field(default_factory=dict)
    """Cut points that turn a numeric sensitive column into groups: {"age": [25, 60]} -> <25, 25-59, >=60."""
    ignored: tuple[str, ...] = ()
    """Columns that are not read at all."""
    without: tuple[Literal["label", "sensitive"], ...] = ()
    """Roles that no column plays, whatever it is called; a role without a word is inferred by name."""
    kinds: Mapping[str, Literal["number", "category", "text"]] = Field(default_factory=dict)
    """What features are where their values mislead: a code of digits is a category, say."""
    missing: tuple[str, ...] | None = None
    """Tokens that mean missing; null = the default list."""
    allow_missing: bool = False
    """Set rows with a missing label, prediction or score aside (counted) instead of refusing the file."""
    max_groups: int = 100
    """A sensitive attribute with more values is refused."""

    def model_post_init(self, _context: Any) -> None:
        if self.test is None and self.training is None:
            raise ValueError("a request names a test file (audit) or a training file (remedy)")
        joined = self.attributes is not None or self.predictions_file is not None
        if joined and self.identifier is None and self.cluster is None:
            raise ValueError("files are joined by id: a request with them names identifier or cluster")
        if self.predictions_file is not None and self.predictions is None and self.scores is None:
            raise ValueError("a request with a log of predictions names its column of predictions or scores")

    @property
    def leading(self) -> tuple[DatasetRole, FileRequest]:
        """The file that decides about columns, classes and sensitive attributes, and its rows' role."""
        if self.test is not None:
            return "test", self.test
        assert self.training is not None
        return "training", self.training


# --- measures -----------------------------------------------------------------------------------


class MeasureSpec(Frozen):
    """What a method can measure; policies are checked against it."""

    id: Identifier
    title: Text
    unit: Text
    """`share`, `ratio`, `difference`, `count`, `p-value`, `score`, `seconds`, ... ; printed with values."""
    direction: Direction
    judging: Judging
    description: Text
    """What is computed, as one sentence with the formula if short."""
    of: Identifier | None = None
    """For pairs, ranges and bounds: the group measure that they compare."""
    needs: tuple[Capability, ...] = ()
    """What this measure needs beyond what its method does."""


class UnknownGroup(Frozen):
    """Rows whose group is not known, and what they could make of one value wherever they belong.

    `low` and `high` are the sharp (Manski) bounds of the value in these rows, without sampling error; the
    interval of the measure holds the sampling interval of every way of placing the rows, so it is the wider.
    """

    rows: Annotated[int, Field(ge=1)]
    """Rows that may belong to the group, or to one of the groups compared."""
    share: Annotated[Number, Field(ge=0, le=1)]
    """Of all rows."""
    low: Number | None
    high: Number | None
    """Null where the value has no bound on that side."""
    hits: Annotated[int, Field(ge=0)] | None = None
    """Of a rate: those that would count above the line, and below it."""
    misses: Annotated[int, Field(ge=0)] | None = None
    """Of a rate: those that would count below the line alone."""


class Measure(Frozen):
    """One number with what is needed to trust it. Identity: (`id`, `slice`, `over`, `at`)."""

    id: Identifier
    slice: Key = Field(default_factory=dict)
    """The rows measured, attribute -> group, e.g. {"race": "Black", "sex": "Female"}; {} = all rows."""
    over: Text | None = None
    """For a gap or ratio: the attribute compared; an intersection joins names with " × "."""
    at: At = Field(default_factory=dict)
    """The setting, e.g. {"eps": 0.03}, {"class": "cat"}; a pair names its other side: {"against": "Male"}."""
    value: Number | None
    low: Number | None = None
    high: Number | None = None
    level: Annotated[float, Field(gt=0, lt=1)] | None = None
    interval_method: Text | None = None
    """E.g. "wilson", "newcombe score", "multinomial bootstrap 10,000", "exact"."""
    family: Annotated[int, Field(ge=1)] = 1
    """How many intervals share `level` (family-wise); 1 = this one alone."""
    n: Annotated[int, Field(ge=0)]
    numerator: Annotated[int, Field(ge=0)] | None = None
    denominator: Annotated[int, Field(ge=0)] | None = None
    unit: Text
    direction: Direction
    status: Status
    grade: Grade
    volatile: bool = False
    """Timing or energy: excluded from result_digest."""
    note: Text | None = None
    unknown: UnknownGroup | None = Field(None, exclude_if=lambda found: found is None)
    """Where some rows' group is not known. Left out of the JSON where all are."""

    def model_post_init(self, _context: Any) -> None:
        if (self.value is None) == (self.status == "measured"):
            raise ValueError(f"{self.id}: value must be present exactly when status is measured")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"{self.id}: low {self.low} above high {self.high}")


class Finding(Frozen):
    """Something a reviewer must answer. Its id is a hash of rule (or method) and measure key."""

    id: Identifier
    title: Text
    pillar: Pillar
    severity: Severity
    criterion: Text
    """The limit that was broken, with its source."""
    detail: Text
    action: Text | None = None
    rule: Identifier | None = None
    measures: tuple[Digest, ...] = ()
    """Keys (evidence.measure_key) of the measures behind it."""


class NotTested(Frozen):
    """A method or a whole pillar that was not run, and why. Never shown green."""

    pillar: Pillar
    method: Identifier | None = None
    """Null when the whole pillar stayed untested."""
    title: Text
    reason: Text


# --- methods ------------------------------------------------------------------------------------


class Citation(Frozen):
    text: Text
    """Author year, title or rule's paragraph."""
    url: Text | None = None


class MethodSpec(Frozen):
    id: Identifier
    version: Text
    title: Text
    pillar: Pillar
    summary: Text
    needs: tuple[Capability, ...]
    tasks: tuple[Task, ...]
    modalities: tuple[Modality, ...] = ("table", "text", "image")
    measures: tuple[MeasureSpec, ...]
    deterministic: bool
    citations: tuple[Citation, ...] = ()


class Estimate(Frozen):
    """Shown before the start. Evaluations are model calls (0 for supplied predictions)."""

    evaluations: int
    seconds: float
    memory_bytes: int


class ShardSpec(Frozen):
    """A piece of work of one method: rows [first_row, stop_row) of the test dataset, or `arguments`."""

    method: Identifier
    stage: int
    index: int
    first_row: int = 0
    stop_row: int = 0
    arguments: Mapping[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True)
class Partial:
    """What a shard yields. `data` is JSON; `arrays` travel as npz with allow_pickle=False."""

    method: str
    stage: int
    index: int
    data: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, npt.NDArray[Any]] = field(default_factory=dict)


class MethodResult(Frozen):
    measures: tuple[Measure, ...] = ()
    series: tuple[Series, ...] = ()
    notes: tuple[Text, ...] = ()
    """Sentences for the method's chapter of the report (what was binned, left out, assumed)."""


class SubjectProtocol(Protocol):
    """The loaded subject, in the child only."""

    @property
    def profile(self) -> Profile: ...

    def dataset(self, role: DatasetRole) -> Table: ...

    def with_model(self, profile: Profile, model: Model) -> SubjectProtocol:
        """The same data under another profile, with that model to ask."""
        ...

    @property
    def model(self) -> Model:
        """The loaded model. Raises Internal without one (ask the profile's capabilities first)."""
        ...

    def inputs(self, role: DatasetRole, rows: npt.NDArray[np.int64]) -> Inputs:
        """What the model reads of these rows (0-based, any order), in original units.

        Tables: float64 (rows, columns) in the order of the signature's columns; a category is its index
        in the signature's categories, NaN = missing or unknown. Images: float32 (rows, channels, height,
        width) in [0, 1]. Texts: a list of str.
        """
        ...

    def labels(self, role: DatasetRole, rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Class codes int64 (index into signature.classes) or, for a regression, float64."""
        ...


class Context(Protocol):
    """What a running shard may use of the world."""

    @property
    def device(self) -> str: ...

    def rng(self, *key: str | int) -> np.random.Generator:
        """A generator keyed by (seed, method, *key): the same key gives the same stream anywhere."""
        ...

    def progress(self, done: float) -> None:
        """Report the done share of this shard, 0..1."""
        ...

    def cancelled(self) -> bool: ...


class MergeContext(Protocol):
    """What a merge may use: no clock, no files."""

    @property
    def grade(self) -> Grade: ...

    def rng(self, *key: str | int) -> np.random.Generator: ...


@runtime_checkable
class AuditMethod(Protocol):
    spec: MethodSpec
    Params: type[Params]

    def estimate(self, profile: Profile, params: Any) -> Estimate: ...

    def plan(
        self, profile: Profile, params: Any, stage: int, earlier: Sequence[Partial]
    ) -> Sequence[ShardSpec]:
        """Shards of `stage` (0, 1, ...); an empty sequence ends the method. Deterministic and cheap."""
        ...

    def run(self, shard: ShardSpec, subject: SubjectProtocol, params: Any, context: Context) -> Partial: ...

    def merge(
        self, partials: Sequence[Partial], profile: Profile, params: Any, context: MergeContext
    ) -> MethodResult:
        """Pure; partials come sorted by (stage, index)."""
        ...


@runtime_checkable
class WithRowResults(Protocol):
    """A method whose measures are shares of rows and that says of each row how it counted.

    The rows stay in this installation's encrypted annex; two runs on the same rows are then compared row by
    row. Optional: a method without it is compared by the intervals of both runs.
    """

    def row_results(
        self, partials: Sequence[Partial], profile: Profile, params: Any
    ) -> Mapping[str, npt.NDArray[np.int8]]:
        """Measure key (`evidence.measure_key`) -> int8 (profile.asked.rows,): 1, 0, or -1 = not counted.

        The measure is the share of ones among the rows that count. Pure; partials as for `merge`.
        """
        ...


# --- models and remedies ------------------------------------------------------------------------


class FormatSpec(Frozen):
    """A model format: how it is recognised, and what a model in it can do."""

    id: Identifier
    title: Text
    recognised_by: Text
    trust: Trust
    """A: accepted as it comes; B: accepted after cleaning (docs/formats.md)."""
    modalities: tuple[Modality, ...]


@runtime_checkable
class ModelFormat(Protocol):
    spec: FormatSpec

    def recognise(self, path: Path) -> bool:
        """Whether the content at `path` is of this format; reads as little as it can, opens nothing."""
        ...

    def load(self, path: Path, signature: ModelSignature | None, device: str) -> Model:
        """Load, in the child only. `signature` overrides the model's own.

        What a format of class B gets is what its own `clean` wrote.

        Raises BadInput: truncated or foreign weights, a signature that does not fit them.
        """
        ...


@runtime_checkable
class CleanedFormat(ModelFormat, Protocol):
    """A format of class B: nothing of what came in is loaded, only what cleaning wrote anew from it."""

    def clean(self, path: Path, signature: ModelSignature | None, into: Path) -> Sequence[str]:
        """Write a model that needs no trust into the empty folder `into`, in a contained child only.

        The same input gives the same bytes. What is written may be of another format, or of this one.

        Returns:
            sentences on what was kept, written anew and left out.

        Raises BadInput: anything that the format's rules refuse, and why.
        """
        ...


@runtime_checkable
class AdapterFormat(ModelFormat, Protocol):
    """A format of changes to a model of another format: loaded over a base that passed the gate itself."""

    @property
    def over(self) -> tuple[str, ...]:
        """Formats that the base may have."""
        ...

    def load_over(self, path: Path, base: Path, signature: ModelSignature | None, device: str) -> Model:
        """The base at `base`, changed as `path` says, in the child only.

        Raises BadInput: a change that the format's rules refuse, or that does not fit the base.
        """
        ...


class RemedySpec(Frozen):
    id: Identifier
    version: Text
    title: Text
    summary: Text
    needs: tuple[Capability, ...]
    modalities: tuple[Modality, ...]
    uses_sensitive_at: Literal["none", "training", "inference"]
    citations: tuple[Citation, ...] = ()


@dataclass(frozen=True)
class NewArtifact:
    """What a remedy made: a model folder that the gate takes, and where it came from."""

    path: Path
    lineage: Lineage


class RemedyContext(Protocol):
    """What a remedy may use of the world."""

    @property
    def device(self) -> str: ...

    @property
    def seed(self) -> int: ...

    @property
    def work(self) -> Path:
        """A folder that outlives the child: checkpoints, and the new artefact while it is written."""
        ...

    def progress(self, done: float, note: str = "") -> None: ...

    def cancelled(self) -> bool: ...


@runtime_checkable
class Remedy(Protocol):
    spec: RemedySpec
    Params: type[Params]

    def estimate(self, profile: Profile, params: Any) -> Estimate: ...

    def apply(self, subject: SubjectProtocol, params: Any, context: RemedyContext) -> NewArtifact:
        """Make a new model from training and tuning rows; never in place, never from test rows."""
        ...


# --- policy and judgement -----------------------------------------------------------------------


class Limits(Frozen):
    """Closed bounds; at least one side of one kind is set. For `even` measures see policy.py."""

    minimum: float | None = None
    maximum: float | None = None
    target_minimum: float | None = None
    """Stricter than minimum: inside the limit but not wholly inside the target is `warn`."""
    target_maximum: float | None = None


class Rule(Frozen):
    id: Identifier
    title: Text
    measure: Identifier
    over: tuple[Text, ...] | None = None
    """For pairs, which attributes: "*" any single one, "* × *" any intersection, or names. Null: any."""
    slice: Key = Field(default_factory=dict)
    at: At = Field(default_factory=dict)
    limits: Limits
    severity: Severity = "high"
    required: bool = True
    """A required rule whose measure is missing makes the audit's exit code 3."""
    minimum_n: Annotated[int, Field(ge=0)] = 0
    """Groups with a smaller n are shown, not judged."""
    tolerance: Annotated[float, Field(ge=0)] | None = None
    """Non-inferiority margin for `assay gate`, in the measure's unit."""
    source: Text
    """The rule of law, standard or paper that the threshold comes from."""
    why: Text = ""
    action: Text | None = None
    """What a team can do when it fails."""


class Policy(Frozen):
    id: Identifier
    version: Text
    title: Text
    purpose: Text
    sources: tuple[Citation, ...] = ()
    rules: tuple[Rule, ...]


class PairUndecided(Frozen):
    """A pair (or a single measure) that the rows at hand cannot decide."""

    slice: Key
    against: Text | None
    rows_needed: int | None
    """More rows of `group` that would settle it if the rates stay; null: no number of rows would."""
    group: Text | None


class Verdict(Frozen):
    rule: Identifier
    title: Text
    pillar: Pillar
    measure: Identifier
    over: Text | None = None
    slice: Key = Field(default_factory=dict)
    outcome: Outcome
    value: Number | None = None
    low: Number | None = None
    high: Number | None = None
    n: int | None = None
    decisive: Digest | None = None
    """Key of the measure quoted: the worst pair, or the measure itself."""
    subject: Text
    """What is quoted, in words: "Female / Male"; "all rows"."""
    limit: Text
    """In words with its sign: ">= 0.80"."""
    limits: Limits
    unit: Text = ""
    level: float | None = None
    judged: int = 0
    failed: int = 0
    undecided: tuple[PairUndecided, ...] = ()
    shown_only: tuple[Text, ...] = ()
    """Groups below the policy's minimum n."""
    sentence: Text
    severity: Severity
    required: bool
    source: Text


class Comparison(Frozen):
    """One measure in two runs. Signs: `change` = B - A in the measure's unit."""

    id: Identifier
    title: Text
    pillar: Pillar
    slice: Key = Field(default_factory=dict)
    over: Text | None = None
    at: At = Field(default_factory=dict)
    before: Number | None
    after: Number | None
    change: Number | None
    low: Number | None
    high: Number | None
    level: float
    interval_method: Text
    tolerance: Number
    reading: Literal["better", "worse", "unchanged", "insufficient"]
    unit: Text
    note: Text | None = None


class VerdictChange(Frozen):
    """A rule whose verdict differs between two runs."""

    rule: Identifier
    title: Text
    pillar: Pillar
    over: Text | None
    before: Outcome | None
    """Null when the run has no such verdict."""
    after: Outcome | None


class ChangeReport(Frozen):
    """What an audit found against a baseline that was named before it began."""

    baseline_snapshot: Digest
    baseline_title: Text
    baseline_model: ModelFacts | None
    statements: tuple[Text, ...]
    """What differs besides the numbers, and how the rows were compared."""
    decisive: tuple[Comparison, ...]
    """What the gate looked at."""
    moved: tuple[Comparison, ...]
    """Every other measure that became better or worse."""
    counts: Mapping[str, int]
    """Reading -> comparisons that read so, of all measures that both runs have."""
    verdict_changes: tuple[VerdictChange, ...]
    exit_code: Literal[0, 1, 2, 3]
    """The gate's: 0 let through, 1 something was lost, 2 not comparable, 3 undecided."""
    sentence: Text
    """The gate's answer."""
    reasons: tuple[Text, ...]


# --- plan and evidence --------------------------------------------------------------------------


class PlannedMethod(Frozen):
    id: Identifier
    version: Text
    params: Mapping[str, Any]
    estimate: Estimate


class Opening(Frozen):
    """The how-manieth model it is whose results on these test rows become visible.

    Results that were looked at steer the next model, so that only the first look at rows, and one candidate
    named before its results were visible, are evidence about rows that nobody has fitted to.
    """

    rows_sha256: Digest
    """Of the test rows' content, whatever file and order they come in."""
    number: Annotated[int, Field(ge=1)]
    standing: Literal["baseline", "confirmatory", "exploratory"]
    sentence: Text


class AnnexReference(Frozen):
    """The row-level results of an audit, kept encrypted and erasable where the audit ran alone."""

    digest: Digest
    """Keyed (HMAC-SHA-256 under a key of the installation): tells nothing about the rows."""
    rows: Annotated[int, Field(ge=0)]
    holds: tuple[Text, ...]
    """Names of the arrays."""


class AuditPlan(Frozen):
    """Frozen and hashed before any result is visible."""

    methods: tuple[PlannedMethod, ...]
    not_tested: tuple[NotTested, ...]
    policy: Policy | None
    policy_sha256: Digest | None
    tier: Tier
    seed: int
    profile_sha256: Digest
    datasets: Mapping[str, Digest]
    fixed_at: Text
    """UTC, ISO 8601, before the first shard ran."""
    plan_sha256: Digest
    """Of this object without fixed_at, plan_sha256, opening and the methods' estimates."""
    opening: Opening | None = None
    """Null where no model was asked: who made supplied predictions is not known."""


class SandboxReport(Frozen):
    """Which layers were active in the child, as it and the supervisor established them."""

    layers: Mapping[str, bool]
    notes: tuple[Text, ...] = ()


class Manifest(Frozen):
    assay_version: Text
    code_sha256: Digest
    """Over the installed package's own source files."""
    command: tuple[Text, ...]
    """As typed, folders removed."""
    packages: Mapping[str, str]
    python: Text
    platform: Text
    hardware: Mapping[str, str]
    sandbox: SandboxReport
    started_at: Text
    finished_at: Text
    seconds: Mapping[str, float]
    """Wall time a step; volatile."""
    shards: int
    failed_shards: int


class Evidence(Frozen):
    """The one document that feeds every report, export and comparison (schema assay.evidence/1)."""

    schema_id: Literal["assay.evidence/1"] = Field("assay.evidence/1", alias="schema")
    title: Text
    subject: Profile
    plan: AuditPlan
    methods: tuple[MethodSpec, ...]
    measures: tuple[Measure, ...]
    series: tuple[Series, ...]
    notes: Mapping[str, tuple[Text, ...]]
    """Method id -> sentences for its chapter."""
    verdicts: tuple[Verdict, ...]
    findings: tuple[Finding, ...]
    not_tested: tuple[NotTested, ...]
    manifest: Manifest
    change: ChangeReport | None = None
    """Where a baseline was named: what became better or worse since."""
    annex: AnnexReference | None = None
    endpoint: EndpointRecord | None = None
    """Where the model was asked over HTTP: what was asked, and what it took."""
    result_digest: Digest
    snapshot_digest: Digest
    """SHA-256 of the canonical JSON of this document without this field."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True, serialize_by_alias=True
    )
