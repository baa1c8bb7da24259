"""An archive of pictures is the folder that was packed, and nothing else is read from it."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from assay.contracts import DataRequest, FileRequest
from assay.datasets.subject import Subject
from assay.errors import BadInput
from assay.intake.table import take_in


def _png(seed: int, side: int = 6) -> bytes:
    picture = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "PNG")
    return content.getvalue()


PICTURES = {f"{label}/{i}.png": _png(i + 10 * len(label)) for label in ("cat", "mouse") for i in range(3)}


def _zip(path: Path, members: dict[str, bytes], top: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(top + name, content)
    return path


def _take(path: Path, folder: Path) -> Subject:
    folder.mkdir(exist_ok=True)
    request = DataRequest(
        test=FileRequest(path=str(path)), label="label", predictions="label", favourable="cat"
    )
    return take_in(request, folder)


@pytest.mark.parametrize("top", ["", "pets/"])
def test_it_holds_what_its_folder_holds(tmp_path: Path, top: str) -> None:
    for name, content in PICTURES.items():
        (tmp_path / "pets" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pets" / name).write_bytes(content)
    beside = {".DS_Store": b"x", "cat/.hidden": b"x", "readme.txt": b"x"} if not top else {".DS_Store": b"x"}
    packed = _zip(tmp_path / "pets.zip", {**PICTURES, **beside}, top)
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("__MACOSX/pets/cat/._0.png", b"x")
    from_folder, from_zip = _take(tmp_path / "pets", tmp_path / "a"), _take(packed, tmp_path / "b")
    assert from_zip.profile.modality == "image"
    assert from_zip.profile.test.rows == 6
    assert from_zip.profile.test.column("label") == from_folder.profile.test.column("label")
    (one,) = from_folder.dataset("test").batches(["picture"])
    (other,) = from_zip.dataset("test").batches(["picture"])
    assert one.texts("picture") == other.texts("picture")


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"cat/deep/0.png": _png(0), "dog/1.png": _png(1)}, "a folder within a class"),
        ({"cat/0.png": _png(0), "Cat/1.png": _png(1)}, 'hold.*"Cat/?.*" and "cat.*upper and lower case'),
        ({"cat/0.png": _png(0), "cat/0.PNG": _png(1)}, "upper and lower case alone"),
        ({"../0.png": _png(0), "cat/0.png": _png(1)}, "leads out of its folder"),
        ({"cat/0.png": _png(0), "cat/1.png": _png(1, 8)}, "cat/1.png has 8 × 8"),
        ({"cat/0.png": _png(0), "dog/1.png": b"GIF89a"}, "dog/1.png is neither PNG nor JPEG"),
        ({"cat/0.png": _png(0)[:60], "dog/1.png": _png(1)}, "cat/0.png is damaged"),
        ({".hidden/0.png": _png(0)}, "holds no images"),
    ],
)
def test_an_archive_of_another_shape_is_refused(tmp_path: Path, members: dict[str, bytes], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        _take(_zip(tmp_path / "data.zip", members), tmp_path / "scratch")


def test_an_office_document_with_pictures_is_no_archive_of_images(tmp_path: Path) -> None:
    members = {"[Content_Types].xml": b"<x/>", "xl/media/image1.png": _png(0)}
    with pytest.raises(BadInput, match="an Excel workbook"):
        _take(_zip(tmp_path / "book.xlsx", members), tmp_path / "scratch")


def test_a_damaged_member_is_refused(tmp_path: Path) -> None:
    path = _zip(tmp_path / "data.zip", PICTURES)
    content = bytearray(path.read_bytes())
    content[60] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(BadInput, match="is a damaged zip archive"):
        _take(path, tmp_path / "scratch")
