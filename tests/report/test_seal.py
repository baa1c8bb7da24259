"""A seal changes nothing of the report, and other people's tools agree that it is valid."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from asn1crypto import cms
from asn1crypto import x509 as asn1_x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import MDPPerm
from pyhanko.sign.validation import SignatureCoverageLevel, validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from assay.errors import AssayError, Internal
from assay.report.certificates import fingerprint
from assay.report.seal import SEAL_REASON, seal
from assay.report.seal_bytes import read_seal
from assay.report.signature_fields import add_signature_fields
from assay.report.verify import verify
from tests.report.sealed_sample import NOW, authority, countersigned, evidence, plain_report, sealed_report


def _open(data: bytes) -> pikepdf.Pdf:
    return pikepdf.open(io.BytesIO(data), attempt_recovery=False)


def _structure(node: Any) -> list[Any]:
    """The tag tree as nested lists of structure types."""
    kids = node.get("/K", [])
    if not isinstance(kids, pikepdf.Array):
        kids = [kids]
    inner = [_structure(kid) for kid in kids if isinstance(kid, pikepdf.Dictionary) and "/S" in kid]
    return [str(node.get("/S", "root")), *inner]


def test_tags_identifier_metadata_and_attachment_survive() -> None:
    with _open(plain_report()) as before, _open(sealed_report()) as after:
        tagged, sealed = (_structure(document.Root.StructTreeRoot)[1] for document in (before, after))
        assert sealed[:-2] == tagged
        assert sealed[-2:] == [["/Form"], ["/Form"]]
        assert bytes(after.trailer.ID[0]) == bytes(before.trailer.ID[0])
        assert after.Root.Metadata.read_bytes() == before.Root.Metadata.read_bytes()
        assert after.docinfo.as_dict() == before.docinfo.as_dict()
        assert after.attachments["evidence.json"].get_file().read_bytes() == evidence()
        assert after.Root.AF[0].AFRelationship == "/Data"
        assert after.Root.MarkInfo.Marked
        for old, new in zip(before.pages, after.pages, strict=True):
            assert new.Contents.read_bytes() == old.Contents.read_bytes()


def test_the_seal_is_appended_and_touches_no_byte_before_it() -> None:
    prepared = add_signature_fields(plain_report())
    sealed = seal(prepared, authority(), when=NOW)
    assert sealed.startswith(prepared)


def test_both_fields_stand_in_the_tag_tree_as_pdf_ua_wants() -> None:
    with _open(sealed_report()) as document:
        fields = list(document.Root.AcroForm.Fields)
        assert [str(field.T) for field in fields] == ["seal", "review"]
        parents = pikepdf.NumberTree(document.Root.StructTreeRoot.ParentTree)
        page = document.pages[-1]
        assert page.Tabs == "/S"
        assert [a.objgen for a in page.Annots] == [field.objgen for field in fields]
        for field in fields:
            element = parents[int(field.StructParent)]
            assert element.S == "/Form"
            assert element.K.Type == "/OBJR"
            assert element.K.Obj.objgen == field.objgen
            assert element.Pg.objgen == page.objgen
            assert str(field.TU)
        assert document.Root.StructTreeRoot.ParentTreeNextKey > max(parents)


def test_both_fields_keep_to_pdf_a() -> None:
    hidden = 1 | 2 | 32 | 256  # Invisible, Hidden, NoView, ToggleNoView
    with _open(sealed_report()) as document:
        assert "/NeedAppearances" not in document.Root.AcroForm
        assert document.Root.AcroForm.SigFlags == 3
        for field in document.Root.AcroForm.Fields:
            assert int(field.F) & 4
            assert not int(field.F) & hidden
            # A widget without extent needs no appearance (ISO 19005-3, 6.3.3).
            assert [float(edge) for edge in field.Rect] == [0, 0, 0, 0]


def test_fields_are_laid_the_same_way_each_time() -> None:
    assert add_signature_fields(plain_report()) == add_signature_fields(plain_report())


def test_pyhanko_judges_the_seal_valid_and_the_whole_file_covered() -> None:
    (signature,) = PdfFileReader(io.BytesIO(sealed_report())).embedded_signatures
    root = asn1_x509.Certificate.load(authority().root)
    context = ValidationContext(trust_roots=[root], allow_fetching=False, moment=NOW)
    status = validate_pdf_signature(signature, context)
    assert status.bottom_line
    assert status.trusted
    assert status.coverage is SignatureCoverageLevel.ENTIRE_FILE
    assert signature.docmdp_level is MDPPerm.FILL_FORMS
    assert signature.field_name == "seal"


def test_pyhanko_accepts_a_respelt_seal_that_verify_refuses() -> None:
    # The reason why our verifier compares bytes: this one would pass with a validator alone.
    start, stop = read_seal(sealed_report()).gap
    sealed = sealed_report()
    respelt = sealed[:start] + sealed[start:stop].lower() + sealed[stop:]
    (signature,) = PdfFileReader(io.BytesIO(respelt)).embedded_signatures
    root = asn1_x509.Certificate.load(authority().root)
    context = ValidationContext(trust_roots=[root], allow_fetching=False, moment=NOW)
    assert validate_pdf_signature(signature, context).bottom_line
    assert verify(respelt, authority=authority()).outcome == "altered"


@pytest.mark.skipif(shutil.which("pdfsig") is None, reason="pdfsig (poppler-utils) is not installed")
def test_pdfsig_judges_the_seal_valid_and_the_whole_file_covered(tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(sealed_report())
    said = subprocess.run(["pdfsig", str(path)], capture_output=True, text=True, check=False).stdout
    assert "Signature is Valid" in said
    assert "Total document signed" in said
    assert "ETSI.CAdES.detached" in said
    damaged = bytearray(sealed_report())
    damaged[len(damaged) // 10] ^= 1
    path.write_bytes(bytes(damaged))
    said = subprocess.run(["pdfsig", str(path)], capture_output=True, text=True, check=False).stdout
    assert "Signature is Valid" not in said


def test_the_message_follows_pades_b_b() -> None:
    message = read_seal(sealed_report()).message
    info = cms.ContentInfo.load(message, strict=True)
    assert info.dump(force=True) == message
    content = info["content"]
    (signer,) = content["signer_infos"]
    attributes = {a["type"].native: a["values"][0].native for a in signer["signed_attrs"]}
    assert attributes["content_type"] == content["encap_content_info"]["content_type"].native == "data"
    assert content["encap_content_info"]["content"].native is None
    (bound,) = attributes["signing_certificate_v2"]["certs"]
    assert bound["cert_hash"].hex() == fingerprint(authority().seal)
    # ETSI EN 319 142-1: the claimed time stands in /M, not in a signed attribute.
    assert "signing_time" not in attributes
    assert signer["unsigned_attrs"].native is None


def test_the_signature_says_what_it_attests_and_when() -> None:
    with _open(seal(plain_report(), authority(), when=NOW)) as document:
        signature = document.Root.AcroForm.Fields[0].V
        assert str(signature.Reason) == SEAL_REASON
        assert str(signature.M) == "D:20261122103000Z"
        assert document.Root.Perms.DocMDP.objgen == signature.objgen
    assert "attests that the report left the service" in SEAL_REASON
    assert "No reviewer has signed" in SEAL_REASON
    assert "the service's own statement" in SEAL_REASON


def test_any_reason_and_zone_is_kept() -> None:
    reason = 'Zażółć (gęślą) \\ jaźń "<>" 審査 \U0001f50f'
    zone = timezone(timedelta(hours=5, minutes=30))
    with _open(seal(plain_report(), authority(), reason=reason, when=NOW.astimezone(zone))) as document:
        assert str(document.Root.AcroForm.Fields[0].V.Reason) == reason
        assert str(document.Root.AcroForm.Fields[0].V.M) == "D:20261122103000Z"


def test_the_seal_has_no_padding() -> None:
    sealed = sealed_report()
    found = read_seal(sealed)
    assert found.gap[1] - found.gap[0] == 2 * len(found.message) + 2


def test_a_reviewer_can_countersign_without_breaking_the_seal() -> None:
    signed = countersigned(sealed_report(), authority("reviewer"))
    first, second = PdfFileReader(io.BytesIO(signed)).embedded_signatures
    roots = [asn1_x509.Certificate.load(root) for root in (authority().root, authority("reviewer").root)]
    context = ValidationContext(trust_roots=roots, allow_fetching=False, moment=NOW)
    for signature in (first, second):
        assert validate_pdf_signature(signature, context).bottom_line
    assert [first.field_name, second.field_name] == ["seal", "review"]


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (b"no pdf at all", "is not a PDF"),
        (b"", "is not a PDF"),
    ],
)
def test_what_is_no_pdf_is_not_sealed(document: bytes, sentence: str) -> None:
    with pytest.raises(Internal, match=sentence):
        seal(document, authority(), when=NOW)


def test_an_untagged_document_is_not_sealed() -> None:
    bare = io.BytesIO()
    with pikepdf.new() as document:
        document.add_blank_page()
        document.save(bare)
    with pytest.raises(Internal, match="must be tagged"):
        seal(bare.getvalue(), authority(), when=NOW)


def test_a_sealed_report_is_not_sealed_again() -> None:
    with pytest.raises(Internal, match="cannot be sealed"):
        seal(sealed_report(), authority(), when=NOW)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(Internal, match="time zone"):
        seal(plain_report(), authority(), when=datetime(2026, 11, 22))


def test_a_clock_outside_the_certificate_s_life_is_named() -> None:
    with pytest.raises(AssayError, match="Check this machine's clock"):
        seal(plain_report(), authority(), when=NOW - timedelta(days=2))


def test_importing_the_sealing_code_loads_no_heavy_library() -> None:
    script = (
        "import sys, assay.report.authority, assay.report.seal, assay.report.verify\n"
        "print(*{'pyhanko', 'pikepdf', 'cryptography', 'pydantic', 'numpy'} & set(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert said.strip() == ""
