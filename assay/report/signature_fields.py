"""Two empty signature fields inside the tag tree of a report: one for the seal, one for a reviewer.

A signing library adds its field outside the tag tree, which breaks PDF/UA-1 (ISO 14289-1, 7.18.4: a widget
shall stand in a Form element). So both fields are laid here, before anything is signed, and signing only
fills them.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from assay.errors import Internal

if TYPE_CHECKING:
    import pikepdf

__all__ = ["REVIEW_FIELD", "SEAL_FIELD", "add_signature_fields"]

SEAL_FIELD = "seal"
REVIEW_FIELD = "review"
_LABELS = {
    SEAL_FIELD: "Seal of the Assay service",
    REVIEW_FIELD: "Signature of the reviewer",
}
_PRINT_AND_LOCKED = 4 | 128
"""Annotation flags: PDF/A-3 wants Print set and every hiding flag clear (ISO 19005-3, 6.3.2)."""


def add_signature_fields(pdf: bytes) -> bytes:
    """Lay the invisible fields `seal` and `review` on the last page, tagged, and repack the file.

    Args:
        pdf: a tagged PDF without a form, as typst writes it.

    Returns:
        The same document with both fields; streams are recompressed, which takes about two thirds off
        a report with charts. The same input gives the same bytes.

    Raises:
        Internal: the file is not a PDF, has no tag tree, or has a form already.
    """
    import pikepdf

    try:
        with pikepdf.open(io.BytesIO(pdf)) as document:
            _lay(document)
            packed = io.BytesIO()
            document.save(
                packed,
                object_stream_mode=pikepdf.ObjectStreamMode.generate,
                compress_streams=True,
                recompress_flate=True,
                deterministic_id=True,
                # Rewriting the XMP packet could lose its PDF/A and PDF/UA statements.
                fix_metadata_version=False,
            )
    except pikepdf.PdfError as error:
        raise Internal("The document to seal is not a PDF.") from error
    return packed.getvalue()


def _lay(document: pikepdf.Pdf) -> None:
    import pikepdf
    from pikepdf import Array, Dictionary, Name, String

    catalog = document.Root
    if Name.StructTreeRoot not in catalog or Name.AcroForm in catalog:
        raise Internal("The document to seal must be tagged and must not have a form yet.")
    tree = catalog.StructTreeRoot
    top = tree.K[0] if isinstance(tree.K, Array) else tree.K
    if not isinstance(top.get(Name.K), Array):
        raise Internal("The document to seal has a tag tree without contents.")
    page = document.pages[-1].obj
    parents = pikepdf.NumberTree(tree.ParentTree)
    next_key = int(tree.get(Name.ParentTreeNextKey, max(parents, default=-1) + 1))
    fields = []
    for key, (name, label) in enumerate(_LABELS.items(), start=next_key):
        widget = document.make_indirect(
            Dictionary(
                Type=Name.Annot,
                Subtype=Name.Widget,
                FT=Name.Sig,
                T=String(name),
                TU=String(label),
                Contents=String(label),
                F=_PRINT_AND_LOCKED,
                Rect=Array([0, 0, 0, 0]),
                P=page,
                StructParent=key,
            )
        )
        form = document.make_indirect(
            Dictionary(
                Type=Name.StructElem,
                S=Name.Form,
                P=top,
                Pg=page,
                Alt=String(label),
                # Not in an array: pyHanko's check of later signatures knows this form only.
                K=Dictionary(Type=Name.OBJR, Obj=widget, Pg=page),
            )
        )
        top.K.append(form)
        parents[key] = form
        fields.append(widget)
    tree.ParentTreeNextKey = next_key + len(fields)
    page.Annots = Array([*page.get(Name.Annots, Array()), *fields])
    page.Tabs = Name.S
    catalog.AcroForm = document.make_indirect(Dictionary(Fields=Array(fields)))
