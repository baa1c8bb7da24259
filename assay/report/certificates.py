"""The two certificates behind a seal: a root that issues, a sealing certificate that signs documents.

RSA-3072 with SHA-256 and PKCS #1 v1.5 padding throughout: one message has exactly one valid signature
under a key, so no signature can be rewritten into another valid one (an ECDSA signature (r, s) can:
(r, n - s) verifies too). docs/adr/0002-sealing.md tells more.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from assay.report import der

__all__ = [
    "KEY_BITS",
    "ROOT_DAYS",
    "SEAL_DAYS",
    "SHA256_WITH_RSA",
    "SIGNATURE_BYTES",
    "ForgedCertificate",
    "Issued",
    "Pair",
    "check_pair",
    "fingerprint",
    "issue_root",
    "issue_seal",
    "signed_by",
]

KEY_BITS = 3072
SIGNATURE_BYTES = KEY_BITS // 8
PUBLIC_EXPONENT = 65_537
ROOT_DAYS = 20 * 365 + 5
SEAL_DAYS = 5 * 365 + 1
_CLOCK_SKEW = timedelta(hours=1)

SHA256_WITH_RSA = der.encode(der.SEQUENCE, der.object_identifier("1.2.840.113549.1.1.11"), der.NULL)
"""AlgorithmIdentifier sha256WithRSAEncryption, RFC 8017."""


class ForgedCertificate(ValueError):
    """A certificate that is not what its issuer signed, or not of the kind that Assay issues."""


class Issued(NamedTuple):
    """A new certificate (DER) with its private key."""

    certificate: bytes
    key: rsa.RSAPrivateKey


class Pair(NamedTuple):
    """A root and the sealing certificate that it issued, as parsed."""

    root: x509.Certificate
    seal: x509.Certificate


def fingerprint(certificate: bytes) -> str:
    """SHA-256 of a DER certificate, hex."""
    return hashlib.sha256(certificate).hexdigest()


def issue_root(now: datetime) -> Issued:
    """A new self-signed root, valid for 20 years from `now`.

    Its name ends in random letters, so that two installations can be told apart; it names no person,
    machine or organisation.
    """
    key = rsa.generate_private_key(PUBLIC_EXPONENT, KEY_BITS)
    serial = x509.random_serial_number()
    name = _name(f"Assay local authority {serial & 0xFFFFFFFF:08x}")
    builder = _builder(name, name, key, serial, now, timedelta(days=ROOT_DAYS))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(sign_certificates=True), critical=True)
    return Issued(_signed(builder, key), key)


def issue_seal(root: bytes, root_key: rsa.RSAPrivateKey, now: datetime) -> Issued:
    """A new sealing certificate under `root`, valid for five years but never longer than the root."""
    issuer = x509.load_der_x509_certificate(root)
    key = rsa.generate_private_key(PUBLIC_EXPONENT, KEY_BITS)
    life = min(timedelta(days=SEAL_DAYS), issuer.not_valid_after_utc - now)
    builder = _builder(_name("Assay seal"), issuer.subject, key, x509.random_serial_number(), now, life)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(sign_certificates=False), critical=True)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False
    )
    return Issued(_signed(builder, root_key), key)


def check_pair(root: bytes, seal: bytes) -> Pair:
    """Check that `root` signed itself and `seal`, and that both have the one form Assay writes.

    Dates are not looked at: whether a date matters depends on when the seal was made.

    Raises:
        ForgedCertificate: a signature that fails, another key type or size, a wrapper around the signed
            part that is not canonical, a missing right to issue or to sign.
    """
    try:
        parsed = Pair(x509.load_der_x509_certificate(root), x509.load_der_x509_certificate(seal))
        for raw, certificate in ((root, parsed.root), (seal, parsed.seal)):
            wrapped = der.encode(
                der.SEQUENCE,
                certificate.tbs_certificate_bytes,
                SHA256_WITH_RSA,
                der.encode(der.BIT_STRING, b"\x00", certificate.signature),
            )
            if wrapped != raw or not signed_by(
                parsed.root, certificate.signature, certificate.tbs_certificate_bytes
            ):
                raise ForgedCertificate("A certificate in the seal is not what its issuer signed.")
        _own_kind_of_key(parsed.seal)
        names_fit = parsed.root.subject == parsed.root.issuer == parsed.seal.issuer
        if not (names_fit and _may_issue(parsed.root) and _may_seal(parsed.seal)):
            raise ForgedCertificate("The certificates in the seal do not have the rights that a seal needs.")
    except (
        ValueError,
        TypeError,
        UnsupportedAlgorithm,
        x509.InvalidVersion,
        x509.DuplicateExtension,
        x509.ExtensionNotFound,
        x509.UnsupportedGeneralNameType,
    ) as error:
        if isinstance(error, ForgedCertificate):
            raise
        raise ForgedCertificate("A certificate in the seal cannot be read.") from error
    return parsed


def signed_by(certificate: x509.Certificate, signature: bytes, message: bytes) -> bool:
    """Whether `signature` is the RSA PKCS #1 v1.5 SHA-256 signature of `message` by that certificate's key.

    Raises:
        ForgedCertificate: the certificate holds a key of another kind or size than Assay makes.
    """
    try:
        _own_kind_of_key(certificate).verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def _own_kind_of_key(certificate: x509.Certificate) -> rsa.RSAPublicKey:
    key = certificate.public_key()
    # A stranger's giant key would also make every check slow.
    if (
        not isinstance(key, rsa.RSAPublicKey)
        or key.key_size != KEY_BITS
        or key.public_numbers().e != PUBLIC_EXPONENT
    ):
        raise ForgedCertificate("A certificate in the seal holds a key of another kind than Assay makes.")
    return key


def _may_issue(certificate: x509.Certificate) -> bool:
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    return basic.ca and usage.key_cert_sign


def _may_seal(certificate: x509.Certificate) -> bool:
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    return not basic.ca and usage.digital_signature and usage.content_commitment


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Assay"),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, common),
        ]
    )


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        content_commitment=not sign_certificates,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: rsa.RSAPrivateKey,
    serial: int,
    now: datetime,
    life: timedelta,
) -> x509.CertificateBuilder:
    start = now.astimezone(UTC).replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(serial)
        # A clock set back a little between making and using must not void the certificate.
        .not_valid_before(start - _CLOCK_SKEW)
        .not_valid_after(start + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _signed(builder: x509.CertificateBuilder, key: rsa.RSAPrivateKey) -> bytes:
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
