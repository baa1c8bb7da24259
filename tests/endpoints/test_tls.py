"""Certificates are verified for the name that was typed, though the checked address is what is called."""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from assay.endpoints.address import Access
from assay.endpoints.asker import Asker
from assay.errors import BadInput
from tests.endpoint_server import EndpointServer, served
from tests.endpoints.asked import MADE, outputs, request

NAME = "models.example.test"


@pytest.fixture
def encrypted(tmp_path: Path) -> Iterator[EndpointServer]:
    """A server with a certificate of its own making for `NAME`, which lies in tmp_path/certificate.pem."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (tmp_path / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "key.pem").write_bytes(secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    with served() as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        yield server


def _asker(server: EndpointServer, host: str, looked_up: list[str]) -> Asker:
    def resolver(name: str, _port: int) -> list[str]:
        looked_up.append(name)
        return ["127.0.0.1"]

    asked = request(server, url=f"https://{host}:{server.server_port}", retries=0, timeout=5)
    MADE.append(Asker(asked, Access(private=True), resolver=resolver, sleep=lambda _s: None))
    return MADE[-1]


def test_the_typed_name_is_verified_and_the_checked_address_called(
    encrypted: EndpointServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    looked_up: list[str] = []
    found = _asker(encrypted, NAME, looked_up)
    assert outputs(found, np.array([[1.0, 1.0]])).tolist() == [[0.5, 0.5]]
    assert looked_up == [NAME]  # once, then never again: no second answer can lead elsewhere
    assert encrypted.seen[0][2]["Host"] == f"{NAME}:{encrypted.server_port}"


@pytest.mark.parametrize("host", ["other.example.test", NAME])
def test_a_certificate_of_another_name_or_of_nobody_known_is_refused(
    encrypted: EndpointServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    if host != NAME:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    with pytest.raises(BadInput, match="no certificate that can be trusted"):
        _asker(encrypted, host, []).answer({"what": "describe"}, {})
    assert not encrypted.seen
