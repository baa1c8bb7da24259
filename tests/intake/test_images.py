"""Pictures reach the model as they are in the file, however their rows were split, sorted or sampled."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from assay.contracts import DataRequest, FileRequest, Measure, ModelRequest
from assay.datasets.subject import Subject
from assay.errors import BadInput, ChildFailed
from assay.execution import run_method
from assay.intake.table import take_in
from assay.loading import load_subject
from assay.registry import METHODS
from assay.runner.answers import check_files
from tests.models.made import linear_folder, number, tiny_bert
from tests.models.pictures import squares, tiny_cnn


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    tiny_cnn(folder / "grey")
    tiny_cnn(folder / "colour", channels=3)
    linear_folder(folder / "linear", [number("x")], [1.0])
    return folder


def _npz(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def _folder(path: Path, pictures: np.ndarray, labels: np.ndarray, kind: str = "png") -> Path:
    for place, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        (path / str(label)).mkdir(parents=True, exist_ok=True)
        shown = picture[..., 0] if picture.shape[-1] == 1 else picture
        Image.fromarray(shown).save(path / str(label) / f"{place:03}.{kind}")
    return path


def _take(data: Path, scratch: Path, model: Path | None = None, **request: Any) -> Subject:
    scratch.mkdir(exist_ok=True)
    files = {role: FileRequest(path=str(request.pop(role))) for role in ("training",) if role in request}
    asked = DataRequest(
        test=FileRequest(path=str(data)),
        **files,
        model=None if model is None else ModelRequest(path=str(model), device="cpu"),
        **request,
    )
    return take_in(asked, scratch) if model is None else load_subject(asked, scratch).subject


def _refusal(data: Path, scratch: Path, model: Path | None = None, **request: Any) -> str:
    with pytest.raises(BadInput) as refused:
        _take(data, scratch, model, **request)
    assert "\n" not in refused.value.message
    return refused.value.message


def test_the_model_sees_the_pictures_of_the_rows_asked_for(tmp_path: Path, models: Path) -> None:
    pictures, labels = squares(40)
    data = _npz(tmp_path / "d.npz", images=pictures[..., 0], labels=labels, sex=np.array(["f", "m"] * 20))
    subject = _take(data, tmp_path / "s", models / "grey", sensitive=("sex",))
    rows = np.array([7, 7, 0, 39])
    found = subject.inputs("test", rows)
    np.testing.assert_array_equal(found, pictures[rows].transpose(0, 3, 1, 2) / np.float32(255))
    assert isinstance(found, np.ndarray)
    assert found.dtype == np.float32
    profile = subject.profile
    assert (profile.modality, profile.roles.label, profile.roles.image) == ("image", "label", "image")
    assert profile.roles.features == ("picture",)
    assert subject.labels("test", rows).tolist() == [int(labels[row] == "light") for row in rows]
    score = profile.roles.score
    assert score is not None
    kept = np.concatenate([batch.numbers(score) for batch in subject.dataset("test").batches([score])])
    np.testing.assert_allclose(kept, subject.model.scores(subject.inputs("test", np.arange(40)))[:, 1])
    assert kept.std() > 0.001


def test_rows_set_aside_and_splits_keep_their_pictures(tmp_path: Path, models: Path) -> None:
    pictures, labels = squares(30)
    marked = labels.copy()
    marked[4] = ""
    split = np.array(["train", "test", "test"] * 10)
    data = _npz(tmp_path / "d.npz", images=pictures, labels=marked, part=split)
    subject = _take(data, tmp_path / "s", models / "grey", roles_column="part", allow_missing=True)
    test, train = np.flatnonzero((split == "test") & (marked != "")), np.flatnonzero(split == "train")
    for role, places in (("test", test), ("training", train)):
        found = subject.inputs(role, np.arange(len(places)))  # type: ignore[arg-type]
        np.testing.assert_array_equal(found, pictures[places].transpose(0, 3, 1, 2) / np.float32(255))
    assert subject.profile.test.set_aside == 1


def test_a_folder_gives_what_the_npz_of_its_pictures_gives(tmp_path: Path, models: Path) -> None:
    pictures, labels = squares(12)
    folder = _folder(tmp_path / "faces", pictures, labels)
    (folder / "README.txt").write_text("beside the classes")
    (folder / "dark" / ".DS_Store").write_bytes(b"\0")
    subject = _take(folder, tmp_path / "s", models / "grey")
    order = np.lexsort((np.arange(12), labels))
    np.testing.assert_array_equal(
        subject.inputs("test", np.arange(12)), pictures[order].transpose(0, 3, 1, 2) / np.float32(255)
    )
    assert subject.labels("test", np.arange(12)).tolist() == [
        int(label == "light") for label in labels[order]
    ]
    assert subject.profile.test.name == "faces"
    again = _take(folder, tmp_path / "s", models / "grey")
    assert again.profile.test.sha256 == subject.profile.test.sha256
    next(folder.glob("dark/*.png")).rename(folder / "light" / "moved.png")
    moved = _take(folder, tmp_path / "s", models / "grey")
    assert moved.profile.test.sha256 != subject.profile.test.sha256


def test_the_digest_of_a_folder_is_computed_outside_of_the_child_too(tmp_path: Path, models: Path) -> None:
    folder = _folder(tmp_path / "faces", *squares(12))
    (folder / "dark" / "ab\udcff.png").write_bytes(next(folder.glob("dark/*")).read_bytes())
    told = _take(folder, tmp_path / "s", models / "grey").profile.test
    request = DataRequest(test=FileRequest(path=str(folder)))
    check_files([told], request)
    last = sorted((folder / "light").iterdir())[-1]
    last.write_bytes(last.read_bytes() + b"\0")
    with pytest.raises(ChildFailed, match="tells of other test data"):
        check_files([told], request)


def test_a_jpeg_is_what_pillow_decodes(tmp_path: Path, models: Path) -> None:
    pictures, labels = squares(6, channels=3)
    folder = _folder(tmp_path / "faces", pictures, labels, kind="jpg")
    subject = _take(folder, tmp_path / "s", models / "colour")
    first = min((folder / "dark").iterdir())
    expected = np.asarray(Image.open(first)).transpose(2, 0, 1) / np.float32(255)
    found = subject.inputs("test", np.array([0]))
    np.testing.assert_array_equal(found[0], expected)


def test_floats_keep_their_precision(tmp_path: Path, models: Path) -> None:
    pictures = np.random.default_rng(0).random((10, 8, 8))
    data = _npz(tmp_path / "d.npz", images=pictures, labels=np.array(["dark", "light"] * 5))
    found = _take(data, tmp_path / "s", models / "grey").inputs("test", np.arange(10))
    np.testing.assert_array_equal(found, pictures.astype(np.float32)[:, None])


@pytest.mark.parametrize(
    ("channels", "model", "expected", "part"),
    [
        (1, "colour", lambda x: np.repeat(x, 3, axis=3), "repeated"),
        (3, "grey", lambda x: np.rint(x @ np.array([0.299, 0.587, 0.114]))[..., None], "luminance"),
    ],
)
def test_grey_and_colour_are_converted_in_the_one_obvious_way_and_said(
    tmp_path: Path, models: Path, channels: int, model: str, expected: Callable[[Any], Any], part: str
) -> None:
    pictures, labels = squares(10, channels=channels)
    subject = _take(_npz(tmp_path / "d.npz", images=pictures, labels=labels), tmp_path / "s", models / model)
    found = np.asarray(subject.inputs("test", np.arange(10))) * 255
    np.testing.assert_allclose(found, expected(pictures).transpose(0, 3, 1, 2), atol=1e-4)
    assert any(part in note for note in subject.profile.notes)


def test_an_alpha_channel_is_dropped_only_where_nothing_shines_through(tmp_path: Path, models: Path) -> None:
    pictures, labels = squares(10, channels=4)
    pictures[..., 3] = 255
    subject = _take(
        _npz(tmp_path / "d.npz", images=pictures, labels=labels), tmp_path / "s", models / "colour"
    )
    np.testing.assert_array_equal(
        subject.inputs("test", np.arange(10)), pictures[..., :3].transpose(0, 3, 1, 2) / np.float32(255)
    )
    pictures[3, 0, 0, 3] = 254
    data = _npz(tmp_path / "d.npz", images=pictures, labels=labels)
    assert "4 channels, the model reads 3" in _refusal(data, tmp_path / "s", models / "colour")


def test_pictures_without_a_model_are_image_data_too(tmp_path: Path) -> None:
    pictures, labels = squares(20)
    data = _npz(
        tmp_path / "d.npz",
        images=pictures,
        labels=(labels == "light").astype(np.int64),
        guess=np.arange(20) % 2,
    )
    subject = _take(data, tmp_path / "s", predictions="guess")
    assert subject.profile.modality == "image"
    assert subject.profile.signature.classes == ("0", "1")
    assert subject.inputs("test", np.array([3])).shape == (1, 1, 8, 8)  # type: ignore[union-attr]


def test_labels_that_are_places_in_classes_get_their_names(tmp_path: Path, models: Path) -> None:
    pictures, labels = squares(10)
    codes = (labels == "dark").astype(np.uint8)
    data = _npz(tmp_path / "d.npz", images=pictures, labels=codes, classes=np.array(["light", "dark"]))
    subject = _take(data, tmp_path / "s", models / "grey")
    assert subject.labels("test", np.arange(10)).tolist() == (codes == 0).astype(int).tolist()
    data = _npz(tmp_path / "d.npz", images=pictures, labels=codes + 1, classes=np.array(["light", "dark"]))
    assert 'labels reach 2, but "classes" has 2 names' in _refusal(data, tmp_path / "s", models / "grey")


def test_classes_name_the_labels_also_where_there_are_as_many_as_pictures(
    tmp_path: Path, models: Path
) -> None:
    pictures, _ = squares(2)
    names = np.array(["light", "dark"])
    data = _npz(tmp_path / "d.npz", images=pictures, labels=np.array([1, 0]), classes=names)
    subject = _take(data, tmp_path / "s", models / "grey")
    assert subject.labels("test", np.arange(2)).tolist() == [0, 1]
    assert "classes" not in subject.profile.roles.features


def test_the_same_picture_twice_and_in_training_is_found(tmp_path: Path, models: Path) -> None:
    pictures, labels = squares(40)
    pictures[[10, 11]] = pictures[[0, 1]]
    labels[10], labels[11] = labels[0], "light" if labels[1] == "dark" else "dark"
    test = _npz(tmp_path / "test.npz", images=pictures, labels=labels)
    train = _npz(tmp_path / "train.npz", images=pictures[20:30], labels=labels[20:30])
    subject = _take(test, tmp_path / "s", models / "grey", training=train)
    result = run_method(METHODS.get("data_quality.basics"), subject)
    found: dict[str, Measure] = {measure.id: measure for measure in result.measures}
    assert found["data_quality.duplicate_share"].numerator == 1
    assert found["data_quality.label_conflict_share"].numerator == 2
    assert found["data_quality.leaked_share"].numerator == 10


@pytest.mark.parametrize(
    ("arrays", "part"),
    [
        ({"x": np.zeros(3)}, 'no array "images"; it has x'),
        ({"images": np.zeros((3, 8, 8), np.int64)}, "int64 of shape (3, 8, 8); they must be uint8"),
        ({"images": np.full((3, 8, 8), 16.0)}, "image 1 has values from 16 to 16; floats lie in [0, 1]"),
        ({"images": np.full((3, 8, 8), np.nan)}, "floats lie in [0, 1]"),
        ({"images": np.zeros((3, 8), np.uint8)}, "of shape (3, 8); they must be"),
        ({"images": np.zeros((3, 1, 8, 8), np.uint8)}, "(3, 1, 8, 8); they must be"),
        ({"images": np.zeros((0, 8, 8), np.uint8)}, "holds no images"),
        ({"images": np.zeros((3, 9, 8), np.uint8)}, "image 1 of 3 has 9 × 8 pixels, the model reads 8 × 8"),
        ({"images": np.zeros((3, 8, 8), np.uint8), "labels": np.arange(4)}, "for each of the 3 images"),
        ({"images": np.zeros((3, 8, 8), np.uint8), "labels": np.eye(3)}, "one number or text for each"),
        ({"images": np.asfortranarray(np.zeros((3, 8, 8), np.uint8))}, "Fortran order"),
        ({"images": np.zeros((3, 8, 8), np.uint8), "image": np.arange(3)}, "rename that array"),
        ({"images": np.zeros((3, 8, 8), np.uint8), "labels": np.array([b"\xff"] * 3)}, "not UTF-8"),
        (
            {"images": np.zeros((3, 8, 8), np.uint8), "labels": np.array(["a\ud800", "b", "c"])},
            "no Unicode text",
        ),
        *(
            ({"images": np.zeros((1, 8, 8), np.uint8), "sex": np.frombuffer(raw, kind)}, "no Unicode text")
            for raw, kind in ((b"\0\0\x11\0", "<U1"), (b"\0\x11\0\0", ">U1"))
        ),
        ({"images": np.zeros((3, 8, 8), np.uint8), "labels": np.arange(3), "label": np.arange(3)}, "both"),
        (
            {"images": np.zeros((3, 8, 8), np.uint8), "labels": np.array(["x"] * 3)},
            "none of the model's classes",
        ),
    ],
)
def test_an_npz_that_cannot_be_pictures_is_refused_in_one_sentence(
    tmp_path: Path, models: Path, arrays: dict[str, Any], part: str
) -> None:
    refusal = _refusal(_npz(tmp_path / "d.npz", **arrays), tmp_path / "s", models / "grey")
    assert refusal.startswith("d.npz")
    assert part in refusal


def test_objects_are_never_unpickled(tmp_path: Path, models: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, tuple[str, ...]]:
            return os.mkdir, (str(tmp_path / "exploded"),)

    objects = np.array([Bomb(), Bomb(), Bomb()], dtype=object)
    data = tmp_path / "d.npz"
    np.savez(data, images=np.zeros((3, 8, 8), np.uint8), labels=objects)
    assert "Python objects, which only a pickle" in _refusal(data, tmp_path / "s", models / "grey")
    assert not (tmp_path / "exploded").exists()


def test_archives_that_lie_are_refused(tmp_path: Path, models: Path) -> None:
    data, scratch, grey = tmp_path / "d.npz", tmp_path / "s", models / "grey"
    np.savez(data, images=np.zeros((3, 8, 8), np.uint8))
    content = data.read_bytes()
    with zipfile.ZipFile(data) as archive:
        array = archive.read("images.npy")
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("images.npy", array.replace(b"(3, 8, 8)", b"(9, 8, 8)"))
    assert "claims the shape (9, 8, 8)" in _refusal(data, scratch, grey)
    data.write_bytes(content[:-60])
    assert "damaged" in _refusal(data, scratch, grey)
    flipped = bytearray(content)
    flipped[len(content) // 3] ^= 1
    data.write_bytes(bytes(flipped))
    assert "damaged" in _refusal(data, scratch, grey)
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("images.npy", b"\x93NUMPY\x01\x00")
        archive.writestr("../evil.py", "")
    assert "a name that leads out of its folder" in _refusal(data, scratch, grey)
    claimed = content.index(b"PK\x01\x02") + 24
    data.write_bytes(content[:claimed] + b"\xf0\xff\xff\xff" + content[claimed + 4 :])
    assert "unpacks to" in _refusal(data, scratch, grey)


def _large(path: Path, side: int) -> None:
    Image.new("1", (side, side)).save(path)


@pytest.mark.parametrize(
    ("spoil", "part"),
    [
        (lambda f: (f / "dark" / "x.png").write_bytes(b"GIF89a"), "dark/x.png is neither PNG nor JPEG"),
        (lambda f: (f / "dark" / "000.png").write_bytes(b"\x89PNG\r\n\x1a\n123"), "dark/000.png is damaged"),
        (lambda f: (f / "dark" / "sub").mkdir(), "dark/sub is a folder"),
        (lambda f: (f / "dark" / "link.png").symlink_to("/etc/passwd"), "dark/link.png is a link"),
        (
            lambda f: Image.new("L", (8, 9)).save(f / "dark" / "x.png"),
            "dark/x.png has 9 × 8 pixels, the model",
        ),
        (lambda f: Image.new("I;16", (8, 8)).save(f / "dark" / "x.png"), "of kind I;16"),
        (lambda f: _large(f / "dark" / "x.png", 4_097), "4,097 × 4,097 pixels; at most 4,096 a side"),
        (lambda f: _large(f / "dark" / "x.png", 20_000), "decompression bomb"),
        (lambda f: os.mkfifo(f / "dark" / "x.png"), "no regular file"),
    ],
)
def test_a_folder_that_holds_other_things_is_refused_with_the_file(
    tmp_path: Path, models: Path, spoil: Callable[[Path], Any], part: str
) -> None:
    pictures, labels = squares(6)
    labels[0] = "dark"
    folder = _folder(tmp_path / "faces", pictures, labels)
    spoil(folder)
    assert part in _refusal(folder, tmp_path / "s", models / "grey")


def test_models_and_data_of_different_kinds_are_told_apart(tmp_path: Path, models: Path) -> None:
    pictures, labels = squares(6)
    data = _npz(tmp_path / "d.npz", images=pictures, labels=labels)
    table = tmp_path / "t.csv"
    table.write_text("x,label\n1,yes\n2,no\n")
    scratch = tmp_path / "s"
    assert "reads the columns of a table, but d.npz holds images" in _refusal(
        data, scratch, models / "linear"
    )
    assert "reads images, but t.csv is a table" in _refusal(table, scratch, models / "grey")
    assert "reads texts, but d.npz holds images" in _refusal(data, scratch, tiny_bert(tmp_path / "bert"))
    assert "must both hold images" in _refusal(data, scratch, label="label", training=table)
    refusal = _refusal(data, scratch, models / "grey", text="label")
    assert "this model reads images. Leave" in refusal
    assert "reads columns of a table" in _refusal(table, scratch, models / "linear", text="x", label="label")
    (tmp_path / "empty" / "a").mkdir(parents=True)
    assert "is a folder" in _refusal(tmp_path / "empty", scratch, models / "grey")


def test_a_file_that_changes_between_the_passes_is_noticed(tmp_path: Path, models: Path) -> None:
    from assay.intake.npz import open_npz

    data = _npz(tmp_path / "d.npz", images=squares(6)[0])
    source = open_npz(data, tmp_path / "pixels", None)
    assert len(source.digest) == 64
    data.write_bytes(data.read_bytes() + b"x")
    assert source.digest == ""
