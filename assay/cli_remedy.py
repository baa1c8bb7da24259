"""The options of `assay remedy`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from assay import cli_data

__all__ = ["remedy"]

_REMEDY = "Remedy"
_ROWS = "Data"
_MODEL = "Model"
_RUN = "Running"


def remedy(
    name: Annotated[
        str, typer.Argument(metavar="ID", help="Which remedy: see `assay remedies`.", show_default=False)
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="Folder that the new model will be; work goes on in DIR.partial until it is whole.",
            rich_help_panel=_REMEDY,
        ),
    ],
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="A parameter of the remedy, e.g. epochs=20, reweigh=sex,race or sizes.hidden=[64,32]; "
            "may be repeated.",
            rich_help_panel=_REMEDY,
        ),
    ] = None,
    train: cli_data.Train = None,
    tuning: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Rows to choose the best epoch by; without them a tenth of the training rows is set aside.",
            rich_help_panel=_ROWS,
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="With --roles: one file of training, tuning and test rows. Without: the sealed test rows, "
            "which are not opened.",
            rich_help_panel=_ROWS,
        ),
    ] = None,
    roles: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column saying train, tuning or test; test rows are passed over unread.",
            rich_help_panel=_ROWS,
        ),
    ] = None,
    label: cli_data.Label = None,
    sensitive: cli_data.Sensitive = None,
    favourable: cli_data.Favourable = None,
    task: cli_data.Task = None,
    cluster: cli_data.Cluster = None,
    identifier: cli_data.Identifier = None,
    attributes: cli_data.Attributes = None,
    attributes_id: cli_data.AttributesId = None,
    bins: cli_data.Bins = None,
    header: cli_data.Header = None,
    missing: cli_data.Missing = None,
    allow_missing: cli_data.AllowMissing = False,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Model to change, or the teacher; it stays as it is.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    base: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Whole model that --model, an adapter, changes.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    signature: cli_data.Signature = None,
    text: cli_data.Text = None,
    device: cli_data.Device = "auto",
    seed: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, max=2**53 - 1, help="Seed of every random step.", rich_help_panel=_RUN
        ),
    ] = 0,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="An audit of the model to be replaced: names the new model, before it is audited, as the "
            "one candidate for its sealed test rows. evidence.json, its folder, or a snapshot's digits.",
            rich_help_panel=_RUN,
        ),
    ] = None,
    time_limit: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=1.0,
            max=31_536_000.0,
            help="Seconds that it may take (default: a week).",
            rich_help_panel=_RUN,
            show_default=False,
        ),
    ] = 604_800.0,
) -> None:
    """Make a new model: trained from scratch, fine-tuned, distilled or hardened. Test rows are never read.

    Ctrl-C keeps the last whole epoch; the same command goes on from there. Exit code: 0 done, 2 bad input,
    3 training diverged or did not finish, 130 stopped.

    [bold]Example[/bold]: assay remedy training.fine_tune --model model/ --train train.csv --label income
    --sensitive sex --set reweigh=sex --out fairer/
    """
    from assay.commands.remedy import RemedyOptions, run_remedy

    options = RemedyOptions(
        remedy=name,
        out=out,
        train=train,
        tuning=tuning,
        data=data,
        roles=roles,
        model=model,
        base=base,
        signature=signature,
        device=device,
        text=text,
        label=label,
        favourable=favourable,
        task=task,
        cluster=cluster,
        identifier=identifier,
        attributes=attributes,
        attributes_id=attributes_id,
        **cli_data.named_columns(sensitive, bins, header, missing),
        allow_missing=allow_missing,
        settings=tuple(settings or ()),
        seed=seed,
        baseline=baseline,
        time_limit=time_limit,
    )
    raise typer.Exit(run_remedy(options))
