"""The signed message inside a seal (CMS SignedData, RFC 5652), in the one form that Assay writes.

A CMS message has parts that no signature covers: the set of digest algorithms, the embedded certificates,
the signer's identifier, algorithm parameters, unsigned attributes. A verifier that only follows the
signature would let all of those be changed. Here the whole message is a function of two certificates,
one document digest and one signature value: `compose` writes it, and a reader takes out the certificates
and the value, composes again and compares.

Profile: PAdES baseline B-B (ETSI EN 319 142-1). Signed attributes: content type, message digest, signing
certificate v2 (RFC 5035) and algorithm protection (RFC 6211). The claimed time stands in the signature
dictionary's /M, as the profile wants it, not here.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from assay.report import der
from assay.report.certificates import SHA256_WITH_RSA, SIGNATURE_BYTES

__all__ = ["Parts", "compose", "signed_attributes", "take_apart"]

_DATA = der.object_identifier("1.2.840.113549.1.7.1")
_SIGNED_DATA = der.object_identifier("1.2.840.113549.1.7.2")
_CONTENT_TYPE = der.object_identifier("1.2.840.113549.1.9.3")
_MESSAGE_DIGEST = der.object_identifier("1.2.840.113549.1.9.4")
_SIGNING_CERTIFICATE_V2 = der.object_identifier("1.2.840.113549.1.9.16.2.47")
_ALGORITHM_PROTECTION = der.object_identifier("1.2.840.113549.1.9.52")
_SHA256 = der.encode(der.SEQUENCE, der.object_identifier("2.16.840.1.101.3.4.2.1"))
_VERSION_1 = der.encode(der.INTEGER, b"\x01")
_IMPLICIT_SIGNATURE_ALGORITHM = der.encode(der.context(1), der.element(SHA256_WITH_RSA)[0].body)


class Parts(NamedTuple):
    """What a message says, unchecked: certificates in DER and the signature value."""

    certificates: tuple[bytes, bytes]
    """In the order of the message, which is the order of their encodings."""
    signature: bytes


def signed_attributes(document_digest: bytes, seal: bytes) -> bytes:
    """The DER SET that the sealing key signs.

    Args:
        document_digest: SHA-256 of all bytes of the file except the hex string that holds the message.
        seal: the sealing certificate, bound by its own digest.
    """
    return b"\x31" + _attributes(document_digest, seal)[1:]


def compose(root: bytes, seal: bytes, document_digest: bytes, signature: bytes) -> bytes:
    """The message (DER). Raises ValueError when `seal` is not a certificate."""
    signer = der.encode(
        der.SEQUENCE,
        _VERSION_1,
        _issuer_and_serial(seal),
        _SHA256,
        _attributes(document_digest, seal),
        SHA256_WITH_RSA,
        der.encode(der.OCTET_STRING, signature),
    )
    signed_data = der.encode(
        der.SEQUENCE,
        _VERSION_1,
        der.encode(der.SET, _SHA256),
        der.encode(der.SEQUENCE, _DATA),
        der.set_of(der.context(0), root, seal),
        der.encode(der.SET, signer),
    )
    return der.encode(der.SEQUENCE, _SIGNED_DATA, der.encode(der.context(0), signed_data))


def take_apart(message: bytes) -> Parts:
    """Read what `compose` needs, by position; everything else is left to the comparison.

    Raises:
        ValueError: not two certificates and a signature of the right length where they should be.
    """
    try:
        content_info, end = der.element(message)
        _, wrapper = der.children(content_info.body)
        (signed_data,) = der.children(wrapper.body)
        _, _, _, certificates, signers = der.children(signed_data.body)
        first, second = der.children(certificates.body)
        (signer,) = der.children(signers.body)
        *_, value = der.children(signer.body)
    except ValueError as error:
        raise ValueError("The seal's message does not have the parts of a seal.") from error
    if end != len(message) or len(value.body) != SIGNATURE_BYTES:
        raise ValueError("The seal's message has a length that no seal has.")
    return Parts((first.raw, second.raw), value.body)


def _attributes(document_digest: bytes, seal: bytes) -> bytes:
    certificate_digest = der.encode(der.OCTET_STRING, hashlib.sha256(seal).digest())
    # ESSCertIDv2 with SHA-256 as its default algorithm and without the optional issuer and serial.
    bound = der.encode(der.SEQUENCE, der.encode(der.SEQUENCE, der.encode(der.SEQUENCE, certificate_digest)))
    return der.set_of(
        der.context(0),
        _attribute(_CONTENT_TYPE, _DATA),
        _attribute(_MESSAGE_DIGEST, der.encode(der.OCTET_STRING, document_digest)),
        _attribute(_SIGNING_CERTIFICATE_V2, bound),
        _attribute(_ALGORITHM_PROTECTION, der.encode(der.SEQUENCE, _SHA256, _IMPLICIT_SIGNATURE_ALGORITHM)),
    )


def _attribute(kind: bytes, value: bytes) -> bytes:
    return der.encode(der.SEQUENCE, kind, der.encode(der.SET, value))


def _issuer_and_serial(certificate: bytes) -> bytes:
    outer, _ = der.element(certificate)
    signed_part, *_ = der.children(outer.body)
    # Version, serial number, algorithm, issuer, ... (RFC 5280, 4.1).
    parts = der.children(signed_part.body)
    if len(parts) < 4:
        raise ValueError("A certificate in the seal is cut short.")
    return der.encode(der.SEQUENCE, parts[3].raw, parts[1].raw)
