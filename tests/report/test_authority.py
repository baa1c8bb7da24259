"""The local authority: private, made once, renewed, and clear about damage."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from assay.errors import AssayError
from assay.report.authority import Authority, AuthorityError, data_home, find_authority, open_authority
from assay.report.certificates import check_pair, fingerprint
from assay.report.seal import seal
from assay.report.verify import verify
from tests.report.sealed_sample import NOW, authority, plain_report

YEAR = timedelta(days=365.25)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A data folder with an authority made at NOW; a copy, since making keys takes a second."""
    folder = tmp_path / "data"
    shutil.copytree(authority("copied").folder, folder / "authority")
    return folder


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_only_the_owner_can_read_any_of_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        made = open_authority(tmp_path / "home", now=NOW)
    finally:
        os.umask(before)
    assert stat.S_IMODE(made.folder.stat().st_mode) == 0o700
    keys = [path for path in _files(made.folder) if b"PRIVATE" in path.read_bytes()]
    assert len(keys) == 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}
    assert {path.parent.name for path in keys} == {"keys"}


def test_the_exported_certificate_holds_no_secret_and_is_the_root(home: Path) -> None:
    made = open_authority(home, now=NOW)
    exported = made.certificate_pem()
    assert "PRIVATE" not in exported
    assert x509.load_pem_x509_certificate(exported.encode()).subject == check_pair(*_chain(made))[0].subject


def _chain(made: Authority) -> tuple[bytes, bytes]:
    return made.root, made.seal


def test_the_root_lives_twenty_years_and_the_sealing_certificate_five(home: Path) -> None:
    root, sealing = check_pair(*_chain(open_authority(home, now=NOW)))
    assert abs(root.not_valid_after_utc - NOW - 20 * YEAR) < timedelta(days=1)
    assert abs(sealing.not_valid_after_utc - NOW - 5 * YEAR) < timedelta(days=1)
    limits = root.extensions.get_extension_for_class(x509.BasicConstraints)
    assert limits.critical
    assert limits.value.ca
    assert limits.value.path_length == 0


def test_opening_again_gives_the_same_authority(home: Path) -> None:
    first = open_authority(home, now=NOW)
    assert open_authority(home, now=NOW + YEAR) == first == find_authority(home)


def test_looking_for_an_authority_makes_none(tmp_path: Path) -> None:
    assert find_authority(tmp_path / "home") is None
    assert list(tmp_path.iterdir()) == []


_OPEN = """
import sys
from datetime import datetime
from pathlib import Path
from assay.report.authority import open_authority
sys.stdin.readline()
print(open_authority(Path(sys.argv[1]), now=datetime.fromisoformat(sys.argv[2])).seal.hex())
"""


def _race(home: Path, now: datetime, processes: int) -> set[str]:
    """The sealing certificates that processes see which open the authority at the same moment."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", _OPEN, str(home), now.isoformat()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(processes)
    ]
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    seen = {process.communicate()[0].strip() for process in running}
    assert [process.returncode for process in running] == [0] * processes
    return seen


def test_processes_that_start_at_once_end_up_with_one_authority(tmp_path: Path) -> None:
    assert len(_race(tmp_path, NOW, 5)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["authority"]


def test_processes_that_renew_at_once_end_up_with_one_certificate(home: Path) -> None:
    first = open_authority(home, now=NOW)
    (renewed,) = _race(home, NOW + 6 * YEAR, 4)
    assert renewed != first.seal.hex()


def test_a_draft_left_by_a_killed_process_is_no_authority(tmp_path: Path) -> None:
    (tmp_path / ".authority-killed" / "keys").mkdir(parents=True)
    assert find_authority(tmp_path) is None
    open_authority(tmp_path, now=NOW).sign(b"works")


def test_an_expired_sealing_certificate_is_renewed_under_the_same_root(home: Path) -> None:
    first = open_authority(home, now=NOW)
    later = open_authority(home, now=NOW + 5.1 * YEAR)
    assert later.root == first.root
    assert later.seal != first.seal
    assert not (first.folder / "keys" / f"{fingerprint(first.seal)}.pem").exists()
    assert verify(
        seal(plain_report(), later, when=NOW + 5.1 * YEAR), authority=find_authority(home)
    ).outcome == ("intact")


def test_the_sealing_certificate_never_outlives_its_root(home: Path) -> None:
    open_authority(home, now=NOW)
    root, sealing = check_pair(*_chain(open_authority(home, now=NOW + 18 * YEAR)))
    assert sealing.not_valid_after_utc == root.not_valid_after_utc


def test_what_an_expired_root_sealed_stays_trusted(home: Path) -> None:
    first = open_authority(home, now=NOW)
    sealed = seal(plain_report(), first, when=NOW)
    much_later = NOW + 20.1 * YEAR
    renewed = open_authority(home, now=much_later)
    assert renewed.root != first.root
    assert renewed.retired == (first.root,)
    answer = verify(sealed, authority=find_authority(home), now=much_later)
    assert answer.outcome == "intact"
    assert sum("expired on" in sentence for sentence in answer.details) == 2


def test_two_installations_have_different_names(tmp_path: Path) -> None:
    names = {
        check_pair(*_chain(open_authority(tmp_path / name, now=NOW))).root.subject.rfc4514_string()
        for name in "ab"
    }
    assert len(names) == 2


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda folder: (folder / "chain.pem").unlink(), "chain.pem is missing"),
        (lambda folder: (folder / "chain.pem").write_text("rubbish"), "chain.pem is not a certificate"),
        (lambda folder: _keep_first(folder / "chain.pem"), "1 certificates instead of 2"),
        (lambda folder: _swap(folder / "chain.pem"), "do not belong together"),
    ],
)
def test_a_damaged_chain_is_named(home: Path, damage: object, sentence: str) -> None:
    folder = open_authority(home, now=NOW).folder
    damage(folder)  # type: ignore[operator]
    for attempt in (lambda: open_authority(home, now=NOW), lambda: find_authority(home)):
        with pytest.raises(AuthorityError, match=sentence) as caught:
            attempt()
        assert "Restore it from a backup" in caught.value.message


def _keep_first(chain: Path) -> None:
    chain.write_text(
        chain.read_text().partition("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n"
    )


def _swap(chain: Path) -> None:
    first, mark, second = chain.read_text().partition("-----END CERTIFICATE-----\n")
    chain.write_text(second + first + mark)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.write_text("rubbish"), "is not a private key"),
        (lambda path: path.chmod(0o640), "can be read by other users"),
    ],
)
def test_a_damaged_sealing_key_is_named(home: Path, damage: object, sentence: str) -> None:
    made = open_authority(home, now=NOW)
    damage(made.folder / "keys" / f"{fingerprint(made.seal)}.pem")  # type: ignore[operator]
    with pytest.raises(AuthorityError, match=sentence):
        open_authority(home, now=NOW)
    # Whoever only checks reports needs no key.
    assert find_authority(home) == made


def test_a_key_of_another_certificate_is_refused(home: Path) -> None:
    made = open_authority(home, now=NOW)
    keys = made.folder / "keys"
    (keys / f"{fingerprint(made.root)}.pem").replace(keys / f"{fingerprint(made.seal)}.pem")
    with pytest.raises(AuthorityError, match="does not belong to its certificate"):
        open_authority(home, now=NOW)


def test_a_retired_root_that_was_swapped_is_refused(tmp_path: Path) -> None:
    made = open_authority(tmp_path / "ours", now=NOW)
    stranger = open_authority(tmp_path / "theirs", now=NOW)
    (made.folder / "retired" / f"{'0' * 64}.pem").write_text(stranger.certificate_pem())
    with pytest.raises(AuthorityError, match="not the certificate that its name says"):
        find_authority(tmp_path / "ours")


def test_a_home_that_cannot_be_written_says_how_to_choose_another(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AssayError, match="Set ASSAY_HOME to a folder that can be written"):
        open_authority(tmp_path / "file", now=NOW)


def test_the_home_follows_assay_home_then_the_data_folder_of_the_desktop(tmp_path: Path) -> None:
    both = {"ASSAY_HOME": str(tmp_path), "XDG_DATA_HOME": "/data"}
    assert data_home(both) == tmp_path
    assert data_home({"XDG_DATA_HOME": "/data"}) == Path("/data/assay")
    fallback = Path.home() / ".local" / "share" / "assay"
    assert data_home({}) == data_home({"XDG_DATA_HOME": "relative"}) == fallback
