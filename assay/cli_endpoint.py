"""Options of commands that name a model behind an address, declared once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from assay.commands.endpoint import EndpointOptions

__all__ = ["AllowPrivate", "Endpoint", "KeyEnv", "Limit", "Model", "Protocol", "Template", "named_endpoint"]

_PANEL = "Model behind an address"
_ALONE = {
    "--endpoint-model": "model",
    "--endpoint-key-env": "key_env",
    "--endpoint-template": "template",
    "--endpoint-limit": "limits",
    "--allow-private": "private",
}

Endpoint = Annotated[
    str | None,
    typer.Option(
        "--endpoint",
        metavar="URL",
        help="Ask the model at this address; needs --endpoint-model and --signature.",
        rich_help_panel=_PANEL,
    ),
]
Protocol = Annotated[
    Literal["open_inference_v2", "openai_chat", "openai_completions"],
    typer.Option("--endpoint-protocol", help="How it is asked.", rich_help_panel=_PANEL),
]
Model = Annotated[
    str | None,
    typer.Option("--endpoint-model", metavar="NAME", help="The model's name there.", rich_help_panel=_PANEL),
]
KeyEnv = Annotated[
    str | None,
    typer.Option(
        "--endpoint-key-env",
        metavar="VARIABLE",
        help="Environment variable that holds the key. (In a service: the name of its file of secrets.)",
        rich_help_panel=_PANEL,
    ),
]
Template = Annotated[
    Path | None,
    typer.Option(
        "--endpoint-template",
        metavar="FILE",
        help="Prompt with {text} and {classes}, for classifying over the OpenAI protocols.",
        rich_help_panel=_PANEL,
    ),
]
Limit = Annotated[
    list[str] | None,
    typer.Option(
        "--endpoint-limit",
        metavar="NAME=NUMBER",
        help="most_requests (10,000), most_spend, price_per_1k_tokens, requests_per_second (20), timeout "
        "(30 s), retries (3), batch_rows (64); may be repeated.",
        rich_help_panel=_PANEL,
    ),
]
AllowPrivate = Annotated[
    bool,
    typer.Option(
        "--allow-private",
        help="The address may be this machine's or a private one, without TLS.",
        rich_help_panel=_PANEL,
    ),
]


def named_endpoint(url: str | None, **more: Any) -> EndpointOptions | None:
    """The options of an endpoint; None without one. Raises BadInput for options that stand alone."""
    from assay.commands.endpoint import EndpointOptions
    from assay.errors import BadInput

    if url is not None:
        return EndpointOptions(url, **more)
    for option, name in _ALONE.items():
        if more.get(name):
            raise BadInput(f"{option} belongs to --endpoint, which is not given.")
    return None
