"""`assay convert` and its options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = ["convert"]


def convert(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A pickle, joblib file, file of torch.save or TorchScript; or your own module:attribute.",
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write; new or empty.")],
    trusted: Annotated[
        bool,
        typer.Option("--trusted", help="Say that you trust the source: opening it runs whatever is in it."),
    ] = False,
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Weights for module:attribute, read without unpickling."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A table whose columns, in order, the model reads (besides --label)."
        ),
    ] = None,
    label: Annotated[str | None, typer.Option(metavar="COL", help="The label in --data.")] = None,
    favourable: Annotated[
        str | None, typer.Option(metavar="CLASS", help="The class that the affected person would want.")
    ] = None,
    shape: Annotated[
        str | None,
        typer.Option(metavar="SIZES", help="What a network reads a row: 12 features, or 3x32x32 pixels."),
    ] = None,
    signature: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A signature.json, instead of what is inferred.")
    ] = None,
    to: Annotated[
        Literal["onnx", "pt2"],
        typer.Option(help="For networks of your own: onnx (class A), or pt2 (class B, keeps gradients)."),
    ] = "onnx",
) -> None:
    """Turn your own pickles and classes into files in which nothing can run.

    Runs in YOUR environment and opens pickles, so whatever is in the source runs: only for what you trust.
    scikit-learn becomes skops; XGBoost and LightGBM their own JSON and text; networks a torch_folder where
    Assay has the architecture, else ONNX or .pt2. Exit code: 0 done, 2 bad input.
    """
    from assay.commands.convert import run_convert

    run_convert(
        source,
        out,
        trusted=trusted,
        checkpoint=checkpoint,
        signature=signature,
        data=data,
        label=label,
        favourable=favourable,
        shape=shape,
        to=to,
    )
