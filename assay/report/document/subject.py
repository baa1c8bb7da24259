"""What was audited: the data, the parts its columns play, and what intake inferred."""

from __future__ import annotations

from typing import Any

from assay.contracts import DatasetProfile, GateVerdict, Profile
from assay.intake.column_names import PICTURE
from assay.report import formatting as fmt
from assay.report.document.book import Book, column, number_column
from assay.report.document.endpoint import endpoint_blocks
from assay.report.document.model import Block, Section, bullets, facts, heading, section, text

__all__ = ["subject_section"]

_GRADES = {
    "supplied": "supplied: predictions came as a file; that the model made them was not verified",
    "endpoint": "endpoint: the model was asked over its interface",
    "executed": "executed: the model itself ran here, on every row of the data",
}


_TRUST = {
    "A": "nothing in these files can run",
    "B": "cleaned in the sandbox; only what cleaning wrote was loaded",
    "C": "code, which an operator of this installation allowed",
}


def subject_section(book: Book) -> Section:
    profile = book.evidence.subject
    roles, signature = profile.roles, profile.signature
    inferred = " (inferred)" if signature.favourable_inferred else ""
    rows = [
        ("Grade", _GRADES[profile.grade]),
        ("Task", signature.task),
        ("Output", signature.output),
        ("Label", roles.label or "none"),
        ("Prediction", roles.prediction or "none: decided from the score"),
        ("Score", roles.score or "none"),
        ("Sensitive", ", ".join(roles.sensitive) or "none"),
        (
            "Features",
            f"{fmt.plural(len(roles.features), 'further column')}: {', '.join(roles.features) or 'none'}",
        ),
    ]
    if signature.classes:
        rows.insert(3, ("Classes", ", ".join(signature.classes)))
    if signature.favourable is not None:
        rows.insert(4, ("Favourable", signature.favourable + inferred))
    if signature.threshold is not None:
        rows.append(("Threshold", fmt.value(signature.threshold)))
    for term, name in (("Cluster", roles.cluster), ("Identifier", roles.identifier), ("Text", roles.text)):
        if name:
            rows.append((term, name))
    blocks: list[Block] = [facts(rows), *_model(profile), *endpoint_blocks(book.evidence)]
    if profile.notes:
        blocks += [heading("What intake inferred or changed"), bullets(profile.notes)]
    blocks.append(heading("Files"))
    blocks.append(
        book.table(
            "Files read",
            [
                column("Role", 0.5),
                column("File"),
                number_column("Rows"),
                number_column("Set aside"),
                column("SHA-256"),
            ],
            [
                [d.role, d.name, fmt.count(d.rows), fmt.count(d.set_aside), fmt.short(d.sha256, 16)]
                for d in profile.datasets
            ],
            "Whole digests stand in the manifest.",
        )
    )
    blocks += _joined(book, profile)
    blocks += _columns(book, profile)
    groups = [_groups(book, profile.test, name) for name in roles.sensitive]
    if groups:
        blocks += [heading("Groups"), *groups]
    else:
        blocks.append(text("No sensitive attribute was named, so nothing was measured by group."))
    return section("subject", "What was audited", blocks)


def _model(profile: Profile) -> list[Block]:
    """What the model is, and where it says it came from."""
    model = profile.model
    if model is None:
        return []
    rows = [("Name", model.name), ("Format", model.format)]
    if model.endpoint is None:
        rows += [
            ("Architecture", model.architecture),
            ("Size", f"{fmt.plural(model.parameters, 'parameter')}, {fmt.count(model.weight_bytes)} bytes"),
            ("Precision", model.dtype),
            ("Ran on", model.device),
            ("SHA-256", model.sha256),
        ]
        if model.base is not None:
            rows.append(("Adapter of", f"{model.base.name} ({model.base.format})"))
            rows.append(("SHA-256 of the base", model.base.sha256))
    else:
        rows.append(("SHA-256", f"{model.sha256} (of the address, names, prompt and signature)"))
    rows += _gate(model.gate)
    lineage = model.lineage
    if lineage is not None:
        looked = ", ".join(f"{fmt.plural(count, 'row')} of {role}" for role, count in lineage.rows.items())
        rows.append(
            (
                "Made by",
                f"{lineage.remedy} {lineage.version}, seed {lineage.seed}, from {looked or 'no rows'} "
                "(as its lineage.json says)",
            )
        )
        if lineage.parent_sha256 is not None:
            rows.append(("Made from", f"{lineage.parent_name or 'a model'}, sha256 {lineage.parent_sha256}"))
    if profile.dataset("asked") is not None:
        rows.append(
            (
                "Asked about",
                f"{fmt.plural(profile.asked.rows, 'row')} of {profile.asked.name}; performance and fairness "
                "are those of the predictions that came with the data",
            )
        )
    return [
        heading("The model"),
        facts(rows, mono=("SHA-256", "SHA-256 of the base", "SHA-256 of what came in")),
    ]


def _gate(verdict: GateVerdict | None) -> list[tuple[str, str]]:
    """What the gate decided on the files as they came in."""
    if verdict is None:
        return []
    rows = [("Came in as", f"{verdict.came_as}, class {verdict.trust}: {_TRUST[verdict.trust]}")]
    if verdict.trust != "A":
        rows.append(("SHA-256 of what came in", verdict.sha256))
    if verdict.cleaning:
        rows.append(("Cleaning", " ".join(verdict.cleaning)))
    rows.append(("Scanners", " ".join(verdict.findings) or "noticed nothing (which permits nothing)"))
    return rows


def _joined(book: Book, profile: Profile) -> list[Block]:
    """Files whose columns were found by id. The ids themselves stand nowhere in a report."""
    rows: list[list[Any]] = [
        [
            found.name,
            ", ".join(found.columns),
            dataset.role,
            fmt.count(found.rows),
            {
                "text": fmt.count(found.unmatched),
                "sub": fmt.value(found.unmatched / dataset.rows, "share") if dataset.rows else "",
            },
            fmt.short(found.sha256, 16),
        ]
        for dataset in profile.datasets
        for found in dataset.joined
    ]
    if not rows:
        return []
    columns = [
        column("File"),
        column("Columns"),
        column("To rows of", 0.6),
        number_column("Its rows"),
        number_column("Rows not found"),
        column("SHA-256"),
    ]
    note = "A row that is not found has no value in these columns: its group is unknown, never guessed."
    return [book.table("Files joined by id", columns, rows, note)]


def _columns(book: Book, profile: Profile, most: int = 40) -> list[Block]:
    dataset, rows = profile.test, []
    for summary in dataset.columns[:most]:
        if summary.name == profile.roles.image:
            rows.append([summary.name, "image", _pixels(profile), "–", fmt.count(summary.missing)])
            continue
        if profile.roles.image is not None and summary.name == PICTURE:
            content = "a digest of the pixels"
        elif summary.kind == "number" and summary.minimum is not None:
            content = f"{fmt.value(summary.minimum, 'number')} to {fmt.value(summary.maximum, 'number')}"
            content += f", mean {fmt.value(summary.mean, 'number')}"
        else:
            content = ", ".join(summary.categories[:6]) + (" …" if len(summary.categories) > 6 else "")
        distinct = "many" if summary.distinct is None else fmt.count(summary.distinct)
        rows.append([summary.name, summary.kind, content or "–", distinct, fmt.count(summary.missing)])
    left = len(dataset.columns) - most
    note = f"{fmt.plural(left, 'further column')} in evidence.json." if left > 0 else ""
    columns = [
        column("Column", 0.8),
        column("Kind", 0.45),
        column("Values", 1.6),
        number_column("Distinct"),
        number_column("Missing"),
    ]
    return [heading("Columns"), book.table(f"Columns of {dataset.name}", columns, rows, note)]


def _pixels(profile: Profile) -> str:
    image = profile.model_signature.image if profile.model_signature is not None else None
    if image is None:
        return "the picture itself"
    return f"{image.height} × {image.width} pixels, {fmt.plural(image.channels, 'channel')}"


def _groups(book: Book, dataset: DatasetProfile, name: str, most: int = 30) -> Block:
    try:
        summary = dataset.column(name)
    except KeyError:
        return text(f"The column {name} is not summarised.")
    total = max(1, summary.rows)
    pairs = list(zip(summary.categories, summary.counts, strict=False))
    rows = [[group, fmt.count(n), fmt.value(n / total)] for group, n in pairs[:most]]
    if summary.missing:
        rows.append(["not known", fmt.count(summary.missing), fmt.value(summary.missing / total)])
    left = len(pairs) - most
    note = f"{fmt.plural(left, 'further group')} in evidence.json." if left > 0 else ""
    columns = [column("Group"), number_column("Rows"), number_column("Share")]
    return book.table(f"Groups of {name}", columns, rows, note)
