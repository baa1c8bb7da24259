"""What was asked of a model behind an address, what it took, and whether it stayed the same model."""

from __future__ import annotations

from assay.contracts import Evidence
from assay.report import formatting as fmt
from assay.report.document.model import Block, facts, heading

__all__ = ["endpoint_blocks", "endpoint_limits"]

_PROTOCOLS = {
    "open_inference_v2": "Open Inference Protocol v2",
    "openai_chat": "OpenAI-compatible chat completions",
    "openai_completions": "OpenAI-compatible completions",
}


def endpoint_blocks(evidence: Evidence) -> list[Block]:
    """Host, protocol, names, requests, tokens, spending, times, canary; nothing without an endpoint."""
    record = evidence.endpoint
    if record is None:
        return []
    rows = [
        ("Host", record.host),
        ("Protocol", _PROTOCOLS[record.protocol]),
        ("Asked for", record.model),
        ("Answered as", ", ".join(record.answered_as) or "gave itself no name"),
        (
            "Requests",
            f"{fmt.count(record.requests)}, {fmt.plural(record.retries, 'retry', 'retries')} among them, "
            f"about {fmt.plural(record.rows, 'row')}",
        ),
    ]
    if record.kept_rows:
        rows.append(("Not asked again", f"{fmt.plural(record.kept_rows, 'row')} that were answered before"))
    if record.tokens:
        spent = f", {record.spend:,.4f} at the price given" if record.spend else ""
        rows.append(("Tokens", f"{fmt.count(record.tokens)}{spent}"))
    if record.unmatched:
        cut = ""
        if record.cut:
            cut = f", {fmt.count(record.cut)} of them broken off at the most tokens that an answer may have"
        rows.append(("Named no class", f"{fmt.plural(record.unmatched, 'answer')}{cut}"))
    rows.append(("Asked", f"{record.first_asked or 'never'} to {record.last_asked or 'never'} (UTC)"))
    if record.canary is not None:
        rows.append(("Swapped?", record.canary.sentence))
        rows.append(("Canary digests", f"{record.canary.first} / {record.canary.last or 'not asked again'}"))
    return [heading("The endpoint"), facts(rows, mono=("Canary digests",))]


def endpoint_limits(evidence: Evidence) -> list[str]:
    """What an audit over an interface cannot say."""
    record = evidence.endpoint
    if record is None:
        return []
    said = [
        "The model was asked over its interface, from the first to the last time stated. What ran behind it, "
        "and that it still does, was not verified beyond a few repeated questions."
    ]
    if record.canary is not None and record.canary.changed:
        said.insert(0, f"The model behind the address did not stay the same. {record.canary.sentence}")
    return said
