"""The local certificate authority: made at first use, kept in one private folder, never sent anywhere.

    <home>/authority/                   0700
        chain.pem                       root and sealing certificate; replaced in one step on renewal
        keys/<fingerprint>.pem          0600, the private key of the certificate with that fingerprint
        retired/<fingerprint>.pem       roots that expired; what they sealed stays trusted here

`<home>` is $ASSAY_HOME, else $XDG_DATA_HOME/assay, else ~/.local/share/assay. The folder is written
complete under another name and then renamed, so two processes that start at once end up with one authority
and a process killed half-way leaves none.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from assay.errors import AssayError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import rsa

    from assay.report.certificates import Issued

__all__ = ["Authority", "AuthorityError", "OneSignature", "data_home", "find_authority", "open_authority"]


class AuthorityError(AssayError):
    """The local authority is damaged, unreadable or cannot be made."""

    code = "authority"


@dataclass(frozen=True)
class Authority:
    """Certificates (DER) of one authority; its keys are read only at the moment of signing."""

    folder: Path
    root: bytes
    seal: bytes
    retired: tuple[bytes, ...] = ()

    @property
    def roots(self) -> tuple[bytes, ...]:
        """Every root whose seals this installation trusts: the present one and the expired ones."""
        return (self.root, *self.retired)

    def certificate_pem(self) -> str:
        """The root as PEM, to hand to somebody who checks reports with `--trust`. Holds no secret."""
        return _pem(self.root)

    def sign(self, message: bytes) -> bytes:
        """RSA PKCS #1 v1.5 SHA-256 signature of `message` by the sealing key, 384 bytes.

        Raises:
            AuthorityError: the key is missing, unreadable, readable by others, or not the certificate's.
        """
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        return _read_key(self.folder, self.seal).sign(message, padding.PKCS1v15(), hashes.SHA256())

    def countersigner(self, now: datetime) -> OneSignature:
        """A new key and certificate for one countersignature. The key is written nowhere.

        Raises:
            AuthorityError: the root's key is missing, unreadable, readable by others, or not its own.
        """
        from assay.report.certificates import issue_countersigner

        issued = issue_countersigner(self.root, _read_key(self.folder, self.root), now)
        return OneSignature(issued.certificate, issued.key)


class OneSignature:
    """A key that signs once and is forgotten, so that nobody can countersign anything else with it."""

    def __init__(self, certificate: bytes, key: rsa.RSAPrivateKey) -> None:
        self.certificate = certificate
        self._key: rsa.RSAPrivateKey | None = key

    def sign(self, message: bytes) -> bytes:
        """RSA PKCS #1 v1.5 SHA-256 signature of `message`, 384 bytes; a second call raises ValueError."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        key, self._key = self._key, None
        if key is None:
            raise ValueError("This key has signed already.")
        return key.sign(message, padding.PKCS1v15(), hashes.SHA256())


def data_home(environment: Mapping[str, str] | None = None) -> Path:
    """Where data outlives a run: $ASSAY_HOME, else $XDG_DATA_HOME/assay, else ~/.local/share/assay."""
    variables = os.environ if environment is None else environment
    if own := variables.get("ASSAY_HOME"):
        return Path(own)
    shared = variables.get("XDG_DATA_HOME")
    # The XDG base directory specification says to ignore relative paths.
    if shared and Path(shared).is_absolute():
        return Path(shared) / "assay"
    try:
        return Path.home() / ".local" / "share" / "assay"
    except RuntimeError as error:
        raise AuthorityError("There is no home folder for the sealing authority; set ASSAY_HOME.") from error


def find_authority(home: Path | None = None) -> Authority | None:
    """The authority of this installation, or None if it has made none. Reads certificates only.

    Raises:
        AuthorityError: there is one, but it is damaged or may not be read.
    """
    folder = (data_home() if home is None else home) / "authority"
    try:
        if not folder.is_dir():
            return None
        return _load(folder)
    except OSError as error:
        raise _unusable(folder, error.strerror or "it cannot be read") from error


def open_authority(home: Path | None = None, *, now: datetime) -> Authority:
    """The authority of this installation, made if there is none and renewed if it has expired.

    Args:
        home: data folder; `data_home()` when None.
        now: the present, with a time zone.

    Raises:
        AuthorityError: the folder cannot be written, or what is there is damaged.
    """
    folder = (data_home() if home is None else home) / "authority"
    try:
        if not folder.is_dir():
            try:
                _create(folder, now)
            except OSError as error:
                raise AuthorityError(
                    f"The sealing authority cannot be made in {folder}: {error.strerror or error}. "
                    f"Set ASSAY_HOME to a folder that can be written."
                ) from error
        authority = _load(folder)
        if _expired(authority.seal, now):
            with _locked(folder):
                # Another process may have renewed it while this one waited.
                authority = _load(folder)
                if _expired(authority.seal, now):
                    authority = _renew(authority, now)
        _read_key(folder, authority.seal)
    except OSError as error:
        raise _unusable(folder, error.strerror or str(error)) from error
    return authority


def _create(folder: Path, now: datetime) -> None:
    from assay.report.certificates import issue_root, issue_seal

    folder.parent.mkdir(parents=True, exist_ok=True)
    # mkdtemp gives 0700 whatever the umask says.
    draft = Path(tempfile.mkdtemp(prefix=".authority-", dir=folder.parent))
    try:
        root = issue_root(now)
        seal = issue_seal(root.certificate, root.key, now)
        for name in ("keys", "retired"):
            (draft / name).mkdir(mode=0o700)
        _write_key(draft, root)
        _write_key(draft, seal)
        _replace(draft / "chain.pem", _pem(root.certificate) + _pem(seal.certificate))
        try:
            draft.rename(folder)
        except OSError:
            # A folder is never renamed over one that holds files: somebody else was first, theirs counts.
            if not folder.is_dir():
                raise
        else:
            _sync(folder.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _renew(old: Authority, now: datetime) -> Authority:
    """Replace what has expired: the sealing certificate, and the root too when its own time is over."""
    from assay.report.certificates import fingerprint, issue_root, issue_seal

    outdated = [old.seal]
    if _expired(old.root, now):
        _replace(old.folder / "retired" / f"{fingerprint(old.root)}.pem", _pem(old.root))
        root = issue_root(now)
        _write_key(old.folder, root)
        root_certificate, root_key = root
        outdated.append(old.root)
    else:
        root_certificate, root_key = old.root, _read_key(old.folder, old.root)
    seal = issue_seal(root_certificate, root_key, now)
    _write_key(old.folder, seal)
    _replace(old.folder / "chain.pem", _pem(root_certificate) + _pem(seal.certificate))
    # Expired keys could only be used to date a seal back.
    for certificate in outdated:
        _key_file(old.folder, certificate).unlink(missing_ok=True)
    return _load(old.folder)


def _load(folder: Path) -> Authority:
    from assay.report.certificates import ForgedCertificate, check_pair, fingerprint

    certificates = _read_certificates(folder, folder / "chain.pem")
    if len(certificates) != 2:
        raise _unusable(folder, f"chain.pem holds {len(certificates)} certificates instead of 2")
    root, seal = certificates
    try:
        check_pair(root, seal)
    except ForgedCertificate as error:
        raise _unusable(folder, "the certificates in chain.pem do not belong together") from error
    retired = []
    for path in sorted((folder / "retired").glob("*.pem")):
        found = _read_certificates(folder, path)
        if len(found) != 1 or fingerprint(found[0]) != path.stem:
            raise _unusable(folder, f"retired/{path.name} is not the certificate that its name says")
        retired += found
    return Authority(folder, root, seal, tuple(retired))


def _read_certificates(folder: Path, path: Path) -> list[bytes]:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        text = path.read_bytes()
        return [found.public_bytes(Encoding.DER) for found in x509.load_pem_x509_certificates(text)]
    except FileNotFoundError as error:
        raise _unusable(folder, f"{path.name} is missing") from error
    except ValueError as error:
        raise _unusable(folder, f"{path.name} is not a certificate") from error


def _read_key(folder: Path, certificate: bytes) -> rsa.RSAPrivateKey:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    path = _key_file(folder, certificate)
    name = f"keys/{path.name}"
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise _unusable(folder, f"{name} can be read by other users; `chmod 600` it")
        key = load_pem_private_key(path.read_bytes(), password=None)
    except FileNotFoundError as error:
        raise _unusable(folder, f"{name} is missing") from error
    except OSError as error:
        raise _unusable(folder, f"{name} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _unusable(folder, f"{name} is not a private key") from error
    expected = x509.load_der_x509_certificate(certificate).public_key()
    if not isinstance(key, rsa.RSAPrivateKey) or key.public_key() != expected:
        raise _unusable(folder, f"{name} does not belong to its certificate")
    return key


def _write_key(folder: Path, issued: Issued) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    text = issued.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _replace(_key_file(folder, issued.certificate), text.decode("ascii"))


def _key_file(folder: Path, certificate: bytes) -> Path:
    from assay.report.certificates import fingerprint

    return folder / "keys" / f"{fingerprint(certificate)}.pem"


def _replace(path: Path, text: str) -> None:
    """Write a 0600 file so that readers see the old or the new one, never a part, even after a power cut."""
    descriptor, draft = tempfile.mkstemp(prefix=".", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
    _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _expired(certificate: bytes, now: datetime) -> bool:
    from cryptography import x509

    return now >= x509.load_der_x509_certificate(certificate).not_valid_after_utc


def _pem(certificate: bytes) -> str:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    return x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM).decode("ascii")


def _unusable(folder: Path, why: str) -> AuthorityError:
    return AuthorityError(
        f"The sealing authority in {folder} cannot be used: {why}. Restore it from a backup, or move it away "
        f"so that a new one is made; reports that the old one sealed then need its certificate as --trust."
    )
