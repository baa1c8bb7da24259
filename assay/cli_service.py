"""The options of `assay login`, `push`, `signature`, `diff` and `wait`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from assay import cli_data, cli_endpoint

__all__ = ["diff", "login", "push", "signature", "wait"]

_MODEL, _DATA = "Model", "Data"


def login(
    server: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="E.g. https://assay.example.org.", show_default=False)
    ],
    token: Annotated[
        str | None,
        typer.Option(
            help="A token from your own page in the portal; asked for, or read from standard input, where it "
            "is not given.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Sign this machine in to a service; --server of other commands then means that one."""
    from assay.commands.remote import login as run_login

    if token is None:
        token = sys.stdin.readline() if not sys.stdin.isatty() else typer.prompt("Token", hide_input=True)
    raise typer.Exit(run_login(server, token))


def push(
    system: Annotated[
        str, typer.Option(metavar="NAME", help="The AI system; made if there is none of that name.")
    ],
    model: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="A model's file or folder.", rich_help_panel=_MODEL),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION",
            help="What --model, an adapter, changes: a version's id, NAME or NAME@VERSION of a model of this "
            "system, or a folder, which is brought first.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    endpoint: cli_endpoint.Endpoint = None,
    endpoint_protocol: cli_endpoint.Protocol = "open_inference_v2",
    endpoint_model: cli_endpoint.Model = None,
    endpoint_key_env: cli_endpoint.KeyEnv = None,
    endpoint_template: cli_endpoint.Template = None,
    endpoint_limit: cli_endpoint.Limit = None,
    model_name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Default: the file's name.", rich_help_panel=_MODEL),
    ] = None,
    version: Annotated[
        str, typer.Option(metavar="TEXT", help="Your own name for this version, such as 3.1.")
    ] = "",
    hub: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="In place of --model: a model of the Hugging Face Hub, organisation/name or "
            "organisation/name@revision, which the service fetches where its operator allows that.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    signature: cli_data.Signature = None,
    predictions: cli_data.Predictions = None,
    scores: cli_data.Scores = None,
    threshold: cli_data.Threshold = None,
    data: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Test rows, sealed.", rich_help_panel=_DATA)
    ] = None,
    train: cli_data.Train = None,
    tuning: cli_data.Tuning = None,
    asked: cli_data.Asked = None,
    data_name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Default: the file's name.", rich_help_panel=_DATA),
    ] = None,
    label: cli_data.Label = None,
    sensitive: cli_data.Sensitive = None,
    favourable: cli_data.Favourable = None,
    task: cli_data.Task = None,
    text: cli_data.Text = None,
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
    disjoint: Annotated[
        bool,
        typer.Option(
            "--disjoint",
            help="You attest that no test row was used to train or choose a model.",
            rich_help_panel=_DATA,
        ),
    ] = False,
    new_version: Annotated[
        bool,
        typer.Option("--new-version", help="Make a new version even where the same one is there already."),
    ] = False,
) -> None:
    """Bring a model (or a column of predictions), data, or both to the service.

    What is there already, the same files with the same words about them, is named and not sent again.
    """
    from assay.commands.remote import PushOptions
    from assay.commands.remote import push as run_push

    options = PushOptions(
        system=system,
        model=model,
        base=base,
        endpoint=cli_endpoint.named_endpoint(
            endpoint,
            model=endpoint_model,
            protocol=endpoint_protocol,
            key_env=endpoint_key_env,
            template=endpoint_template,
            limits=tuple(endpoint_limit or ()),
        ),
        signature=signature,
        model_name=model_name,
        version=version,
        hub=hub,
        predictions=predictions,
        scores=scores,
        threshold=threshold,
        data=data,
        train=train,
        tuning=tuning,
        asked=asked,
        data_name=data_name,
        label=label,
        favourable=favourable,
        task=task,
        text=text,
        roles=roles,
        cluster=cluster,
        identifier=identifier,
        attributes=attributes,
        attributes_id=attributes_id,
        predictions_file=predictions_file,
        predictions_id=predictions_id,
        predictions_time=predictions_time,
        ignore=cli_data.names("ignore", ignore) or (),
        kinds=tuple(kind or ()),
        allow_missing=allow_missing,
        **cli_data.named_columns(sensitive, bins, header, missing),
        disjoint=disjoint,
        new_version=new_version,
    )
    raise typer.Exit(run_push(options))


def wait(
    run: Annotated[str, typer.Argument(metavar="AUDIT", help="Its number or id.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for report.pdf and evidence.json.", show_default=False),
    ] = None,
) -> None:
    """Wait for an audit of the service; exits as `assay audit` would."""
    from assay.commands.remote import wait as run_wait

    raise typer.Exit(run_wait(run, out))


def signature(
    version: Annotated[
        str,
        typer.Argument(metavar="VERSION", help="Id of a model version of the service.", show_default=False),
    ],
    file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The signature.json that is right.", show_default=False),
    ] = None,
    own: Annotated[bool, typer.Option("--own", help="Go back to what the model's files say.")] = False,
) -> None:
    """Show what a model version of the service reads and answers, or correct it."""
    from assay.commands.versions import signature as run_signature

    raise typer.Exit(run_signature(version, file, own=own))


def diff(
    before: Annotated[
        str, typer.Argument(metavar="BEFORE", help="Id of a model version.", show_default=False)
    ],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="Id of another one.", show_default=False)],
) -> None:
    """Say what differs between two model versions of the service."""
    from assay.commands.versions import diff as run_diff

    raise typer.Exit(run_diff(before, after))
