"""`assay methods`, `formats`, `policies`: what there is."""

from __future__ import annotations

__all__ = ["list_formats", "list_methods", "list_policies"]


def list_methods() -> None:
    """Every method with what it needs and measures."""
    from rich.text import Text

    from assay.planning import needs_in_words
    from assay.registry import METHODS
    from assay.terminal import Terminal

    terminal = Terminal()
    for method in METHODS.all():
        spec = method.spec
        terminal.line(Text.assemble((spec.id, "bold"), f"  {spec.title}, version {spec.version}"))
        terminal.rows(
            [
                ("", spec.summary),
                ("needs", ", ".join(needs_in_words(spec.needs)) or "nothing but the rows"),
                ("tasks", ", ".join(spec.tasks)),
                ("measures", ", ".join(m.id.partition(".")[2] for m in spec.measures)),
            ]
        )
        terminal.line()


def list_formats() -> None:
    """What can be audited, and how it is recognised."""
    from rich.text import Text

    from assay.registry import FORMATS
    from assay.terminal import Terminal

    terminal = Terminal()
    terminal.line("Recognised by content, never by a file's name.")
    terminal.line()
    terminal.line(Text("Data (--data, --train, --tuning)", style="bold"))
    terminal.rows(_DATA)
    terminal.line()
    terminal.line(Text("Models (--model)", style="bold"))
    specs = [found.spec for found in FORMATS.all()]
    terminal.rows(
        [(s.id, f"class {s.trust}", ", ".join(s.modalities), f"{s.title}: {s.recognised_by}") for s in specs]
    )
    terminal.line()
    terminal.line(
        "Class A is taken as it comes: nothing in it can run. Class B is taken apart and cleaned first."
    )
    terminal.line("Anything else is refused with the way out; nothing is ever unpickled (docs/formats.md).")


_DATA = (
    ("CSV, TSV", "UTF-8 text with a header row, or --header; commas, tabs, semicolons or bars"),
    ("JSON Lines", "one flat JSON object a line; keys are collected over the whole file"),
    ("gzip", "the same, compressed"),
    ("Parquet", "numbers, texts, booleans, dates and dictionaries; no nested columns"),
    (".npz", "images (n, height, width[, channels]), labels, and further arrays of n values as columns"),
    ("folder, .zip", "images: one subfolder for each class, with PNG or JPEG files"),
)


def list_policies(name: str | None) -> None:
    """The packs; or the rules of one policy with their sources."""
    from rich.text import Text

    from assay.policy import list_packs, load_policy
    from assay.policy.wording import limit_text
    from assay.terminal import Terminal, plain

    terminal = Terminal()
    if name is None:
        terminal.rows([(p.id, p.version, p.title, f"{len(p.rules)} rules") for p in list_packs()], indent=0)
        terminal.line()
        terminal.line("`assay policies PACK` shows the rules; docs/policies.md says how to write one's own.")
        return
    policy, _ = load_policy(name)
    terminal.line(Text(f"{policy.id} {policy.version}: {plain(policy.title)}", style="bold"))
    terminal.line(plain(policy.purpose, 1_000))
    terminal.line()
    units = _units()
    for rule in policy.rules:
        limit = limit_text(rule.limits, units[rule.measure])
        terminal.line(Text.assemble((plain(rule.title), "bold"), f"  {rule.measure} {limit}"))
        terminal.rows([("source", plain(rule.source, 600)), ("why", plain(rule.why, 600))])


def _units() -> dict[str, str]:
    from assay.registry import METHODS

    return {spec.id: spec.unit for method in METHODS.all() for spec in method.spec.measures}
