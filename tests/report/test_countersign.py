"""A decision under the service's countersignature: what it says, and that nothing of it can be changed."""

from __future__ import annotations

import io
import random
import shutil
import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pikepdf
import pytest
from asn1crypto import x509 as asn1_x509
from pikepdf import Dictionary, Name, String
from pyhanko.pdf_utils.generic import ArrayObject, NumberObject, pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import SignatureCoverageLevel, validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from assay.errors import Internal
from assay.report import countersign as countersign_module
from assay.report.countersign import countersign
from assay.report.decision import (
    Decision,
    Person,
    dump_decision,
    load_decision,
    signed_name,
    signed_reason,
)
from assay.report.seal import quiet_update, seal
from assay.report.seal_bytes import AlteredSeal, read_seal, read_signatures
from assay.report.signature_fields import add_signature_fields
from assay.report.verify import Verification, verify
from tests.report.sealed_sample import (
    NOW,
    authority,
    countersigned,
    decided_report,
    decision,
    evidence,
    plain_report,
    report_with,
    sealed_report,
    sealed_with,
)


def check(data: bytes, *trust: bytes) -> Verification:
    return verify(data, trust=trust, authority=authority(), now=NOW)


def outcome(data: bytes) -> str:
    return check(data).outcome


# --- what is whole ------------------------------------------------------------------------------


def test_verify_says_who_decided_what_and_when() -> None:
    answer = check(decided_report())
    assert (answer.outcome, answer.exit_code) == ("intact", 0)
    assert answer.decision == decision()
    assert answer.evidence == evidence()
    assert answer.countersigned_at == NOW
    said = " ".join(answer.details)
    assert "Approved by Rita Reviewer (Reviewer) at 2026-11-22T10:20:00Z" in said
    assert "The gap is known and mended." in said
    assert "no signature by the person's own hand" in said
    assert "no reviewer has signed" not in said
    assert "Seal and countersignature cover every byte" in said


@pytest.mark.parametrize("taken", ["rejected", "changes"])
def test_a_refusal_is_countersigned_as_an_approval_is(taken: str) -> None:
    made = decision(taken)
    answer = check(countersign(sealed_with(made), made, authority(), when=NOW))
    assert answer.outcome == "intact"
    assert answer.decision is not None
    assert answer.decision.outcome == taken


def test_a_certified_edition_needs_no_countersignature_and_says_that_nobody_decided() -> None:
    answer = check(sealed_with(decision("awaiting")))
    assert (answer.outcome, answer.countersigned_at) == ("intact", None)
    assert any("no reviewer has decided in this edition" in sentence for sentence in answer.details)


def test_another_installation_s_decision_is_intact_but_not_trusted() -> None:
    answer = check(decided_report("theirs"))
    assert (answer.outcome, answer.exit_code) == ("untrusted", 3)
    assert check(decided_report("theirs"), authority("theirs").root).outcome == "intact"


def test_the_countersignature_is_appended_and_touches_no_byte_before_it() -> None:
    sealed = sealed_with(decision())
    signed = countersign(sealed, decision(), authority(), when=NOW)
    assert signed.startswith(sealed)
    assert read_signatures(signed).sealed_bytes == len(sealed)


def test_pyhanko_judges_both_signatures_valid() -> None:
    first, second = PdfFileReader(io.BytesIO(decided_report())).embedded_signatures
    root = asn1_x509.Certificate.load(authority().root)
    context = ValidationContext(trust_roots=[root], allow_fetching=False, moment=NOW)
    for signature in (first, second):
        status = validate_pdf_signature(signature, context)
        assert status.bottom_line
        assert status.trusted
    assert status.coverage is SignatureCoverageLevel.ENTIRE_FILE
    assert [first.field_name, second.field_name] == ["seal", "review"]


@pytest.mark.skipif(shutil.which("pdfsig") is None, reason="pdfsig (poppler-utils) is not installed")
def test_pdfsig_judges_both_signatures_valid(tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(decided_report())
    said = subprocess.run(["pdfsig", str(path)], capture_output=True, text=True, check=False).stdout
    assert said.count("Signature is Valid") == 2
    assert "Assay countersignature" in said


def test_the_signature_names_the_service_and_on_whose_behalf_it_signs() -> None:
    with pikepdf.open(io.BytesIO(decided_report())) as document:
        signature = document.Root.AcroForm.Fields[1].V
        assert str(signature.Name) == "Assay service, on behalf of Rita Reviewer"
        assert str(signature.Reason) == "APPROVED: The gap is known and mended."
        assert str(signature.M) == "D:20261122103000Z"
        field = document.Root.AcroForm.Fields[1]
        element = pikepdf.NumberTree(document.Root.StructTreeRoot.ParentTree)[int(field.StructParent)]
        assert element.S == "/Form"


def test_no_reason_can_pose_as_a_part_of_the_signature() -> None:
    hostile = decision(
        reason="/Contents <00>\n/ByteRange [0 1 2 3] ) >> endobj %%EOF \\) 審査 \U0001f50f " + "x" * 5_000,
        reviewer=Person(name="/T (seal) /ByteRange [0 1 2 3] \u202e\x1b[31m", role="<b>"),
    )
    answer = check(countersign(sealed_with(hostile), hostile, authority(), when=NOW))
    assert answer.outcome == "intact"
    assert answer.decision == hostile
    assert all(sentence.isprintable() for sentence in answer.details)


# --- what cannot be countersigned ---------------------------------------------------------------


def test_only_a_sealed_report_of_the_same_authority_is_countersigned() -> None:
    for report, sentence in (
        (plain_report(), "carries no seal"),
        (sealed_with(decision(), "theirs"), "the authority that sealed it"),
        (decided_report(), "where its seal should be"),
    ):
        with pytest.raises(Internal, match=sentence):
            countersign(report, decision(), authority(), when=NOW)


def test_nothing_undecided_is_countersigned() -> None:
    for what in ("draft", "awaiting"):
        with pytest.raises(Internal, match="Nothing was decided"):
            countersign(sealed_with(decision(what)), decision(what), authority(), when=NOW)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(Internal, match="time zone"):
        countersign(sealed_with(decision()), decision(), authority(), when=datetime(2026, 11, 22))


def test_a_countersigning_key_signs_once_and_is_kept_nowhere() -> None:
    keys = set((authority().folder / "keys").iterdir())
    signer = authority().countersigner(NOW)
    signer.sign(b"one")
    with pytest.raises(ValueError, match="signed already"):
        signer.sign(b"two")
    assert set((authority().folder / "keys").iterdir()) == keys


# --- flips, cuts and additions ------------------------------------------------------------------


def test_no_bit_of_either_signature_can_change() -> None:
    report = decided_report()
    found = read_signatures(report)
    assert found.countersignature is not None
    damaged, choice = bytearray(report), random.Random(7)
    for start, stop in (found.seal.gap, found.countersignature.gap):
        for place in range(start, stop):
            damaged[place] ^= 1 << choice.randrange(8)
            assert outcome(bytes(damaged)) == "altered", place
            damaged[place] = report[place]


def test_no_byte_of_the_countersignature_s_update_can_change() -> None:
    report = decided_report()
    damaged, choice = bytearray(report), random.Random(11)
    sealed_bytes = read_signatures(report).sealed_bytes
    places = [*range(sealed_bytes - 400, len(report)), *choice.sample(range(sealed_bytes), 2_000)]
    for place in places:
        damaged[place] ^= 1 << choice.randrange(8)
        assert outcome(bytes(damaged)) == "altered", place
        damaged[place] = report[place]


def test_a_removed_countersignature_is_found() -> None:
    report = decided_report()
    answer = check(report[: read_signatures(report).sealed_bytes])
    assert answer.outcome == "altered"
    assert "its countersignature was removed" in answer.details[0]
    assert answer.evidence is None


def test_no_shortened_report_verifies() -> None:
    report = decided_report()
    for length in range(read_signatures(report).sealed_bytes + 1, len(report), 53):
        assert outcome(report[:length]) == "altered"


@pytest.mark.parametrize("extra", [b"\n", b" ", b"%%EOF\n", b"1 0 obj\n<<>>\nendobj\n"])
def test_nothing_can_follow_or_stand_between(extra: bytes) -> None:
    report = decided_report()
    sealed = read_signatures(report).sealed_bytes
    assert outcome(report + extra) == "altered"
    assert outcome(report[:sealed] + extra + report[sealed:]) == "altered"


def test_an_update_after_the_countersignature_is_found() -> None:
    writer = IncrementalPdfFileWriter(io.BytesIO(decided_report()))
    page = writer.root["/Pages"]["/Kids"][0]
    page[pdf_name("/MediaBox")] = ArrayObject(NumberObject(n) for n in (0, 0, 10, 10))
    writer.update_container(page)
    changed = io.BytesIO()
    writer.write(changed)
    assert outcome(changed.getvalue()) == "altered"


# --- foreign, moved and misleading signatures ---------------------------------------------------


def _foreign(data: bytes, by: str, what: Decision) -> bytes:
    """Countersigned by another authority, with the guard against that taken away."""
    patch = pytest.MonkeyPatch()
    theirs = authority(by)
    with patch.context() as context:
        context.setattr(
            "assay.report.seal_bytes.read_seal",
            lambda sealed: read_seal(sealed)._replace(root=theirs.root),
        )
        context.setattr("assay.report.seal_bytes.read_signatures", lambda signed: None)
        return countersign_module.countersign(data, what, theirs, when=NOW)


def test_a_foreign_countersignature_is_found() -> None:
    report = _foreign(sealed_with(decision()), "theirs", decision())
    with pytest.raises(AlteredSeal, match="another authority"):
        read_signatures(report)
    assert outcome(report) == "altered"
    assert check(report, authority("theirs").root).outcome == "altered"


def test_another_tool_s_signature_is_no_countersignature() -> None:
    for signer in ("ours", "theirs"):
        assert outcome(countersigned(sealed_with(decision()), authority(signer))) == "altered"


def test_a_countersignature_cannot_be_moved_to_another_report() -> None:
    report = decided_report()
    update = report[read_signatures(report).sealed_bytes :]
    other = sealed_with(decision(reason="Another reason."))
    assert outcome(other + update) == "altered"
    assert outcome(sealed_report() + update) == "altered"


def test_the_attached_decision_must_be_the_countersigned_one() -> None:
    milder = decision(conditions="none", reason="Fine.")
    report = countersign(sealed_with(decision()), milder, authority(), when=NOW)
    answer = check(report)
    assert answer.outcome == "altered"
    assert "another decision than the attached one" in answer.details[0]


def test_a_decision_about_another_snapshot_is_found() -> None:
    other = decision(snapshot_digest="cd" * 32)
    report = countersign(sealed_with(other), other, authority(), when=NOW)
    assert "about another snapshot" in check(report).details[0]


def test_a_countersignature_without_a_decision_is_found() -> None:
    report = countersign(sealed_report(), decision(), authority(), when=NOW)
    assert outcome(report) == "altered"
    awaiting = countersign(sealed_with(decision("awaiting")), decision(), authority(), when=NOW)
    assert "nothing was decided" in check(awaiting).details[0]


def test_a_countersignature_before_its_seal_is_not_accepted() -> None:
    report = countersign(sealed_with(decision()), decision(), authority(), when=NOW - timedelta(minutes=30))
    assert outcome(report) == "untrusted"


def test_a_countersignature_in_the_seal_s_place_is_no_seal(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = add_signature_fields(report_with(evidence(), decided=dump_decision(decision())))
    monkeypatch.setattr("assay.report.seal_bytes.read_seal", lambda sealed: read_seal(sealed_report()))
    monkeypatch.setattr("assay.report.seal_bytes.read_signatures", lambda signed: None)
    alone = countersign(prepared, decision(), authority(), when=NOW)
    monkeypatch.undo()
    assert outcome(alone) == "altered"


def _changes_a_page(update: IncrementalPdfFileWriter) -> None:
    page = update.root["/Pages"]["/Kids"][0]
    page[pdf_name("/Rotate")] = NumberObject(90)
    update.update_container(page)


def _adds_an_object(update: IncrementalPdfFileWriter) -> None:
    update.add_object(ArrayObject([NumberObject(1)]))


def _relabels_the_field(update: IncrementalPdfFileWriter) -> None:
    field = update.root["/AcroForm"]["/Fields"][1]
    field[pdf_name("/F")] = NumberObject(2)
    update.mark_update(update.root["/AcroForm"]["/Fields"].raw_get(1))


@pytest.mark.parametrize("change", [_changes_a_page, _adds_an_object, _relabels_the_field])
def test_even_our_own_countersignature_may_change_nothing_else(
    change: Callable[[IncrementalPdfFileWriter], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def update_with_more(pdf: bytes) -> IncrementalPdfFileWriter:
        update: IncrementalPdfFileWriter = quiet_update(pdf)
        change(update)
        return update

    sealed = sealed_with(decision())
    monkeypatch.setattr("assay.report.countersign.quiet_update", update_with_more)
    answer = check(countersign(sealed, decision(), authority(), when=NOW))
    assert answer.outcome == "altered"
    assert "More than the reviewer's field" in answer.details[0]


def test_a_decision_spelt_otherwise_makes_no_report() -> None:
    for attached in (
        b"",
        b"{}",
        b"[" * 100_000,
        dump_decision(decision()).replace(b'"approved"', b'"approved "'),
        dump_decision(decision()).replace(b'{"', b'{ "', 1),
        dump_decision(decision())[:-2] + b',"schema":"assay.decision/1"}\n',
        dump_decision(decision(reviewer=None)),
    ):
        report = seal(report_with(evidence(), decided=attached), authority(), when=NOW)
        assert check(report).exit_code in (1, 2), attached[:60]


def test_two_decisions_make_no_report() -> None:
    prepared = add_signature_fields(report_with(evidence(), decided=dump_decision(decision())))
    with pikepdf.open(io.BytesIO(prepared)) as document:
        document.Root.Names.EmbeddedFiles.Names.extend(
            [String("zz"), Dictionary(Type=Name.Filespec, F=String("decision.json"), EF=Dictionary())]
        )
        packed = io.BytesIO()
        document.save(packed, fix_metadata_version=False)
    report = countersign(seal(packed.getvalue(), authority(), when=NOW), decision(), authority(), when=NOW)
    assert check(report).exit_code in (1, 2)


# --- the words that are signed ------------------------------------------------------------------


def test_a_decision_reads_back_as_it_was_written() -> None:
    assert load_decision(dump_decision(decision())) == decision()


def test_the_signed_words_say_outcome_reason_and_behalf() -> None:
    assert signed_reason(decision("changes", reason="Two\n lines ")) == "CHANGES REQUESTED: Two lines"
    assert signed_reason(decision(reason=" ")) == "APPROVED: no reason was given"
    assert len(signed_reason(decision(reason="long " * 1_000))) < 700
    assert signed_name(decision()) == "Assay service, on behalf of Rita Reviewer"
