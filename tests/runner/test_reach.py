"""Which paths a child is given: those of its request, of its libraries, and of a GPU where there is one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import assay
from assay.contracts import DataRequest, FileRequest, ModelRequest
from assay.errors import BadInput, ChildFailed, Internal
from assay.intake.gate import Surroundings, let_in
from assay.registry import FORMATS
from assay.runner.landlock import DEVICE, EXECUTE, READ, WRITE
from assay.runner.needs import models_in, paths_of, plug_in_paths
from assay.runner.profiles import PROFILES
from assay.runner.reach import device_rules, library_rules, program_rules
from assay.runner.supervisor import Supervisor
from tests.models.made import linear_folder, number

_EXECUTE = EXECUTE & ~READ


def gpu_machine(root: Path) -> Path:
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "sda", "mem"):
        (root / "dev").mkdir(exist_ok=True)
        (root / "dev" / name).touch()
    (root / "proc/driver/nvidia").mkdir(parents=True)
    return root


def test_every_file_of_a_request_is_named(tmp_path: Path) -> None:
    request = DataRequest(
        test=FileRequest(path=str(tmp_path / "test.csv")),
        tuning=FileRequest(path="tuning.csv"),
        model=ModelRequest(path=str(tmp_path / "model"), signature=str(tmp_path / "s.json"), device="cpu"),
    )
    expected = {str(tmp_path / name) for name in ("test.csv", "model", "s.json")}
    assert set(paths_of(request)) == expected | {str(Path.cwd() / "tuning.csv")}
    assert [model.device for model in models_in(request)] == ["cpu"]
    assert paths_of(ModelRequest(path=str(tmp_path / "model"))) == (str(tmp_path / "model"),)


def test_libraries_are_readable_and_the_source_tree_beside_them_is_not() -> None:
    rules = library_rules()
    package = Path(assay.__file__).parent
    assert rules[str(package)] == READ
    if "site-packages" not in package.parts:
        assert str(package.parent) not in rules
    for path in ("/", "/etc", "/home", "/root", "/proc", "/sys", "/dev", "/tmp", "/var", str(Path.home())):
        assert path not in rules
    assert not any(access & (WRITE & ~READ) for path, access in rules.items() if not path.startswith("/dev/"))
    assert {path for path in rules if path.startswith("/dev/")} == {
        *("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random"),
    }


def test_a_plug_in_outside_of_site_packages_is_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert plug_in_paths() == ()
    (tmp_path / "foreign_plug").mkdir()
    (tmp_path / "foreign_plug" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(FORMATS._targets, "foreign", "foreign_plug.format:FORMAT")
    assert plug_in_paths() == (str(tmp_path / "foreign_plug"),)


def test_a_gpu_brings_its_nodes_and_nothing_else_of_dev(tmp_path: Path) -> None:
    root = gpu_machine(tmp_path)
    rules = device_rules(None, root)
    assert {path for path, access in rules.items() if access == DEVICE} == {
        str(root / "dev" / name) for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm")
    }
    assert rules[str(root / "proc/driver/nvidia")] == READ
    assert device_rules("0", root) == rules


@pytest.mark.parametrize("visible", ["", "-1"])
def test_no_gpu_is_reachable_where_none_is_visible(tmp_path: Path, visible: str) -> None:
    assert device_rules(visible, gpu_machine(tmp_path)) == {}


def test_no_gpu_no_rules(tmp_path: Path) -> None:
    assert device_rules(None, tmp_path) == {}


def test_programs_run_only_where_a_profile_says_so() -> None:
    assert program_rules("nothing") == {}
    interpreter = program_rules("interpreter")
    assert interpreter[os.path.dirname(os.path.realpath(sys.executable))] & _EXECUTE  # noqa: PTH120
    assert "/bin" not in interpreter
    assert program_rules("compiler")["/usr/bin"] & _EXECUTE


def test_a_remedy_writes_only_where_the_child_was_started_for(tmp_path: Path) -> None:
    with Supervisor(None) as supervisor, pytest.raises(Internal, match="without this work folder"):
        supervisor.remedy("training.fine_tune", {}, seed=1, device="cpu", work=tmp_path)


def test_profiles_with_processes_open_safetensors_only(tmp_path: Path) -> None:
    linear = linear_folder(tmp_path / "linear", [number("income")], [1.0])
    trees = tmp_path / "model.json"
    trees.write_text('{"learner": {}, "version": [3, 0, 0]}')
    only = Surroundings(formats=PROFILES["compile"].formats)
    assert let_in(ModelRequest(path=str(linear)), FORMATS.all(), only).format.spec.id == "torch_folder"
    with Supervisor(None, profile="compile") as supervisor:
        with pytest.raises((BadInput, ChildFailed)) as caught:
            supervisor.describe_model(ModelRequest(path=str(trees), device="cpu"))
        assert supervisor.sandbox.notes == ("profile: compile",)
    if "needs namespaces, Landlock and seccomp" in caught.value.message:
        pytest.skip("this machine offers no full sandbox")
    assert "only huggingface and torch_folder are opened" in caught.value.message
