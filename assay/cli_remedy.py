"""The options of `assay remedy`."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated, Literal

import typer

from assay.errors import BadInput

__all__ = ["names", "remedy"]

_REMEDY = "Remedy"
_ROWS = "Rows to learn from"
_MODEL = "Model to change"
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
    train: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Training rows.", rich_help_panel=_ROWS)
    ] = None,
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
    label: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of true outcomes.", rich_help_panel=_ROWS)
    ] = None,
    sensitive: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN,...",
            help="Columns of sensitive attributes: not read by a new network unless asked for, and what rows "
            "can be reweighed over.",
            rich_help_panel=_ROWS,
        ),
    ] = None,
    favourable: Annotated[
        str | None,
        typer.Option(metavar="VALUE", help="The outcome people would want.", rich_help_panel=_ROWS),
    ] = None,
    task: Annotated[
        Literal["binary", "multiclass", "regression"] | None,
        typer.Option(help="Read off the label when not given.", rich_help_panel=_ROWS),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Column of units; no feature.", rich_help_panel=_ROWS),
    ] = None,
    identifier: Annotated[
        str | None,
        typer.Option("--id", metavar="COLUMN", help="Column of row ids; no feature.", rich_help_panel=_ROWS),
    ] = None,
    attributes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Table of sensitive attributes that are kept apart, joined by --id (or --cluster).",
            rich_help_panel=_ROWS,
        ),
    ] = None,
    attributes_id: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="The id's column in --attributes.", rich_help_panel=_ROWS),
    ] = None,
    bins: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=CUTS",
            help="Cut a sensitive number into groups: age=25,60.",
            rich_help_panel=_ROWS,
        ),
    ] = None,
    header: Annotated[
        str | None,
        typer.Option(metavar="NAME,...", help="Column names of headerless files.", rich_help_panel=_ROWS),
    ] = None,
    missing: Annotated[
        str | None,
        typer.Option(
            metavar="TOKEN,...", help="Tokens that mean missing, joined by commas.", rich_help_panel=_ROWS
        ),
    ] = None,
    allow_missing: Annotated[
        bool,
        typer.Option(
            "--allow-missing",
            help="Set training rows without label aside instead of refusing the file.",
            rich_help_panel=_ROWS,
        ),
    ] = False,
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
    signature: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A signature.json that replaces the model's own.", rich_help_panel=_MODEL
        ),
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Column that a text model reads.", rich_help_panel=_MODEL),
    ] = None,
    device: Annotated[
        str, typer.Option(metavar="NAME", help="auto, cpu, cuda or cuda:N.", rich_help_panel=_RUN)
    ] = "auto",
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
        sensitive=names("sensitive", sensitive) or (),
        favourable=favourable,
        task=task,
        cluster=cluster,
        identifier=identifier,
        attributes=attributes,
        attributes_id=attributes_id,
        bins=tuple(bins or ()),
        header=names("header", None if header is None else [header]),
        missing=tuple(missing.split(",")) if missing is not None else None,
        allow_missing=allow_missing,
        settings=tuple(settings or ()),
        seed=seed,
        baseline=baseline,
        time_limit=time_limit,
    )
    raise typer.Exit(run_remedy(options))


def names(option: str, texts: list[str] | None) -> tuple[str, ...] | None:
    """Names joined by commas, in one or more uses of an option; double quotes hold a comma together."""
    if texts is None:
        return None
    try:
        cells = [cell for text in texts for row in csv.reader([text], skipinitialspace=True) for cell in row]
    except csv.Error:
        cells = []
    names = tuple(name for name in map(str.strip, cells) if name)
    if not names:
        raise BadInput(
            f"--{option} names nothing; write one or more names joined by commas, or leave it out. "
            "Nothing was written."
        )
    return names
