"""Sealing: a certification signature by the service's own key over every byte of a report.

A seal says "this left the service in this form". It is no person's signature, and its time is the sealing
machine's own word; both are written into it.
"""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from assay.errors import AssayError, Internal
from assay.report.signature_fields import SEAL_FIELD, add_signature_fields

if TYPE_CHECKING:
    from assay.report.authority import Authority

__all__ = ["SEAL_REASON", "quiet_update", "seal"]

SEAL_REASON = (
    "Seal of the Assay service: it attests that the report left the service in this form. "
    "No reviewer has signed. The time is the service's own statement."
)


def seal(pdf: bytes, authority: Authority, *, reason: str = SEAL_REASON, when: datetime) -> bytes:
    """Seal a report: PAdES B-B certification signature, later form filling (a countersignature) allowed.

    Everything before the seal stays as it was to the byte; the seal is appended as one incremental update
    that leaves document metadata, tags and attachments alone. Nothing is drawn on any page.

    Args:
        pdf: a tagged PDF; the signature fields are added when it has none.
        authority: from `open_authority`.
        reason: shown by PDF viewers with the seal.
        when: the time to state, with a time zone; kept to the second, in UTC.

    Raises:
        AssayError: `when` is outside the sealing certificate's life; the key cannot be read.
        Internal: `pdf` cannot be sealed (not a tagged PDF, sealed already, a naive time).
    """
    import pikepdf
    from pyhanko.pdf_utils.misc import PdfReadError
    from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
    from pyhanko.sign.general import SigningError
    from pyhanko.sign.signers.cms_embedder import (
        PdfCMSEmbedder,
        SigIOSetup,
        SigMDPSetup,
        SigObjSetup,
    )
    from pyhanko.sign.signers.pdf_byterange import BuildProps, SignatureObject

    from assay.report.certificates import SIGNATURE_BYTES
    from assay.report.seal_bytes import read_seal
    from assay.report.seal_message import compose, signed_attributes

    if when.tzinfo is None:
        raise Internal("The time of a seal needs a time zone.")
    when = when.astimezone(UTC).replace(microsecond=0)
    _check_life(authority, when)
    if not _has_field(pdf):
        pdf = add_signature_fields(pdf)
    room = len(compose(authority.root, authority.seal, bytes(32), bytes(SIGNATURE_BYTES)))
    signature = SignatureObject(
        timestamp=when,
        subfilter=SigSeedSubFilter.PADES,
        reason=reason,
        app_build_props=BuildProps(name="Assay"),
        # The message's length is known beforehand, so there is no padding that could hide anything.
        bytes_reserved=2 * room,
    )
    certify = SigMDPSetup(md_algorithm="sha256", certify=True, docmdp_perms=MDPPerm.FILL_FORMS)
    try:
        embedding = PdfCMSEmbedder().write_cms(SEAL_FIELD, quiet_update(pdf), existing_fields_only=True)
        next(embedding)
        embedding.send(SigObjSetup(sig_placeholder=signature, mdp_setup=certify))
        prepared, output = embedding.send(SigIOSetup(md_algorithm="sha256", in_place=True))
        document_digest = prepared.document_digest
        value = authority.sign(signed_attributes(document_digest, authority.seal))
        embedding.send(compose(authority.root, authority.seal, document_digest, value))
    except (PdfReadError, SigningError, pikepdf.PdfError) as error:
        raise Internal(f"The document cannot be sealed: {error}.") from error
    sealed: bytes = output.getvalue()
    read_seal(sealed)
    return sealed


def _check_life(authority: Authority, when: datetime) -> None:
    from cryptography import x509

    certificate = x509.load_der_x509_certificate(authority.seal)
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not first <= when <= last:
        raise AssayError(
            f"The sealing certificate is valid from {first:%Y-%m-%d} to {last:%Y-%m-%d}, which does not "
            f"include {when:%Y-%m-%d}. Check this machine's clock.",
            code="authority",
        )


def _has_field(pdf: bytes) -> bool:
    import pikepdf

    try:
        with pikepdf.open(io.BytesIO(pdf)) as document:
            return pikepdf.Name.AcroForm in document.Root
    except pikepdf.PdfError as error:
        raise Internal("The document to seal is not a PDF.") from error


def quiet_update(pdf: bytes) -> Any:
    """pyHanko's incremental update of `pdf` that leaves /Info and the XMP packet alone."""
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

    class QuietUpdate(IncrementalPdfFileWriter):
        """An incremental update that does not rewrite document metadata.

        The writer would stamp the present time and its own name into /Info and rewrite the XMP packet,
        whose PDF/A and PDF/UA statements must stay as typst wrote them.
        """

        def _update_meta(self) -> None:
            return

    return QuietUpdate(io.BytesIO(pdf))
