"""The `assay` command. Commands parse, call, print and choose the exit code; they compute nothing.

Heavy libraries are imported inside the commands, so that `assay --help` stays quick. Longer than other
files, since every option of a command is declared here with its help; they are lists to read, not code.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from assay import __version__, cli_data, cli_endpoint
from assay.cli_convert import convert
from assay.cli_data import names
from assay.cli_remedy import remedy
from assay.cli_service import diff, login, push, signature, wait
from assay.errors import AssayError

__all__ = ["app", "main"]

app = typer.Typer(
    name="assay",
    help="Measure a model, judge it against a policy, repair it, and seal the evidence in a report.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)

_DATA = "Data"
_MODEL = "Model"
_JUDGE = "Judging"
_RUN = "Running"
_SERVICE = "On a service"
_RUN_NAMES = "evidence.json, its folder, or the first digits of a snapshot"


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"assay {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command(rich_help_panel="Audit")
def audit(
    data: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="Table to audit (CSV, TSV, JSON Lines, gzip too, or Parquet), or images (.npz, or a folder "
            "or zip with a subfolder for each class).",
            rich_help_panel=_DATA,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR", help="Folder for report.pdf, report.html and evidence.json.", rich_help_panel=_RUN
        ),
    ],
    label: cli_data.Label = None,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Model to ask: see `assay formats`. Every pillar is measured then.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    base: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Whole model that --model, an adapter, changes; with --server also a version's id or "
            "NAME\\[@VERSION].",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    signature: cli_data.Signature = None,
    endpoint: cli_endpoint.Endpoint = None,
    endpoint_protocol: cli_endpoint.Protocol = "open_inference_v2",
    endpoint_model: cli_endpoint.Model = None,
    endpoint_key_env: cli_endpoint.KeyEnv = None,
    endpoint_template: cli_endpoint.Template = None,
    endpoint_limit: cli_endpoint.Limit = None,
    allow_private: cli_endpoint.AllowPrivate = False,
    device: cli_data.Device = "auto",
    text: cli_data.Text = None,
    asked: cli_data.Asked = None,
    predictions: cli_data.Predictions = None,
    scores: cli_data.Scores = None,
    sensitive: cli_data.Sensitive = None,
    favourable: cli_data.Favourable = None,
    threshold: cli_data.Threshold = None,
    task: cli_data.Task = None,
    train: cli_data.Train = None,
    tuning: cli_data.Tuning = None,
    roles: cli_data.Roles = None,
    cluster: cli_data.Cluster = None,
    identifier: cli_data.Identifier = None,
    attributes: cli_data.Attributes = None,
    attributes_id: cli_data.AttributesId = None,
    predictions_file: cli_data.PredictionsFile = None,
    predictions_id: cli_data.PredictionsId = None,
    predictions_time: cli_data.PredictionsTime = None,
    bins: cli_data.Bins = None,
    ignore: cli_data.Ignore = None,
    kind: cli_data.Kinds = None,
    header: cli_data.Header = None,
    missing: cli_data.Missing = None,
    allow_missing: cli_data.AllowMissing = False,
    policy: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|PACK", help="Policy file, or a pack: see `assay policies`.", rich_help_panel=_JUDGE
        ),
    ] = None,
    methods: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID,...",
            help="Only these methods, joined by commas: see `assay methods`; may be repeated.",
            rich_help_panel=_RUN,
        ),
    ] = None,
    tier: Annotated[
        Literal["quick", "standard", "deep"] | None,
        typer.Option(
            help="How many resamples intervals rest on (default: the baseline's, else standard).",
            rich_help_panel=_RUN,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            max=2**53 - 1,
            help="Seed of every random step (default: the baseline's, else 0).",
            rich_help_panel=_RUN,
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help=f"Compare with this earlier run and name this model its candidate; takes over its policy, "
            f"methods, tier and seed. {_RUN_NAMES}.",
            rich_help_panel=_JUDGE,
        ),
    ] = None,
    keep_rows: Annotated[
        bool,
        typer.Option(
            help="Keep row-level results in this installation's encrypted annex, for paired comparisons.",
            rich_help_panel=_RUN,
        ),
    ] = True,
    plan: Annotated[
        bool,
        typer.Option(
            "--plan",
            help="Show what would be measured and about how long it takes, then stop; writes nothing.",
            rich_help_panel=_RUN,
        ),
    ] = False,
    title: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="Title of the report (default: the file's name).", rich_help_panel=_RUN
        ),
    ] = None,
    time_limit: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=1.0,
            max=31_536_000.0,
            help="Seconds that one step may take, a year at most.",
            rich_help_panel=_RUN,
        ),
    ] = 3600.0,
    server: Annotated[
        bool,
        typer.Option(
            "--server",
            help="Let the service that `assay login` named do it: sends model and data, waits, fetches.",
            rich_help_panel=_SERVICE,
        ),
    ] = False,
    system: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="With --server: the AI system there, made if need be (default: the title or file's name).",
            rich_help_panel=_SERVICE,
        ),
    ] = None,
    stay: Annotated[
        bool,
        typer.Option("--wait/--no-wait", help="With --server: wait until it ends.", rich_help_panel=_SERVICE),
    ] = True,
) -> None:
    """Audit a model, or a table of predictions, and write a sealed report.

    Exit code: 0 no rule failed, 1 a rule failed, 2 bad input, 3 undecided or incomplete.

    [bold]Example[/bold]: assay audit --data adult.csv --label income --predictions predicted
    --favourable '>50K' --sensitive sex,race --policy hiring --out out/
    """
    from assay.commands.audit import AuditOptions, run_audit

    options = AuditOptions(
        data=data,
        out=out,
        label=label,
        model=model,
        base=base,
        endpoint=cli_endpoint.named_endpoint(
            endpoint,
            model=endpoint_model,
            protocol=endpoint_protocol,
            key_env=endpoint_key_env,
            template=endpoint_template,
            limits=tuple(endpoint_limit or ()),
            private=allow_private,
        ),
        signature=signature,
        device=device,
        text=text,
        asked=asked,
        predictions=predictions,
        scores=scores,
        favourable=favourable,
        threshold=threshold,
        task=task,
        train=train,
        tuning=tuning,
        roles=roles,
        cluster=cluster,
        identifier=identifier,
        attributes=attributes,
        attributes_id=attributes_id,
        predictions_file=predictions_file,
        predictions_id=predictions_id,
        predictions_time=predictions_time,
        ignore=names("ignore", ignore) or (),
        kinds=tuple(kind or ()),
        **cli_data.named_columns(sensitive, bins, header, missing),
        allow_missing=allow_missing,
        policy=policy,
        methods=names("methods", methods),
        tier=tier,
        seed=seed,
        title=title,
        time_limit=time_limit,
        plan_only=plan,
        baseline=baseline,
        keep_rows=keep_rows,
        command=tuple(sys.argv[1:]),
    )
    if server:
        from assay.commands.remote import audit_on_server

        raise typer.Exit(audit_on_server(options, system, stay=stay))
    raise typer.Exit(run_audit(options))


@app.command(rich_help_panel="Audit")
def compare(
    before: Annotated[str, typer.Argument(metavar="A", help=f"The first run: {_RUN_NAMES}.")],
    after: Annotated[str, typer.Argument(metavar="B", help="The second run, likewise.")],
) -> None:
    """Say what became better, worse or stayed between two runs, with intervals."""
    from assay.commands.compare import run_compare

    raise typer.Exit(run_compare(before, after))


@app.command(rich_help_panel="Audit")
def gate(
    candidate: Annotated[str, typer.Argument(metavar="B", help=f"The run to be let through: {_RUN_NAMES}.")],
    baseline: Annotated[
        str, typer.Option(metavar="A", help="The run that it must not fall behind, likewise.")
    ],
    server: Annotated[
        bool, typer.Option("--server", help="Both are audits of the service, by number or id.")
    ] = False,
) -> None:
    """Let a run through only if nothing became worse than in the baseline.

    Exit code: 0 let through, 1 something became worse, 2 bad input, 3 undecided or something missing.
    """
    if server:
        from assay.commands.remote import gate_on_server

        raise typer.Exit(gate_on_server(baseline, candidate))
    from assay.commands.compare import run_gate

    raise typer.Exit(run_gate(baseline, candidate))


app.command(rich_help_panel="Audit")(remedy)
app.command(rich_help_panel="Audit")(convert)
app.command(rich_help_panel="Service")(login)
app.command(rich_help_panel="Service")(push)
app.command(rich_help_panel="Service")(signature)
app.command(rich_help_panel="Service")(diff)
app.command(rich_help_panel="Service")(wait)


@app.command("erase-rows", rich_help_panel="Audit")
def erase_rows(
    run: Annotated[str, typer.Argument(metavar="RUN", help=f"The run: {_RUN_NAMES}.")],
) -> None:
    """Erase the row-level results kept of a run; its evidence stays, paired comparisons with it end."""
    from assay.commands.compare import run_erase

    raise typer.Exit(run_erase(run))


@app.command(rich_help_panel="Reports")
def verify(
    report: Annotated[Path, typer.Argument(help="A report.pdf.")],
    trust: Annotated[
        list[Path] | None,
        typer.Option(help="Certificate of another installation that you trust; may be repeated."),
    ] = None,
) -> None:
    """Check offline that a report is whole and who sealed it.

    Exit code: 0 intact and trusted, 1 altered, 2 not a report, 3 intact but signer not trusted.
    """
    from assay.commands.verify import run_verify

    raise typer.Exit(run_verify(report, tuple(trust or ())))


@app.command(rich_help_panel="Reports")
def authority(
    export: Annotated[
        Path | None, typer.Option(help="Write the root certificate here, for others to --trust.")
    ] = None,
) -> None:
    """Show the local authority that seals this installation's reports."""
    from assay.commands.verify import run_authority

    raise typer.Exit(run_authority(export))


@app.command(rich_help_panel="Lists")
def methods() -> None:
    """List the audit methods, what each needs and measures."""
    from assay.commands.lists import list_methods

    list_methods()


@app.command(rich_help_panel="Lists")
def remedies() -> None:
    """List the remedies, what each needs and takes."""
    from assay.commands.remedy import list_remedies

    list_remedies()


@app.command(rich_help_panel="Lists")
def formats() -> None:
    """List the formats of data and models that can be audited."""
    from assay.commands.lists import list_formats

    list_formats()


@app.command(rich_help_panel="Lists")
def policies(
    name: Annotated[str | None, typer.Argument(help="Show the rules of this pack or file.")] = None,
) -> None:
    """List the policy packs, or the rules of one with their sources."""
    from assay.commands.lists import list_policies

    list_policies(name)


def main() -> NoReturn:
    """Entry point: one clear sentence instead of a traceback, and the documented exit codes."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        app()
    except AssayError as error:
        _fail(error.message, error.exit_code)
    except KeyboardInterrupt:
        _fail("Stopped. Nothing was written.", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if os.environ.get("ASSAY_DEBUG"):
            raise
        name = type(error).__name__
        _fail(
            f"Assay itself failed ({name}: {error}). Nothing was written. "
            "Set ASSAY_DEBUG=1 to see where, and please report it.",
            3,
        )
    sys.exit(0)


def _fail(message: str, code: int) -> NoReturn:
    print(message, file=sys.stderr)
    print(f"exit {code}", file=sys.stderr)
    sys.exit(code)
