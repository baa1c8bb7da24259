"""Somebody wants a changed or foreign report to pass: what they could try, and that it never gives a zero."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable
from pathlib import Path

import pikepdf
import pytest
from pyhanko.pdf_utils.generic import ArrayObject, NumberObject, pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import signers
from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter

from assay.report.authority import Authority, open_authority
from assay.report.seal import seal
from assay.report.seal_bytes import AlteredSeal, read_seal
from assay.report.seal_message import compose, take_apart
from assay.report.signature_fields import add_signature_fields
from assay.report.verify import Verification, verify
from tests.report.sealed_sample import (
    NOW,
    authority,
    countersigned,
    evidence,
    plain_report,
    pyhanko_signer,
    report_with,
    sealed_report,
)


def check(data: bytes) -> Verification:
    return verify(data, authority=authority(), now=NOW)


def outcome(data: bytes) -> str:
    return check(data).outcome


# --- bytes taken away, added or moved -----------------------------------------------------------


def test_no_shortened_report_verifies() -> None:
    sealed = sealed_report()
    appended = read_seal(sealed).gap[0]
    for length in range(0, len(sealed), 97):
        found = outcome(sealed[:length])
        assert found == "altered" if length > appended else found in ("altered", "not_a_report")
    assert outcome(sealed[:-1]) == "altered"
    assert outcome(sealed[1:]) == "altered"


@pytest.mark.parametrize("extra", [b"\n", b"\0", b" ", b"%", b"%%EOF\n", b"1 0 obj\n<<>>\nendobj\n"])
def test_no_byte_may_follow_or_precede(extra: bytes) -> None:
    assert outcome(sealed_report() + extra) == "altered"
    assert outcome(extra + sealed_report()) == "altered"


def test_two_reports_in_one_file_do_not_verify() -> None:
    assert outcome(sealed_report("theirs") + sealed_report()) == "altered"


@pytest.mark.parametrize(
    "numbers",
    [
        b"[0 0 0 0]",
        b"[0 -1 5 9]",
        b"[0 1 2 99999999999999999999999999999999999999]",
        b"[0 999999999999 999999999999 999999999999]",
        b"[1 1 1 1]",
        b"[0 1 2]",
        b"[0 1 2 3 4 5]",
        b"[0 1e3 2 3]",
        b"[0 18446744073709551615 1 1]",
        b"[]",
        b"",
    ],
)
def test_strange_byte_ranges_get_an_answer(numbers: bytes) -> None:
    assert outcome(re.sub(rb"\[0 \d+ \d+ \d+\]", numbers, sealed_report())) == "altered"


def _with_range(data: bytes, start: int, stop: int) -> bytes:
    """`data` with the byte range [0 start stop rest], in the room of the old one."""
    rest = len(data) - stop
    numbers = f"[0 {start} {stop} {rest}]".encode()
    return re.sub(rb"\[0 \d+ \d+ \d+\] *", lambda old: numbers.ljust(len(old[0])), data)


@pytest.mark.parametrize(
    ("before", "after"), [(0, 1), (0, -1), (1, 0), (-1, 0), (0, 200), (-200, 0), (1, -1)]
)
def test_the_part_left_out_cannot_grow_shrink_or_move(before: int, after: int) -> None:
    start, stop = read_seal(sealed_report()).gap
    assert outcome(_with_range(sealed_report(), start + before, stop + after)) == "altered"


@pytest.mark.parametrize("evil", [b"\n", b"/Reason (signed by a reviewer)", b"0" * 64])
def test_nothing_can_be_wrapped_into_the_part_left_out(evil: bytes) -> None:
    sealed = sealed_report()
    start, stop = read_seal(sealed).gap
    for place in (stop - 1, stop):
        longer = sealed[:place] + evil + sealed[place:]
        assert outcome(longer) == "altered"
        assert outcome(_with_range(longer, start, stop + len(evil))) == "altered"


@pytest.mark.parametrize("change", [bytes.lower, bytes.swapcase], ids=["lower", "swapped"])
def test_the_seal_has_one_spelling(change: Callable[[bytes], bytes]) -> None:
    sealed = sealed_report()
    start, stop = read_seal(sealed).gap
    assert outcome(sealed[:start] + change(sealed[start:stop]) + sealed[stop:]) == "altered"


# --- later updates ------------------------------------------------------------------------------


def test_a_page_cannot_be_changed_by_an_update() -> None:
    writer = IncrementalPdfFileWriter(io.BytesIO(sealed_report()))
    page = writer.root["/Pages"]["/Kids"][0]
    page[pdf_name("/MediaBox")] = ArrayObject(NumberObject(n) for n in (0, 0, 10, 10))
    writer.update_container(page)
    changed = io.BytesIO()
    writer.write(changed)
    assert changed.getvalue().startswith(sealed_report())
    assert outcome(changed.getvalue()) == "altered"


def test_a_second_signature_is_an_addition_whoever_made_it() -> None:
    for signer in ("theirs", "ours"):
        assert outcome(countersigned(sealed_report(), authority(signer))) == "altered"


def test_a_rewritten_report_does_not_verify() -> None:
    with pikepdf.open(io.BytesIO(sealed_report())) as document:
        rewritten = io.BytesIO()
        document.save(rewritten)
    assert outcome(rewritten.getvalue()) in ("altered", "not_a_report")


def test_a_swapped_attachment_does_not_verify() -> None:
    with pikepdf.open(io.BytesIO(sealed_report())) as document:
        document.attachments["evidence.json"] = pikepdf.AttachedFileSpec(
            document, evidence(title="Better"), filename="evidence.json"
        )
        rewritten = io.BytesIO()
        document.save(rewritten)
    assert outcome(rewritten.getvalue()) in ("altered", "not_a_report")


# --- the parts of the message that its signature does not cover ---------------------------------


def _with_message(data: bytes, message: bytes) -> bytes:
    start, stop = read_seal(data).gap
    assert stop - start == 2 * len(message) + 2
    return data[: start + 1] + message.hex().upper().encode() + data[stop - 1 :]


def test_a_signature_value_cannot_be_replaced_by_an_equivalent_one() -> None:
    # Under RSA, s and s + n are the same number to a careless verifier.
    for second in range(40):
        sealed = seal(plain_report(), authority(), when=NOW.replace(second=second))
        found = read_seal(sealed)
        value = take_apart(found.message).signature
        equivalent = int.from_bytes(value, "big") + _modulus(found.pair.seal)
        if equivalent.bit_length() <= 8 * len(value):
            break
    else:
        pytest.fail("no signature in 40 left room for the attack")
    forged = found.message.replace(value, equivalent.to_bytes(len(value), "big"))
    assert forged != found.message
    assert outcome(_with_message(sealed, forged)) == "altered"


def _modulus(certificate: object) -> int:
    numbers = certificate.public_key().public_numbers()  # type: ignore[attr-defined]
    return int(numbers.n)


def test_a_trusted_key_used_by_another_tool_is_not_our_seal() -> None:
    # pyHanko's own message: right signature and certificate, but padding and another form.
    signed = signers.sign_pdf(
        IncrementalPdfFileWriter(io.BytesIO(add_signature_fields(plain_report()))),
        signers.PdfSignatureMetadata(
            field_name="seal",
            md_algorithm="sha256",
            subfilter=SigSeedSubFilter.PADES,
            certify=True,
            docmdp_permissions=MDPPerm.FILL_FORMS,
        ),
        signer=pyhanko_signer(authority()),
        existing_fields_only=True,
    ).getvalue()
    assert outcome(signed) == "altered"


# --- authorities that look like ours ------------------------------------------------------------


@pytest.fixture
def impostor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """Another authority with our names and our serial numbers."""
    serials = iter(
        [
            read_seal(sealed_report()).pair.root.serial_number,
            read_seal(sealed_report()).pair.seal.serial_number,
        ]
    )
    monkeypatch.setattr("cryptography.x509.random_serial_number", lambda: next(serials))
    return open_authority(tmp_path, now=NOW)


def test_the_same_names_and_numbers_earn_no_trust(impostor: Authority) -> None:
    forged = seal(plain_report(), impostor, when=NOW)
    ours, theirs = read_seal(sealed_report()).pair, read_seal(forged).pair
    assert [c.subject for c in theirs] == [c.subject for c in ours]
    assert [c.serial_number for c in theirs] == [c.serial_number for c in ours]
    assert outcome(forged) == "untrusted"


def test_our_certificates_cannot_be_put_into_a_stranger_s_seal(impostor: Authority) -> None:
    forged = seal(plain_report(), impostor, when=NOW)
    start, stop = read_seal(forged).gap
    document_digest = hashlib.sha256(forged[:start] + forged[stop:]).digest()
    value = take_apart(read_seal(forged).message).signature
    for root, sealing in (
        (authority().root, impostor.seal),
        (impostor.root, authority().seal),
        (authority().root, authority().seal),
    ):
        mixed = _with_message(forged, compose(root, sealing, document_digest, value))
        assert outcome(mixed) == "altered"


@pytest.mark.parametrize("which", ["root", "seal"])
def test_no_byte_of_an_embedded_certificate_can_count_up(which: str) -> None:
    # Counting up reaches what bit flips in the hexadecimal digits do not: a negative serial number, for one.
    found = read_seal(sealed_report())
    certificate = getattr(found, which)
    for place in range(len(certificate)):
        for step in (1, 0x80):
            value = bytes([(certificate[place] + step) % 256])
            changed = certificate[:place] + value + certificate[place + 1 :]
            message = found.message.replace(certificate, changed)
            assert outcome(_with_message(sealed_report(), message)) == "altered"


def test_our_seal_does_not_fit_another_document() -> None:
    other = seal(report_with(evidence(title="Better")), authority(), when=NOW)
    assert outcome(_with_message(other, read_seal(sealed_report()).message)) == "altered"


def test_a_root_cannot_seal_by_itself(tmp_path: Path) -> None:
    ours = open_authority(tmp_path, now=NOW)
    twice = Authority(ours.folder, ours.root, ours.root)
    with pytest.raises(AlteredSeal, match="do not have the rights"):
        seal(plain_report(), twice, when=NOW)


def test_a_stranger_s_name_cannot_write_to_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assay.report import certificates

    real = certificates._name
    monkeypatch.setattr(certificates, "_name", lambda common: real("\x1b[2J\u202eour own\n" + "x" * 40))
    stranger = open_authority(tmp_path, now=NOW)
    answer = check(seal(plain_report(), stranger, when=NOW))
    assert answer.outcome == "untrusted"
    said = " ".join(answer.details)
    assert said.isprintable()
    assert "our own" in said


def test_a_time_outside_the_certificate_is_not_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    from assay.report import seal as module

    late = NOW.replace(year=NOW.year + 6)
    # What somebody with a stolen, expired key would do: sign anyway.
    monkeypatch.setattr(module, "_check_life", lambda *_: None)
    answer = check(seal(plain_report(), authority(), when=late))
    assert answer.outcome == "untrusted"
    assert any("outside the life" in sentence for sentence in answer.details)
