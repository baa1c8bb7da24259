"""`assay audit`: from options to sealed files and an exit code."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from assay.commands.data_options import DataOptions, file_request
from assay.commands.endpoint import EndpointOptions
from assay.commands.kept import find_evidence, kept_evidence
from assay.commands.records import HomeRecords, annex_store
from assay.contracts import DataRequest, Evidence, ModelRequest, Policy
from assay.errors import AssayError, BadInput, Cancelled

if TYPE_CHECKING:
    from assay.engine import AuditRequest, Listener
    from assay.report.authority import Authority
    from assay.report.document.model import Document
    from assay.runner.supervisor import Supervisor

__all__ = [
    "AuditOptions",
    "model_request",
    "run_audit",
    "sealed_files",
]


@dataclass(frozen=True, kw_only=True)
class AuditOptions(DataOptions):
    """The options of `assay audit`, as typed."""

    data: Path
    out: Path
    model: Path | None = None
    base: Path | None = None
    """The whole model that `model`, an adapter, changes."""
    endpoint: EndpointOptions | None = None
    signature: Path | None = None
    device: str = "auto"
    policy: str | None = None
    methods: tuple[str, ...] | None = None
    tier: Literal["quick", "standard", "deep"] | None = None
    """None: the baseline's, else `standard`; likewise seed (0), policy and methods."""
    seed: int | None = None
    baseline: str | None = None
    """The run to compare with: its file, folder, or first digits of its snapshot."""
    keep_rows: bool = True
    title: str | None = None
    time_limit: float = 3600.0
    plan_only: bool = False
    command: tuple[str, ...] = ()

    def data_request(self) -> DataRequest:
        """The part of the options that describes the data."""
        modelled = self.model is not None or self.endpoint is not None
        if self.predictions is None and self.scores is None and not modelled:
            raise BadInput(
                "An audit needs a model or predictions: name the model with --model (or --endpoint), or the "
                "column of predictions with --predictions (--scores for scores)."
            )
        if self.model is not None and self.endpoint is not None:
            raise BadInput("--model and --endpoint name two models; give the one to audit.")
        of_model = (self.signature, self.asked, self.text)
        if not modelled and (any(of_model) or self.base or self.device != "auto"):
            raise BadInput(
                "--base, --signature, --asked, --text and --device belong to --model, which is not given."
            )
        if self.base is not None and self.endpoint is not None:
            raise BadInput("--base names the model below an adapter, and belongs to --model.")
        if self.asked is not None and self.predictions is None and self.scores is None:
            raise BadInput("--asked names rows for the model beside supplied predictions; give --scores too.")
        self.check_joins()
        return DataRequest(
            test=file_request(self.data, self.header),
            training=file_request(self.train, self.header) if self.train else None,
            tuning=file_request(self.tuning, self.header) if self.tuning else None,
            asked=file_request(self.asked, self.header) if self.asked else None,
            model=self._model_request(),
            predictions=self.predictions,
            scores=self.scores,
            threshold=self.threshold,
            attributes=file_request(self.attributes, None) if self.attributes else None,
            predictions_file=file_request(self.predictions_file, None) if self.predictions_file else None,
            **self.columns(),
        )

    def check_joins(self) -> None:
        """As of data; and a log of predictions is audited by its columns."""
        super().check_joins()
        if self.predictions_file is not None and self.predictions is None and self.scores is None:
            raise BadInput(
                "--predictions-file holds a column of predictions or scores: name it with --predictions or "
                "--scores."
            )

    def _model_request(self) -> ModelRequest | None:
        if self.endpoint is not None:
            return ModelRequest(endpoint=self.endpoint.request(self.signature, self.seed or 0))
        return model_request(self.model, self.base, self.signature, self.device)

    def supervisor(self, data: DataRequest) -> Supervisor:
        """A supervisor of a child for `data`."""
        from assay.runner.supervisor import Supervisor

        asker = None
        if self.endpoint is not None and data.model is not None and data.model.endpoint is not None:
            asker = self.endpoint.asker(data.model.endpoint)
        return Supervisor(data, time_limit=self.time_limit, asker=asker)


def model_request(
    model: Path | None, base: Path | None, signature: Path | None, device: str
) -> ModelRequest | None:
    """The model as named on the command line, if one is. Raises BadInput for what does not exist."""
    if model is None:
        return None
    for path in (model, base):
        if path is not None and not path.exists():
            raise BadInput(f"{path} does not exist; give a model's folder or file.")
    return ModelRequest(
        path=str(model.resolve()),
        base=str(base.resolve()) if base else None,
        signature=str(signature.resolve()) if signature else None,
        device=device,
    )


def run_audit(options: AuditOptions, listener: Listener | None = None) -> int:
    """Audit, seal, write, print; returns the exit code.

    Raises:
        AssayError: with "Nothing was written." when the run ends before its files are complete.
    """
    try:
        if options.plan_only:
            return _show_plan(options, listener)
        evidence, code, lost = _audit(options, listener)
    except KeyboardInterrupt:
        raise Cancelled("Stopped. Nothing was written.") from None
    except AssayError as error:
        error.message = f"{error.message} Nothing was written."
        raise
    from assay.commands.changes import print_report
    from assay.evidence import snapshot
    from assay.terminal import Terminal

    kept_evidence().put(snapshot(evidence))
    HomeRecords().measured(evidence)
    change = evidence.change
    Terminal().audit(
        evidence,
        options.out,
        code,
        None if change is None else lambda terminal: print_report(terminal, change),
        lost,
    )
    return code


def _audit(options: AuditOptions, listener: Listener | None) -> tuple[Evidence, int, int]:
    """Evidence, exit code, and how many characters of the PDF no font shows."""
    from assay.engine import audit
    from assay.output import check_writable, write_all
    from assay.policy import exit_code
    from assay.progress import progress_bar
    from assay.report.authority import open_authority
    from assay.report.document import build_document, without_glyph
    from assay.report.glyphs import chart_families, families

    data, request = options.data_request(), _request(options)
    records = HomeRecords(request.baseline, options.keep_rows)
    check_writable(options.out)
    # Opened before hours of work depend on it.
    authority = open_authority(now=datetime.now(UTC))
    with progress_bar(listener) as watching, options.supervisor(data) as supervisor:
        evidence = audit(request, supervisor, watching, records)
        watching.progress("writing the report", 1.0)
        document = build_document(evidence)
        write_all(options.out, sealed_files(evidence, document, authority))
    lost = len(without_glyph(document, families(), chart_families()))
    return evidence, exit_code(evidence.verdicts, evidence.manifest.failed_shards), lost


def _show_plan(options: AuditOptions, listener: Listener | None) -> int:
    from assay.engine import plan
    from assay.progress import progress_bar
    from assay.terminal import Terminal

    data, request = options.data_request(), _request(options)
    with progress_bar(listener) as watching, options.supervisor(data) as supervisor:
        made, profile = plan(request, supervisor, watching)
    Terminal().plan(made, profile)
    return 0


def _request(options: AuditOptions) -> AuditRequest:
    from assay.engine import AuditRequest
    from assay.manifest import command_without_folders

    baseline = find_evidence(options.baseline) if options.baseline is not None else None
    policy, sha256 = _policy(options.policy)
    _check_names(options.methods)
    title = options.title or options.data.name
    command = ("assay", *command_without_folders(options.command))
    if baseline is None:
        return AuditRequest(
            title=title,
            command=command,
            policy=policy,
            policy_sha256=sha256,
            chosen=options.methods,
            tier=options.tier or "standard",
            seed=options.seed or 0,
        )
    plan = baseline.plan
    if policy is not None and sha256 != plan.policy_sha256:
        theirs = f"{plan.policy.id} {plan.policy.version}" if plan.policy else "none"
        raise BadInput(
            f"--policy {options.policy} is not the baseline's policy ({theirs}), so the runs could not be "
            "compared. Leave --policy out to take the baseline's, or audit the baseline again with it."
        )
    return AuditRequest(
        title=title,
        command=command,
        policy=plan.policy,
        policy_sha256=plan.policy_sha256,
        chosen=options.methods or tuple(method.id for method in plan.methods),
        # another tier brings parameters of its own
        params={} if options.tier not in (None, plan.tier) else {m.id: m.params for m in plan.methods},
        tier=options.tier or plan.tier,
        seed=plan.seed if options.seed is None else options.seed,
        baseline=baseline,
        baseline_rows=annex_store().get(baseline.annex),
    )


def sealed_files(evidence: Evidence, document: Document, authority: Authority) -> dict[str, bytes]:
    """report.pdf (sealed by `authority`), report.html and evidence.json of one snapshot."""
    from assay.evidence import dump
    from assay.report.html import build_html
    from assay.report.pdf import build_pdf
    from assay.report.seal import seal

    content = dump(evidence)
    pdf = build_pdf(evidence, document=document, attached=content)
    return {
        "report.pdf": seal(pdf, authority, when=datetime.now(UTC)),
        "report.html": build_html(evidence, document=document).encode(),
        "evidence.json": content,
    }


def _policy(name: str | None) -> tuple[Policy | None, str | None]:
    from hashlib import sha256

    from assay.policy import load_policy

    if name is None:
        return None, None
    policy, content = load_policy(name)
    return policy, sha256(content).hexdigest()


def _check_names(methods: tuple[str, ...] | None) -> None:
    from assay.registry import METHODS

    for name in methods or ():
        METHODS.get(name)
