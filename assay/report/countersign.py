"""Countersigning: a reviewer's decision as a second signature over the sealed report.

The service records the decision; the key is the service's, made for this one signature and forgotten. So the
countersignature attests that the service recorded this decision under this name, and says so. It is no
signature by the person's own hand.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from assay.errors import Internal
from assay.report.seal import quiet_update
from assay.report.signature_fields import REVIEW_FIELD

if TYPE_CHECKING:
    from assay.report.authority import Authority
    from assay.report.decision import Decision

__all__ = ["DECIDED_SEAL_REASON", "SUBMITTED_SEAL_REASON", "countersign"]

SUBMITTED_SEAL_REASON = (
    "Seal of the Assay service: it attests that the report left the service in this form at submission. "
    "No reviewer has decided yet. The time is the service's own statement."
)
DECIDED_SEAL_REASON = (
    "Seal of the Assay service: it attests that the report left the service in this form, with the decision "
    "that the countersignature records. The time is the service's own statement."
)


def countersign(sealed: bytes, decision: Decision, authority: Authority, *, when: datetime) -> bytes:
    """Record a decision in the field `review`: PAdES B-B, one incremental update, nothing drawn.

    Args:
        sealed: a report with `decision` attached, as `seal` returned it.
        decision: what was decided; gives the reason and the name in the signature.
        authority: the one that sealed.
        when: the time to state, with a time zone; kept to the second, in UTC.

    Raises:
        AssayError: the authority's key cannot be read.
        Internal: nothing was decided; the report is not sealed, or by another authority; a naive time.
    """
    from pyhanko.pdf_utils.misc import PdfReadError
    from pyhanko.sign.fields import SigSeedSubFilter
    from pyhanko.sign.general import SigningError
    from pyhanko.sign.signers.cms_embedder import PdfCMSEmbedder, SigIOSetup, SigObjSetup
    from pyhanko.sign.signers.pdf_byterange import BuildProps, SignatureObject

    from assay.report.certificates import SIGNATURE_BYTES
    from assay.report.decision import signed_name, signed_reason
    from assay.report.seal_bytes import AlteredSeal, NoSeal, read_seal, read_signatures
    from assay.report.seal_message import compose, signed_attributes

    if when.tzinfo is None:
        raise Internal("The time of a countersignature needs a time zone.")
    if not decision.decided:
        raise Internal("Nothing was decided, so there is nothing to countersign.")
    try:
        if read_seal(sealed).root != authority.root:
            raise Internal("A report is countersigned by the authority that sealed it.")
    except (AlteredSeal, NoSeal) as error:
        raise Internal(f"The report cannot be countersigned: {error}") from error
    when = when.astimezone(UTC).replace(microsecond=0)
    signer = authority.countersigner(when)
    room = len(compose(authority.root, signer.certificate, bytes(32), bytes(SIGNATURE_BYTES)))
    signature = SignatureObject(
        timestamp=when,
        subfilter=SigSeedSubFilter.PADES,
        name=signed_name(decision),
        reason=signed_reason(decision),
        app_build_props=BuildProps(name="Assay"),
        bytes_reserved=2 * room,
    )
    update: Any = quiet_update(sealed)
    try:
        embedding = PdfCMSEmbedder().write_cms(REVIEW_FIELD, update, existing_fields_only=True)
        next(embedding)
        embedding.send(SigObjSetup(sig_placeholder=signature))
        prepared, output = embedding.send(SigIOSetup(md_algorithm="sha256", in_place=True))
        digest = prepared.document_digest
        value = signer.sign(signed_attributes(digest, signer.certificate))
        embedding.send(compose(authority.root, signer.certificate, digest, value))
    except (PdfReadError, SigningError) as error:
        raise Internal(f"The report cannot be countersigned: {error}.") from error
    countersigned: bytes = output.getvalue()
    read_signatures(countersigned)
    return countersigned
