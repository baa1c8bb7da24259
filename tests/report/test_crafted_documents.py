"""Documents under a perfectly good seal that were built to mislead, crash or hang a reader: no report."""

from __future__ import annotations

import io
import time
import zlib
from collections.abc import Callable

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name, String

from assay.report.seal import seal
from assay.report.signature_fields import add_signature_fields
from assay.report.verify import Verification, verify
from tests.report.sealed_sample import NOW, authority, evidence, plain_report


def check(data: bytes) -> Verification:
    return verify(data, authority=authority(), now=NOW)


def _crafted(change: Callable[[pikepdf.Pdf], None]) -> bytes:
    """A report changed before it was sealed with our own key, so that only the change can refuse it."""
    with pikepdf.open(io.BytesIO(add_signature_fields(plain_report()))) as document:
        change(document)
        packed = io.BytesIO()
        document.save(
            packed,
            compress_streams=False,
            stream_decode_level=pikepdf.StreamDecodeLevel.none,
            fix_metadata_version=False,
        )
    return seal(packed.getvalue(), authority(), when=NOW)


def _spec(document: pikepdf.Pdf) -> pikepdf.Object:
    return document.Root.Names.EmbeddedFiles.Names[1]


def _no_attachment(document: pikepdf.Pdf) -> None:
    del document.Root.Names
    del document.Root.AF


def _two_of_one_name(document: pikepdf.Pdf) -> None:
    document.Root.Names.EmbeddedFiles.Names.extend(
        [String("zz"), Dictionary(Type=Name.Filespec, F=String("evidence.json"), EF=Dictionary())]
    )


def _two_contents(document: pikepdf.Pdf) -> None:
    _spec(document).EF.UF = document.make_stream(evidence(title="Better"))


def _cyclic_names(document: pikepdf.Pdf) -> None:
    tree = document.make_indirect(Dictionary())
    tree.Kids = Array([tree, tree])
    document.Root.Names.EmbeddedFiles = tree


def _many_names(document: pikepdf.Pdf) -> None:
    spec = _spec(document)
    pairs = [part for number in range(1_500) for part in (String(f"f{number}"), spec)]
    document.Root.Names.EmbeddedFiles = Dictionary(Names=Array(pairs))


def _deflated(size: int) -> bytes:
    packer = zlib.compressobj(9)
    block = bytes(1024 * 1024)
    return b"".join(packer.compress(block) for _ in range(size)) + packer.flush()


def _bomb(document: pikepdf.Pdf) -> None:
    stream = document.make_stream(b"")
    stream.write(_deflated(65), filter=Name.FlateDecode)
    _spec(document).EF = Dictionary(F=stream, UF=stream)


def _chain_of_filters(document: pikepdf.Pdf) -> None:
    stream = document.make_stream(b"")
    stream.write(zlib.compress(zlib.compress(evidence())), filter=Array([Name.FlateDecode] * 2))
    _spec(document).EF = Dictionary(F=stream, UF=stream)


def _bomb_of_metadata(document: pikepdf.Pdf) -> None:
    document.Root.Metadata.write(_deflated(2), filter=Name.FlateDecode)


def _filled_by_the_service(document: pikepdf.Pdf) -> None:
    document.Root.AcroForm.Fields[1].V = Dictionary(Type=Name.Sig, Reason=String("approved by a reviewer"))


def _many_fields(document: pikepdf.Pdf) -> None:
    document.Root.AcroForm.Fields.extend([document.Root.AcroForm.Fields[1]] * 200)


def _nested_fields(document: pikepdf.Pdf) -> None:
    review = document.Root.AcroForm.Fields[1]
    review.Kids = Array(
        [document.make_indirect(Dictionary(T=String("x"), V=String("approved"), Parent=review))]
    )


_CRAFTED: list[Callable[[pikepdf.Pdf], None]] = [
    _no_attachment,
    _two_of_one_name,
    _two_contents,
    _cyclic_names,
    _many_names,
    _bomb,
    _chain_of_filters,
    _bomb_of_metadata,
    _filled_by_the_service,
    _many_fields,
    _nested_fields,
]


@pytest.mark.parametrize("change", _CRAFTED, ids=lambda change: change.__name__.strip("_"))
def test_a_document_built_to_mislead_is_refused_even_under_our_seal(
    change: Callable[[pikepdf.Pdf], None],
) -> None:
    started = time.monotonic()
    answer = check(_crafted(change))
    assert answer.exit_code in (1, 2)
    assert answer.evidence is None
    assert time.monotonic() - started < 30


def test_the_same_document_without_the_crafted_part_verifies() -> None:
    assert check(_crafted(lambda document: None)).outcome == "intact"


def test_a_seal_in_the_reviewer_s_field_is_no_seal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.report.seal.SEAL_FIELD", "review")
    assert check(seal(plain_report(), authority(), when=NOW)).exit_code in (1, 2)
