"""Which column a text model reads: the one named, or the only one that holds long texts."""

from __future__ import annotations

from collections.abc import Mapping

from assay.contracts import DataRequest, ModelSignature
from assay.errors import BadInput
from assay.intake.roles import ColumnRoles
from assay.intake.scan import ColumnScan

__all__ = ["with_text_column"]

_LONG = 30
"""Characters of the longest value from which a column of words is taken for texts."""


def with_text_column(
    file: str,
    request: DataRequest,
    roles: ColumnRoles,
    scans: Mapping[str, ColumnScan],
    signature: ModelSignature,
) -> ColumnRoles:
    """The roles with the text column that the model reads.

    Raises BadInput: --text for a model that reads no text; no column of texts, or several, and none named;
    a named column without a single text.
    """
    if signature.text is None:
        if request.text is not None:
            reads = "images" if signature.image is not None else "columns of a table"
            raise BadInput(
                f'--text names the column that a text model reads; this model reads {reads}. Leave "--text '
                f'{request.text}" out.'
            )
        return roles
    if roles.text is not None:
        if not scans[roles.text].present:
            raise BadInput(f'{file} column "{roles.text}" (text) is empty in every row.')
        return roles
    long = [name for name in roles.features if _holds_texts(scans[name])]
    if len(long) != 1:
        found = f"has several ({', '.join(long[:6])})" if long else "has none that looks like it"
        raise BadInput(
            f"The model reads texts, but {file} {found}: name the column of texts with --text. "
            f"Its columns: {', '.join(list(scans)[:12])}."
        )
    note = f'{file}: the model reads column "{long[0]}", the only one of long texts; --text names another.'
    return roles._replace(
        text=long[0],
        features=tuple(name for name in roles.features if name != long[0]),
        notes=(*roles.notes, note),
    )


def _holds_texts(scan: ColumnScan) -> bool:
    return not scan.numeric and scan.present > 0 and scan.longest >= _LONG
