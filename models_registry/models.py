"""AI systems, their models and versions, datasets and versions, subjects, and the files behind them."""

from __future__ import annotations

from django.db import models

from accounts.fields import TextJSONField
from accounts.tenancy import TenantModel

__all__ = [
    "AISystem",
    "Dataset",
    "DatasetFile",
    "DatasetVersion",
    "IntakeState",
    "Model",
    "ModelVersion",
    "SignatureCorrection",
    "Stage",
    "StoredFile",
    "Subject",
    "Upload",
    "VersionFile",
]


class Named(TenantModel):
    """Something that people name, describe and look up."""

    name = models.CharField(max_length=120)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey("accounts.User", models.PROTECT, related_name="+")

    class Meta(TenantModel.Meta):
        abstract = True

    def __str__(self) -> str:
        return self.name


class AISystem(Named):
    """What affects people: a purpose, an owner, hazards; holds models and data."""

    class ActRole(models.TextChoices):
        PROVIDER = "provider", "Provider"
        DEPLOYER = "deployer", "Deployer"
        IMPORTER = "importer", "Importer"
        DISTRIBUTOR = "distributor", "Distributor"
        NONE = "none", "None of these"

    class RiskClass(models.TextChoices):
        UNASSESSED = "unassessed", "Not assessed yet"
        MINIMAL = "minimal", "Minimal"
        LIMITED = "limited", "Limited (transparency duties)"
        HIGH = "high", "High-risk"
        PROHIBITED = "prohibited", "Prohibited practice"

    number = models.PositiveIntegerField()
    """Counts within the organisation: S-12."""
    purpose = models.TextField(blank=True)
    owner = models.ForeignKey("accounts.User", models.PROTECT, related_name="+")
    affected_people = models.TextField(blank=True)
    hazards = models.TextField(blank=True)
    act_role = models.CharField(max_length=12, choices=ActRole.choices, default=ActRole.PROVIDER)
    risk_class = models.CharField(max_length=12, choices=RiskClass.choices, default=RiskClass.UNASSESSED)
    archived_at = models.DateTimeField(null=True)

    class Meta(Named.Meta):
        constraints = (
            models.UniqueConstraint(fields=("organisation", "name"), name="one_system_a_name"),
            models.UniqueConstraint(fields=("organisation", "number"), name="one_system_a_number"),
        )
        ordering = ("organisation", "-number")
        verbose_name = "AI system"


class Model(Named):
    """One model of a system; its versions are what is audited."""

    system = models.ForeignKey(AISystem, models.PROTECT, related_name="models")
    description = models.TextField(blank=True)

    class Meta(Named.Meta):
        constraints = (models.UniqueConstraint(fields=("system", "name"), name="one_model_a_name"),)


class IntakeState(models.TextChoices):
    WAITING = "waiting", "Waiting to be read"
    READING = "reading", "Being read"
    READY = "ready", "Ready"
    REFUSED = "refused", "Refused"
    FAILED = "failed", "Could not be read"


class Stage(models.TextChoices):
    CANDIDATE = "candidate", "Candidate"
    APPROVED = "approved", "Approved"
    DEPLOYED = "deployed", "Deployed"
    RETIRED = "retired", "Retired"


class StoredFile(TenantModel):
    """Content of one organisation, kept once under its digest (models_registry/files.py)."""

    sha256 = models.CharField(max_length=64)
    size = models.PositiveBigIntegerField()
    only_uploaded = models.BooleanField(default=False)
    """Nothing but uploads brought it, so that nothing else rests on its bytes."""
    removed_at = models.DateTimeField(null=True)
    """When its bytes were deleted; the same content uploaded again brings them back."""
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(TenantModel.Meta):
        constraints = (models.UniqueConstraint(fields=("organisation", "sha256"), name="one_file_a_digest"),)


class Upload(TenantModel):
    """A file on its way in, chunk by chunk; becomes a StoredFile when its digest is known."""

    name = models.CharField(max_length=255)
    size = models.PositiveBigIntegerField()
    """As announced; more is refused."""
    received = models.PositiveBigIntegerField(default=0)
    by = models.ForeignKey("accounts.User", models.PROTECT, related_name="+")
    started_at = models.DateTimeField(auto_now_add=True)
    touched_at = models.DateTimeField(auto_now=True)
    file = models.ForeignKey(StoredFile, models.PROTECT, null=True, related_name="+")

    class Meta(TenantModel.Meta):
        indexes = (models.Index(fields=("touched_at",)),)


class ModelVersion(TenantModel):
    """A frozen version of a model: files of a format that Assay reads, columns of predictions, an address."""

    class Source(models.TextChoices):
        ARTEFACT = "artefact", "Model files"
        PREDICTIONS = "predictions", "Predictions in the test data"
        ENDPOINT = "endpoint", "Model behind an address"

    model = models.ForeignKey(Model, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    label = models.CharField(max_length=60, blank=True)
    """The team's own name for it: "3.1"."""
    source = models.CharField(max_length=12, choices=Source.choices, default=Source.ARTEFACT)
    files = models.ManyToManyField(StoredFile, through="VersionFile", related_name="+")
    predictions = models.CharField(max_length=200, blank=True)
    """For `predictions`: the column of predicted classes; scores: of scores."""
    scores = models.CharField(max_length=200, blank=True)
    threshold = models.FloatField(null=True)
    endpoint = TextJSONField(null=True)
    """EndpointRequest, for `endpoint`; holds the name of a key, never the key."""
    swapped = models.TextField(blank=True)
    """How it was noticed that another model answers there than when the version was added."""
    swapped_at = models.DateTimeField(null=True)
    stage = models.CharField(max_length=10, choices=Stage.choices, default=Stage.CANDIDATE)
    state = models.CharField(max_length=8, choices=IntakeState.choices, default=IntakeState.WAITING)
    refusal = models.TextField(blank=True)
    """Why it was refused, and what would be right."""
    sha256 = models.CharField(max_length=64, blank=True)
    """Of the model, as the engine computes it; for predictions, of their description."""
    format = models.CharField(max_length=40, blank=True)
    facts = TextJSONField(null=True)
    """ModelFacts, by the child."""
    signature = TextJSONField(null=True)
    """ModelSignature, by the child."""
    said_signature = TextJSONField(null=True)
    """ModelSignature that people gave: it replaces what the files say whenever the version is read."""
    gate = TextJSONField(null=True)
    """GateVerdict, by the child: class, what it came as, cleaning, findings; also of most refusals."""
    claims = TextJSONField(null=True)
    """ModelClaims: what a model card or an MLmodel file beside it says."""
    hub = TextJSONField(null=True)
    """Of a model that was named on the Hugging Face Hub: repo, revision, and the commit once fetched."""
    sandbox = models.JSONField(null=True)
    """Layers that were active when it was read."""
    remarks = TextJSONField(default=list)
    """Sentences of the child on what it read."""
    job = models.ForeignKey("jobs.Job", models.SET_NULL, null=True, related_name="+")
    """The job that reads it."""
    parent = models.ForeignKey("self", models.PROTECT, null=True, related_name="children")
    base = models.ForeignKey("self", models.PROTECT, null=True, related_name="adapters")
    """The whole model that it changes, where it is an adapter; laid out beside it whenever it is loaded."""
    lineage = TextJSONField(null=True)
    """Lineage, where a remedy made it."""
    notes = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey("accounts.User", models.PROTECT, related_name="+")

    class Meta(TenantModel.Meta):
        constraints = (
            models.UniqueConstraint(fields=("model", "number"), name="one_model_version_a_number"),
        )
        ordering = ("model", "-number")

    def __str__(self) -> str:
        return f"{self.model} {self.label or self.number}"


class VersionFile(models.Model):
    """A stored file under its relative name in a model's folder."""

    class Origin(models.TextChoices):
        UPLOADED = "uploaded", "Uploaded"
        CLEANED = "cleaned", "Written by cleaning"

    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="members")
    file = models.ForeignKey(StoredFile, models.PROTECT, related_name="+")
    path = models.CharField(max_length=255)
    origin = models.CharField(max_length=8, choices=Origin.choices, default=Origin.UPLOADED)
    """Where there are cleaned files, they alone are loaded."""

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("version", "origin", "path"), name="one_file_an_origin_and_path"),
        )


class SignatureCorrection(TenantModel):
    """A change of what people say a version's signature is."""

    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="corrections")
    before = TextJSONField(null=True)
    """ModelSignature that was in force; null where none could be read."""
    after = TextJSONField(null=True)
    """ModelSignature that people gave; null: back to what the files say."""
    at = models.DateTimeField(auto_now_add=True)
    by = models.ForeignKey("accounts.User", models.PROTECT, related_name="+")

    class Meta(TenantModel.Meta):
        ordering = ("version", "-at")


class Dataset(Named):
    """Data of a system; its versions are frozen."""

    system = models.ForeignKey(AISystem, models.PROTECT, related_name="datasets")
    description = models.TextField(blank=True)

    class Meta(Named.Meta):
        constraints = (models.UniqueConstraint(fields=("system", "name"), name="one_dataset_a_name"),)


class DatasetVersion(TenantModel):
    """Frozen files by row role, what their columns mean, and the datasheet."""

    dataset = models.ForeignKey(Dataset, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    label = models.CharField(max_length=60, blank=True)
    description = TextJSONField(default=dict)
    """DataDescription: label, sensitive, favourable, bins, ... (models_registry/description.py)."""
    # the datasheet
    origin = models.TextField(blank=True)
    licence = models.CharField(max_length=200, blank=True)
    consent_basis = models.TextField(blank=True)
    period = models.CharField(max_length=200, blank=True)
    disjoint = models.BooleanField(default=False)
    """Attested: no test row was used to train or choose a model."""
    disjoint_by = models.ForeignKey("accounts.User", models.PROTECT, null=True, related_name="+")
    state = models.CharField(max_length=8, choices=IntakeState.choices, default=IntakeState.WAITING)
    refusal = models.TextField(blank=True)
    profile = TextJSONField(null=True)
    """The engine's DataReport: summaries of its columns, by the child, as far as they go without a model."""
    sandbox = models.JSONField(null=True)
    """Layers that were active when it was read."""
    job = models.ForeignKey("jobs.Job", models.SET_NULL, null=True, related_name="+")
    """The job that reads it."""
    sha256 = models.CharField(max_length=64, blank=True)
    """Over roles, digests of files, and description."""
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey("accounts.User", models.PROTECT, related_name="+")

    class Meta(TenantModel.Meta):
        constraints = (
            models.UniqueConstraint(fields=("dataset", "number"), name="one_dataset_version_a_number"),
        )
        ordering = ("dataset", "-number")

    def __str__(self) -> str:
        return f"{self.dataset} {self.label or self.number}"


class DatasetFile(models.Model):
    """The stored file of one row role."""

    class Role(models.TextChoices):
        TEST = "test", "Test (sealed)"
        TRAINING = "training", "Training"
        TUNING = "tuning", "Tuning"
        ASKED = "asked", "Rows for the model, beside supplied predictions"
        ATTRIBUTES = "attributes", "Sensitive attributes, joined by id"
        PREDICTIONS = "predictions", "Log of predictions, joined by id"

    version = models.ForeignKey(DatasetVersion, models.CASCADE, related_name="files")
    role = models.CharField(max_length=12, choices=Role.choices)
    file = models.ForeignKey(StoredFile, models.PROTECT, related_name="+")
    name = models.CharField(max_length=255)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("version", "role"), name="one_file_a_role"),)


class Subject(TenantModel):
    """A model version on a dataset version, as the child read them together. Plans are made from it."""

    model_version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="subjects")
    dataset_version = models.ForeignKey(DatasetVersion, models.PROTECT, related_name="subjects")
    state = models.CharField(max_length=8, choices=IntakeState.choices, default=IntakeState.WAITING)
    refusal = models.TextField(blank=True)
    profile = TextJSONField(null=True)
    """The engine's Profile."""
    profile_sha256 = models.CharField(max_length=64, blank=True)
    rows_sha256 = models.CharField(max_length=64, blank=True)
    """Of the test rows' content, whatever file they came in: what openings are counted by."""
    rows_per_second = models.FloatField(default=0.0)
    job = models.ForeignKey("jobs.Job", models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(TenantModel.Meta):
        constraints = (
            models.UniqueConstraint(fields=("model_version", "dataset_version"), name="one_subject_a_pair"),
        )

    def __str__(self) -> str:
        return f"{self.model_version} on {self.dataset_version}"
