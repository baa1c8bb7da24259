"""`assay convert` turns an owner's pickles and classes into what the gate lets in; answers stay the same."""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
import pytest
import torch
import xgboost
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from typer.testing import CliRunner

from assay.cli import app
from assay.contracts import ModelRequest
from assay.conversion.convert import convert
from assay.conversion.request import ConvertRequest
from assay.errors import BadInput
from assay.intake.gate import Surroundings
from assay.intake.model_files import read_lineage
from assay.loading import load_model
from assay.models.base import Model
from tests.conversion.owner import Impostor, Tanh, ours
from tests.support import write_csv

ROOT = Path(__file__).parents[2]
LABELS = np.array(["no", "yes"])


@pytest.fixture
def rows() -> np.ndarray:
    return np.random.default_rng(3).normal(size=(60, 3)).round(3)


@pytest.fixture
def table(tmp_path: Path, rows: np.ndarray) -> Path:
    label = LABELS[(rows[:, 0] > 0).astype(int)].tolist()
    columns = {name: rows[:, place].tolist() for place, name in enumerate(("age", "income", "debt"))}
    return write_csv(tmp_path / "table.csv", {**columns, "repaid": label})


def loaded(folder: Path, scratch: Path) -> Model:
    scratch.mkdir(exist_ok=True)
    return load_model(
        ModelRequest(path=str(folder), device="cpu"), Surroundings(contained=True, scratch=scratch)
    )


def _frame(rows: np.ndarray) -> Any:
    import pandas

    return pandas.DataFrame(rows, columns=["age", "income", "debt"])


@pytest.mark.parametrize("kind", ["pickle", "joblib", "joblib compressed"])
def test_a_pipeline_of_scikit_learn_becomes_skops(
    tmp_path: Path, rows: np.ndarray, table: Path, kind: str
) -> None:
    labels = LABELS[(rows[:, 0] > 0).astype(int)]
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(_frame(rows), labels)
    path = tmp_path / "model.bin"
    if kind == "pickle":
        path.write_bytes(pickle.dumps(model))
    else:
        joblib.dump(model, path, compress=3 if "compressed" in kind else 0)
    out = tmp_path / "out"
    found = convert(ConvertRequest(str(path), out, data=table, label="repaid", favourable="yes"))
    assert found.facts["format"] == "skops"
    assert found.facts["trust"] == "A"
    again = loaded(out, tmp_path / "scratch")
    assert [column.name for column in again.signature.columns] == ["age", "income", "debt"]
    assert again.signature.classes == ("no", "yes")
    assert again.signature.favourable == "yes"
    assert again.signature.columns[0].minimum == pytest.approx(rows[:, 0].min())
    np.testing.assert_allclose(again.scores(rows), model.predict_proba(_frame(rows)), atol=1e-12)
    lineage = read_lineage(out / "lineage.json")
    assert lineage is not None
    assert (lineage.remedy, lineage.parent_name) == ("convert", "model.bin")
    assert lineage.parent_sha256 is not None


@pytest.mark.filterwarnings("ignore:Ignoring params argument:UserWarning")
@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_trees_become_their_own_text(tmp_path: Path, rows: np.ndarray, table: Path, library: str) -> None:
    codes = (rows[:, 0] > 0).astype(int)
    if library == "xgboost":
        model: Any = xgboost.XGBClassifier(n_estimators=4, n_jobs=1).fit(_frame(rows), codes)
    else:
        model = lightgbm.LGBMClassifier(n_estimators=4, n_jobs=1, verbose=-1).fit(_frame(rows), LABELS[codes])
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(model))
    out = tmp_path / "out"
    found = convert(ConvertRequest(str(tmp_path / "model.pkl"), out, data=table, label="repaid"))
    assert found.facts["format"] == ("xgboost_json" if library == "xgboost" else "lightgbm_text")
    again = loaded(out, tmp_path / "scratch")
    assert again.signature.classes == (("0", "1") if library == "xgboost" else ("no", "yes"))
    np.testing.assert_allclose(again.scores(rows), model.predict_proba(_frame(rows)), atol=1e-6)


@pytest.mark.parametrize("as_saved", ["whole module", "module:attribute", "class with checkpoint"])
def test_a_network_that_assay_has_becomes_a_torch_folder(
    tmp_path: Path, rows: np.ndarray, table: Path, as_saved: str
) -> None:
    module = ours().eval()
    source, checkpoint = "tests.conversion.owner:ours", None
    if as_saved == "whole module":
        torch.save(module, tmp_path / "net.pt")
        source = str(tmp_path / "net.pt")
    elif as_saved == "class with checkpoint":
        with torch.no_grad():
            module.head.bias.add_(1.0)  # type: ignore[operator,union-attr]
        checkpoint = tmp_path / "weights.pt"
        torch.save({"state_dict": module.state_dict()}, checkpoint)
    out = tmp_path / "out"
    found = convert(ConvertRequest(source, out, checkpoint=checkpoint, data=table, label="repaid"))
    assert found.facts["format"] == "torch_folder"
    again = loaded(out, tmp_path / "scratch")
    assert again.signature.classes == ("no", "yes")
    expected = module(torch.from_numpy(rows).float()).detach().numpy()
    np.testing.assert_allclose(again.raw_outputs(rows), expected, atol=1e-6)


@pytest.mark.parametrize(("to", "name"), [("onnx", "onnx"), ("pt2", "exported_program")])
@pytest.mark.parametrize("made", [Tanh, Impostor])
def test_a_network_of_ones_own_becomes_a_graph(
    tmp_path: Path, rows: np.ndarray, to: Any, name: str, made: Any
) -> None:
    """The impostor's weights are named as those of Assay's mlp; its answers tell that it is another."""
    out = tmp_path / "out"
    found = convert(ConvertRequest(f"tests.conversion.owner:{made.__name__}", out, shape=(3,), to=to))
    assert found.facts["format"] == name
    assert found.facts["trust"] == ("A" if to == "onnx" else "B")
    again = loaded(out, tmp_path / "scratch")
    expected = made().eval()(torch.from_numpy(rows).float()).detach().numpy()
    np.testing.assert_allclose(again.raw_outputs(rows), expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_becomes_onnx(tmp_path: Path, rows: np.ndarray) -> None:
    torch.jit.save(torch.jit.script(Tanh()), tmp_path / "net.pt")
    out = tmp_path / "out"
    found = convert(ConvertRequest(str(tmp_path / "net.pt"), out, shape=(3,)))
    assert found.facts["format"] == "onnx"
    expected = Tanh()(torch.from_numpy(rows).float()).detach().numpy()
    np.testing.assert_allclose(loaded(out, tmp_path / "scratch").raw_outputs(rows), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("source", "more", "part"),
    [
        ("weights.pt", {}, "needs no conversion"),
        ("list.pkl", {}, r"This is a builtins\.list.*--scores"),
        ("gone.pkl", {}, r"gone\.pkl is no file"),
        ("table.csv", {}, "is no pickle"),
        ("tests.conversion.owner:missing", {}, "cannot be imported from here"),
        ("tests.conversion.owner:Tanh", {}, r"give --data FILE --label COL.*--shape 3x32x32"),
        ("tests.conversion.owner:Tanh", {"shape": (4,)}, "does not take rows of shape 4"),
        ("foreign.pkl", {}, "does not open here.*PYTHONPATH"),
    ],
)
def test_what_is_not_converted_says_why(
    tmp_path: Path, table: Path, source: str, more: dict[str, Any], part: str
) -> None:
    torch.save(Tanh().state_dict(), tmp_path / "weights.pt")
    (tmp_path / "list.pkl").write_bytes(pickle.dumps([1]))
    (tmp_path / "foreign.pkl").write_bytes(
        b"\x80\x04\x8c\x06nowhere\x8c\x01X\x93.".replace(b"\x06", b"\x07", 1)
    )
    named = source if ":" in source else str(tmp_path / source)
    with pytest.raises(BadInput, match=part):
        convert(ConvertRequest(named, tmp_path / "out", **more))
    assert not (tmp_path / "out").exists()


def test_what_the_gate_does_not_let_in_is_not_written(tmp_path: Path, rows: np.ndarray) -> None:
    """A step of the owner's own is in no list of known classes."""
    from tests.conversion.owner import Doubled

    model = make_pipeline(Doubled(), LogisticRegression()).fit(rows, rows[:, 0] > 0)
    joblib.dump(model, tmp_path / "model.joblib")
    with pytest.raises(BadInput, match="Doubled"):
        convert(ConvertRequest(str(tmp_path / "model.joblib"), tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_folder_with_something_in_it_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("x")
    with pytest.raises(BadInput, match="not empty"):
        convert(ConvertRequest("tests.conversion.owner:Tanh", tmp_path, shape=(3,)))


def test_the_command_asks_for_trust_before_it_opens_anything(tmp_path: Path, table: Path) -> None:
    class Touch:
        def __reduce__(self) -> tuple[Any, tuple[str, str]]:
            return open, (str(tmp_path / "RAN"), "w")

    (tmp_path / "bomb.pkl").write_bytes(pickle.dumps(Touch()))
    runner, out = CliRunner(), ("--out", str(tmp_path / "out"))
    told = runner.invoke(app, ["convert", str(tmp_path / "bomb.pkl"), *out])
    assert isinstance(told.exception, BadInput)
    assert "opens pickles and runs your own code" in told.exception.message
    assert "--trusted" in told.exception.message
    assert not (tmp_path / "RAN").exists()
    more = ("--trusted", "--data", str(table), "--label", "repaid")
    done = runner.invoke(app, ["convert", "tests.conversion.owner:ours", *out, *more])
    assert done.exception is None
    assert "torch_folder, class A" in done.output
    assert "assay audit --model" in done.output
    words = " ".join(done.output.split())  # lines break where the folder's name is long
    assert "--data TEST.csv --label repaid" in words, "what it was trained on tests nothing"


def test_a_label_of_other_words_is_told_with_what_to_write(
    tmp_path: Path, rows: np.ndarray, table: Path
) -> None:
    model = xgboost.XGBClassifier(n_estimators=4, n_jobs=1).fit(_frame(rows), (rows[:, 0] > 0).astype(int))
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(model))
    out = tmp_path / "out"
    found = convert(ConvertRequest(str(tmp_path / "model.pkl"), out, data=table, label="repaid"))
    [note] = [note for note in found.notes if "repaid" in note]
    assert "says no, yes, and the model's classes are 0, 1" in note
    assert 'If 0 means "no", 1 means "yes": write' in note
    [written] = re.findall(r'"classes": \[.*?\]', note)
    own = out / "signature.json"
    signature = json.loads(own.read_text())
    own.write_text(json.dumps({**signature, **json.loads(f"{{{written}}}")}))
    again = loaded(out, tmp_path / "scratch")
    assert again.signature.classes == ("no", "yes")
    np.testing.assert_allclose(again.scores(rows), model.predict_proba(_frame(rows)), atol=1e-6)


@pytest.mark.parametrize(("numbers", "told"), [((0, 1), False), ((1, 2), True)])
def test_a_label_of_numbers_is_held_against_the_classes(
    tmp_path: Path, rows: np.ndarray, numbers: tuple[int, int], told: bool
) -> None:
    codes = (rows[:, 0] > 0).astype(int)
    model = xgboost.XGBClassifier(n_estimators=4, n_jobs=1).fit(_frame(rows), codes)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(model))
    columns = {name: rows[:, place].tolist() for place, name in enumerate(("age", "income", "debt"))}
    table = write_csv(tmp_path / "numbers.csv", {**columns, "repaid": [numbers[code] for code in codes]})
    found = convert(ConvertRequest(str(tmp_path / "model.pkl"), tmp_path / "out", data=table, label="repaid"))
    assert any('write "classes": ["1", "2"]' in note for note in found.notes) is told


@pytest.mark.parametrize("installed", [True, False])
def test_a_class_of_the_script_itself_is_told_how_to_be_moved(tmp_path: Path, installed: bool) -> None:
    """Made and converted as an owner would, in two programs of their own."""
    script = tmp_path / "train.py"
    script.write_text(
        "import torch\n"
        "class Net(torch.nn.Linear): pass\n"
        f"torch.save(Net(3, 2), {str(tmp_path / 'net.pt')!r})\n"
    )
    subprocess.run([sys.executable, script], check=True)
    command = (Path(sys.executable).with_name("assay"),) if installed else (sys.executable, "-m", "assay")
    done = subprocess.run(
        [*command, "convert", "net.pt", "--trusted", "--out", "out", "--shape", "3"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr
    said = " ".join(done.stderr.split())
    assert 'its "Net" was written in the script' in said
    assert "assay convert own:Net --checkpoint weights.pt" in said


def test_only_convert_reaches_the_place_that_unpickles() -> None:
    folders = ("assay", "accounts", "audits", "config", "jobs", "models_registry", "portal", "remediations")
    texts = {
        path.relative_to(ROOT).as_posix(): path.read_text()
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
    }
    opens = {
        name
        for name, text in texts.items()
        if "import open_trusted" in text or "intake import trusted" in text
    }
    assert opens == {"assay/conversion/convert.py"}
    converts = {name for name, text in texts.items() if "assay.conversion" in text}
    assert {name for name in converts if not name.startswith("assay/conversion/")} == {
        "assay/commands/convert.py"
    }
