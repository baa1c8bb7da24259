"""What a file that is no model of ours seems to be, by its first bytes, and the way out."""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import NamedTuple

from assay.errors import BadInput
from assay.intake.archives import open_archive
from assay.intake.limits import MAX_PACKINGS
from assay.intake.recognise import foreign_file

__all__ = ["Foreign", "foreign_model"]

_HEAD = 65_536


class Foreign(NamedTuple):
    """`what` it seems to be, and what would be right."""

    what: str
    way_out: str
    code: str = ""
    """What kind of code it is, in a word; empty where nothing in it can run."""


_OWN = "Assay never opens pickles, which can run any code."
_TORCH = "Where you trust it, convert it: assay convert; a transformer: save_pretrained."
_TREES = "Save it where you trust it: booster.save_model('model.json') for XGBoost."
_BOOSTER = "Save it where you trust it: booster.save_model('model.txt') for LightGBM."
_SKOPS = "Where you trust it, load it and write it with skops.io.dump(model, 'model.skops')."
_SCORES = "Audit its predictions instead, with --scores."
_LATER = "Assay does not read it yet; until then, audit its predictions with --scores."
_MAGIC: tuple[tuple[bytes, Foreign], ...] = (
    (
        b"\x89HDF\r\n\x1a\n",
        Foreign("an HDF5 file, as Keras writes models", f"Keras models can hold code. {_SCORES}", "keras"),
    ),
    (
        b"GGUF",
        Foreign("a GGUF file of a language model", "Name the folder of safetensors that it was made from."),
    ),
    (b"binf", Foreign("an XGBoost model in the old binary format", _TREES)),
    (
        b"{L\x00\x00\x00",
        Foreign("UBJSON, but no XGBoost model", _TREES),
    ),
    (b"CBM1", Foreign("a CatBoost model", _LATER)),
    (b"\x93NUMPY", Foreign("a NumPy array", "Name data with --data, as an .npz with an array images.")),
    (b"RDX3\n", Foreign("an R data file", _LATER)),
)
_PICKLE_TEXT = re.compile(rb"\A(?:\(dp?\d|\(lp\d|c[\w.]+\n[\w.]+\n|\(i[\w.]+\n)")
_PYTHON = re.compile(rb"\A(?:#.*\n|\s|\"\"\"[^\"]*\"\"\")*(?:import|from|def|class) \w")


def foreign_model(path: Path) -> Foreign | None:
    """What the file seems to be; None when its bytes say nothing. Raises OSError when it cannot be read."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head:
        return Foreign("an empty file", "Give the model itself.")
    for magic, found in _MAGIC:
        if head.startswith(magic):
            return found
    if head.startswith(b"PK\x03\x04"):
        return _zip(path)
    if _safetensors(head):  # before pickles: the length of its header may begin as they do
        return Foreign(
            "a file of weights without what they belong to",
            "Put it in a folder as model.safetensors, with signature.json and architecture.json beside it "
            "(or config.json and a tokenizer), and name the folder.",
        )
    pickled = _pickle(head) or _packed(head)
    if pickled is not None:
        return pickled
    if head[4:8] == b"TFL3":
        return Foreign("a TensorFlow Lite model", _LATER)
    return _protobuf(head) or _text(head)


def _pickle(head: bytes) -> Foreign | None:
    binary = head[:1] == b"\x80" and len(head) > 1 and head[1] <= 5
    if not binary and _PICKLE_TEXT.match(head) is None:
        return None
    for word, what, way_out in (
        (b"xgboost", "a pickle of an XGBoost model", _TREES),
        (b"lightgbm", "a pickle of a LightGBM model", _BOOSTER),
        (b"joblib", "a joblib file of a scikit-learn model, which is a pickle", _SKOPS),
        (b"sklearn", "a pickle of a scikit-learn model", _SKOPS),
        (b"torch", "a pickle of a torch model", _TORCH),
    ):
        if word in head:
            return Foreign(what, f"{_OWN} {way_out}", "pickle")
    return Foreign(
        "a Python pickle",
        f"{_OWN} Save the model in one of the formats that `assay formats` lists.",
        "pickle",
    )


def _packed(head: bytes) -> Foreign | None:
    """Pickles inside zlib or gzip, as joblib's compress writes them."""
    inner = head
    for _ in range(MAX_PACKINGS):
        window = 15 if inner.startswith(b"x") else 31 if inner.startswith(b"\x1f\x8b") else None
        if window is None:
            return None
        try:
            inner = zlib.decompressobj(wbits=window).decompress(inner, _HEAD)
        except zlib.error:
            return None
        found = _pickle(inner)
        if found is not None:
            return Foreign(f"a compressed file that holds {found.what}", found.way_out, found.code)
    return Foreign("a compressed file of compressed files", "Unpack it, and give the model itself.")


def _safetensors(head: bytes) -> bool:
    length = int.from_bytes(head[:8], "little")
    return len(head) > 9 and 2 <= length <= 32 * 2**20 and head[8:9] == b"{" and b'"data_offsets"' in head


def _zip(path: Path) -> Foreign:
    try:
        with open_archive(path, path.name) as archive:
            names = archive.namelist()
    except BadInput:
        return Foreign("a damaged zip archive, or one of far too many members", "Save the model again.")
    last = {name.rpartition("/")[2] for name in names}
    if "constants.pkl" in last or any("/code/" in name for name in names):
        return Foreign(
            "a TorchScript archive, which is code", f"Assay runs no code of others. {_TORCH}", "torchscript"
        )
    if "data.pkl" in last:
        return Foreign("no torch checkpoint as torch.save writes it", f"Save it again. {_TORCH}", "pickle")
    if "archive_format" in last or "serialized_exported_program.json" in last:
        return Foreign("no exported torch program as torch.export.save writes it", f"Save it again. {_TORCH}")
    if "model.weights.h5" in last:
        return Foreign("a Keras model (.keras)", f"Keras models can hold code. {_SCORES}", "keras")
    if names and all(name.endswith(".npy") for name in names):
        return Foreign("an .npz of arrays, which is data", "Name it with --data.")
    if any(name.startswith("xl/") or name == "[Content_Types].xml" for name in names):
        return Foreign("an Office document", "Give the model itself.")
    return Foreign("a zip archive", "Unpack it and name the model in it.")


def _protobuf(head: bytes) -> Foreign | None:
    """Field 1 of a SavedModel is 1, then a message."""
    return Foreign("a TensorFlow SavedModel", _LATER) if head.startswith(b"\x08\x01\x12") else None


def _text(head: bytes) -> Foreign | None:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    squeezed = b"".join(text[:4_096].split())
    if squeezed.startswith(b'[{"nodeid":'):
        return Foreign("a dump of an XGBoost model, which cannot be loaded", _TREES)
    if squeezed.startswith(b'{"name":"tree"'):
        return Foreign("a dump of a LightGBM model, which cannot be loaded", _BOOSTER)
    if b'"learner"' in squeezed[:64] and squeezed.startswith(b"{"):
        return Foreign("a damaged XGBoost model", "Save it again with booster.save_model('model.json').")
    if squeezed.startswith((b"{", b"[")):
        return Foreign(
            "JSON, but no XGBoost model",
            "A signature.json, config.json or architecture.json is not the model: name its folder.",
        )
    if _PYTHON.match(text):
        return Foreign(
            "Python source", "Assay runs no code of others; give the model that it makes.", "python"
        )
    if text.lower().startswith(b"<?xml") and b"PMML" in text[:1_024]:
        return Foreign("a PMML model", _LATER)
    known = foreign_file(head)
    if known is not None:
        return Foreign(known, "Give the model itself.")
    if head.startswith(b"PAR1") or _looks_like_a_table(text):
        return Foreign("a table, not a model", "Name data with --data, and the model with --model.")
    return None


def _looks_like_a_table(text: bytes) -> bool:
    """At least two lines of UTF-8 with the same number of one delimiter."""
    try:
        lines = text.decode("utf-8", "strict" if len(text) < 60_000 else "ignore").splitlines()
    except UnicodeDecodeError:
        return False
    return len(lines) > 1 and any(lines[0].count(d) == lines[1].count(d) > 0 for d in ",;\t|")
