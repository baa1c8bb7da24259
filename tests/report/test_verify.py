"""What verifies is, to the last bit, what was sealed; everything else gets an answer and never a zero."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import BadInput
from assay.report.authority import find_authority
from assay.report.seal import seal
from assay.report.seal_bytes import read_seal
from assay.report.verify import Verification, verify
from tests.report.sealed_sample import NOW, authority, evidence, plain_report, report_with, sealed_report


def check(data: bytes, *trust: bytes) -> Verification:
    return verify(data, trust=trust, authority=authority(), now=NOW)


def outcome(data: bytes) -> str:
    return check(data).outcome


# --- what is whole ------------------------------------------------------------------------------


def test_a_sealed_report_is_intact_and_gives_its_evidence_back() -> None:
    answer = check(sealed_report())
    assert (answer.outcome, answer.exit_code) == ("intact", 0)
    assert answer.evidence == evidence()
    assert answer.snapshot_digest is not None
    assert answer.snapshot_digest.encode() in evidence()
    assert answer.sealed_at == NOW
    assert answer.signer is not None
    assert answer.signer.startswith("Assay seal of Assay local authority ")


def test_the_answer_says_what_a_seal_is_not() -> None:
    said = " ".join(check(sealed_report()).details)
    assert "no reviewer has signed" in said
    assert "by the sealing machine's own clock; no time-stamp authority vouches for it" in said


def test_another_installation_s_report_is_intact_but_not_trusted() -> None:
    answer = check(sealed_report("theirs"))
    assert (answer.outcome, answer.exit_code) == ("untrusted", 3)
    assert answer.evidence == evidence()
    assert answer.fingerprint is not None
    assert any(answer.fingerprint in sentence and "--trust" in sentence for sentence in answer.details)


@pytest.mark.parametrize("form", ["root pem", "root der", "sealing der"])
def test_a_certificate_given_as_trusted_is_trusted(form: str) -> None:
    theirs = authority("theirs")
    given = {
        "root pem": theirs.certificate_pem().encode(),
        "root der": theirs.root,
        "sealing der": theirs.seal,
    }[form]
    assert check(sealed_report("theirs"), authority("fourth").root, given).outcome == "intact"


def test_nothing_is_trusted_by_a_reader_without_authority_or_certificate() -> None:
    assert verify(sealed_report()).outcome == "untrusted"


def test_a_trust_file_that_is_no_certificate_is_named() -> None:
    for rubbish in (b"", b"rubbish", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        with pytest.raises(BadInput, match="--trust"):
            check(sealed_report(), rubbish)


def test_checking_makes_no_authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    verify(sealed_report(), authority=find_authority())
    assert list(tmp_path.iterdir()) == []


def test_an_expired_certificate_is_explained_and_changes_nothing() -> None:
    answer = verify(sealed_report(), authority=authority(), now=NOW + timedelta(days=6 * 365))
    assert answer.outcome == "intact"
    assert any("sealing certificate expired on 2031-11-22" in sentence for sentence in answer.details)


def test_a_seal_from_the_future_is_remarked_on() -> None:
    answer = verify(sealed_report(), authority=authority(), now=NOW - timedelta(days=30))
    assert any("ahead of this machine's clock" in sentence for sentence in answer.details)


# --- what is not a report -----------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"%PDF-", b"%PDF-1.7\n%%EOF\n", b"PK\x03\x04", b"{}", bytes(1000)])
def test_what_is_no_report_is_called_so(data: bytes) -> None:
    assert check(data).exit_code == 2


def test_a_report_that_was_never_sealed_is_no_sealed_report() -> None:
    assert check(plain_report()).exit_code == 2


def test_a_file_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.report.verify.MAX_BYTES", len(sealed_report()) - 1)
    assert outcome(sealed_report()) == "not_a_report"


# --- flips --------------------------------------------------------------------------------------


def test_no_single_bit_of_the_seal_itself_can_change() -> None:
    sealed = sealed_report()
    start, stop = read_seal(sealed).gap
    damaged = bytearray(sealed)
    for place in range(start, stop):
        for bit in range(8):
            damaged[place] ^= 1 << bit
            assert outcome(bytes(damaged)) == "altered", (place, bit)
            damaged[place] = sealed[place]


def test_no_sampled_bit_elsewhere_can_change() -> None:
    sealed = sealed_report()
    start, stop = read_seal(sealed).gap
    choice = random.Random(20261122)
    places = [p for p in choice.sample(range(len(sealed)), 4_000) if not start <= p < stop]
    # Every byte around the seal and at both ends, where the structure that locates it stands.
    places += [*range(start - 300, start), *range(stop, len(sealed)), *range(100)]
    damaged = bytearray(sealed)
    for place in places:
        damaged[place] ^= 1 << choice.randrange(8)
        assert outcome(bytes(damaged)) == "altered", place
        damaged[place] = sealed[place]


_EDITS = st.lists(
    st.tuples(
        st.sampled_from(["replace", "insert", "delete", "repeat", "swap"]),
        st.integers(0, 25_000),
        st.integers(0, 25_000),
        st.binary(min_size=1, max_size=40),
    ),
    min_size=1,
    max_size=4,
)


def _edited(data: bytes, edits: list[tuple[str, int, int, bytes]]) -> bytes:
    for kind, one, other, new in edits:
        low, high = sorted((min(one, len(data)), min(other, len(data))))
        if kind == "replace":
            data = data[:low] + new + data[low + len(new) :]
        elif kind == "insert":
            data = data[:low] + new + data[low:]
        elif kind == "delete":
            data = data[:low] + data[high:]
        elif kind == "repeat":
            data = data[:high] + data[low:]
        else:
            data = data[high:] + data[low:high] + data[:low]
    return data


@settings(max_examples=250, deadline=None)
@given(_EDITS)
def test_no_random_edit_verifies(edits: list[tuple[str, int, int, bytes]]) -> None:
    changed = _edited(sealed_report(), edits)
    if changed != sealed_report():
        assert outcome(changed) in ("altered", "not_a_report")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=3_000), st.sampled_from([b"", b"%PDF-1.7\n"]))
def test_random_bytes_get_an_answer(noise: bytes, head: bytes) -> None:
    assert outcome(head + noise) in ("altered", "not_a_report")


# --- the evidence inside ------------------------------------------------------------------------


def _sealed_with(attached: bytes, digest: str = "") -> bytes:
    return seal(report_with(attached, digest), authority(), when=NOW)


def test_evidence_that_does_not_recompute_is_altered_even_under_a_good_seal() -> None:
    wrong = evidence().replace(b"Sample", b"Simple")
    answer = check(_sealed_with(wrong))
    assert answer.outcome == "altered"
    assert answer.evidence is None


def test_metadata_must_name_the_snapshot_that_is_attached() -> None:
    right = check(sealed_report()).snapshot_digest
    assert right is not None
    assert check(_sealed_with(evidence(), right)).outcome == "intact"
    assert check(_sealed_with(evidence(), "ab" * 32)).outcome == "altered"


@pytest.mark.parametrize(
    "attached",
    [
        b"",
        b"not json",
        b"[1, 2]",
        b'{"schema": "something/else"}',
        b'{"schema": "assay.evidence/1", "x": NaN}',
        b'{"schema": "assay.evidence/1", "x": 1, "x": 2}',
        b'{"schema": "assay.evidence/1", "x": 123456789012345678901234567890}',
        b"[" * 200_000,
        b'{"schema": "assay.evidence/1", "x": ' + b"[" * 900 + b"]" * 900 + b"}",
        b"\xff\xfe{}",
    ],
    ids=lambda attached: repr(attached[:30]),
)
def test_an_attachment_that_is_no_evidence_makes_no_report(attached: bytes) -> None:
    assert check(_sealed_with(attached)).exit_code in (1, 2)
