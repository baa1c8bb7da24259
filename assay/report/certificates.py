"""The two certificates behind a seal: a root that issues, a sealing certificate that signs documents.

RSA-3072 with SHA-256 and PKCS #1 v1.5 padding throughout: one message has exactly one valid signature
under a key, so no signature can be rewritten into another valid one (an ECDSA signature (r, s) can:
(r, n - s) verifies too). docs/adr/0002-sealing.md tells more.
"""

from __future__ import annotations

import hashlib
import warnings
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from assay.report import der

__all__ = [
    "COUNTERSIGNER",
    "KEY_BITS",
    "ROOT_DAYS",
    "SEAL_DAYS",
    "SHA256_WITH_RSA",
    "SIGNATURE_BYTES",
    "ForgedCertificate",
    "Issued",
    "Pair",
    "check_pair",
    "countersigns",
    "fingerprint",
    "issue_countersigner",
    "issue_root",
    "issue_seal",
    "public_key",
    "signed_by",
]

KEY_BITS = 3072
SIGNATURE_BYTES = KEY_BITS // 8
PUBLIC_EXPONENT = 65_537
ROOT_DAYS = 20 * 365 + 5
SEAL_DAYS = 5 * 365 + 1
COUNTERSIGNER = "Assay countersignature"
"""Common name of the certificates that record decisions; a seal's certificate never has it."""
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
    return _issue_signer(root, root_key, now, "Assay seal")


def issue_countersigner(root: bytes, root_key: rsa.RSAPrivateKey, now: datetime) -> Issued:
    """A new certificate for one countersignature; its key is to be forgotten once it has signed.

    It names the service, not the reviewer: the service holds the key. On whose behalf it signs stands in the
    signature itself.
    """
    return _issue_signer(root, root_key, now, COUNTERSIGNER)


def countersigns(certificate: x509.Certificate) -> bool:
    """Whether a certificate is for countersignatures instead of seals."""
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return [name.value for name in names] == [COUNTERSIGNER]


def _issue_signer(root: bytes, root_key: rsa.RSAPrivateKey, now: datetime, common: str) -> Issued:
    issuer = x509.load_der_x509_certificate(root)
    key = rsa.generate_private_key(PUBLIC_EXPONENT, KEY_BITS)
    life = min(timedelta(days=SEAL_DAYS), issuer.not_valid_after_utc - now)
    builder = _builder(_name(common), issuer.subject, key, x509.random_serial_number(), now, life)
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
        issuer = _key(_signed_part(root).part)
        for certificate in (root, seal):
            part, signature = _signed_part(certificate)
            _key(part)
            if not signed_by(issuer, signature, part.raw):
                raise ForgedCertificate("A certificate in the seal is not what its issuer signed.")
        # Only now, as the library reads much more than a check needs, and may warn about what it reads.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pair = Pair(x509.load_der_x509_certificate(root), x509.load_der_x509_certificate(seal))
            names_fit = pair.root.subject == pair.root.issuer == pair.seal.issuer
            if not (names_fit and _may_issue(pair.root) and _may_seal(pair.seal)):
                raise ForgedCertificate(
                    "The certificates in the seal do not have the rights that a seal needs."
                )
    except ForgedCertificate:
        raise
    except (
        ValueError,
        IndexError,
        UnsupportedAlgorithm,
        x509.InvalidVersion,
        x509.DuplicateExtension,
        x509.ExtensionNotFound,
        x509.UnsupportedGeneralNameType,
    ) as error:
        raise ForgedCertificate("A certificate in the seal cannot be read.") from error
    return pair


def public_key(certificate: bytes) -> rsa.RSAPublicKey:
    """The key of a certificate that `check_pair` has accepted."""
    return _key(_signed_part(certificate).part)


def signed_by(key: rsa.RSAPublicKey, signature: bytes, message: bytes) -> bool:
    """Whether `signature` is the RSA PKCS #1 v1.5 SHA-256 signature of `message` under `key`."""
    try:
        key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


class _Signed(NamedTuple):
    part: der.Element
    """TBSCertificate, RFC 5280, 4.1."""
    signature: bytes


def _signed_part(certificate: bytes) -> _Signed:
    """What the issuer signed, and the signature; the wrapper must be spelt as `issue_*` spells it."""
    (outer,) = der.children(certificate)
    part, algorithm, signature = der.children(outer.body)
    wrapper = der.encode(
        der.SEQUENCE,
        part.raw,
        SHA256_WITH_RSA,
        der.encode(der.BIT_STRING, b"\x00", signature.body[1:]),
    )
    if wrapper != certificate or algorithm.raw != SHA256_WITH_RSA:
        raise ForgedCertificate("A certificate in the seal is not what its issuer signed.")
    return _Signed(part, signature.body[1:])


def _key(part: der.Element) -> rsa.RSAPublicKey:
    # Version, serial number, algorithm, issuer, validity, subject, key, extensions.
    key = serialization.load_der_public_key(der.children(part.body)[6].raw)
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
