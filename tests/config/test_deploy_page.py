"""docs/deploy.md names every setting with its default, and its unit files are sound."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from config.env import Environment, WrongSetting, read_environment

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "deploy.md").read_text("utf-8")


def test_every_setting_is_on_the_page() -> None:
    listed = set(re.findall(r"^\| `(ASSAY_[A-Z_]+)`", PAGE, re.MULTILINE))
    assert listed == {f"ASSAY_{name.upper()}" for name in Environment.model_fields}


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ASSAY_SLOTS", "none"),
        ("ASSAY_QUEUES", "tpu"),
        ("ASSAY_URL", "assay.example.org"),
        ("ASSAY_SECRET_KEY", "short"),
        ("ASSAY_DEBUG", "perhaps"),
    ],
)
def test_a_wrong_value_stops_the_start_and_is_named(variable: str, value: str, tmp_path: Path) -> None:
    with pytest.raises(WrongSetting, match=variable):
        read_environment({"ASSAY_HOME": str(tmp_path), variable: value})


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s" * 40 + "\n")
    found = read_environment({"ASSAY_HOME": str(tmp_path), "ASSAY_SECRET_KEY_FILE": str(secret)})
    assert found.secret_key == "s" * 40
    with pytest.raises(WrongSetting, match="cannot be read"):
        read_environment({"ASSAY_HOME": str(tmp_path), "ASSAY_SECRET_KEY_FILE": str(tmp_path / "no")})


def test_the_own_secret_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    first = read_environment({"ASSAY_HOME": str(tmp_path)})
    assert read_environment({"ASSAY_HOME": str(tmp_path)}).secret_key == first.secret_key
    assert (tmp_path / "secret_key").stat().st_mode & 0o077 == 0


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed here")
def test_the_unit_files_are_sound(tmp_path: Path) -> None:
    blocks = re.findall(r"```ini\n# \S+/(\S+\.service)\n(.*?)```", PAGE, re.DOTALL)
    assert [name for name, _ in blocks] == ["assay-web.service", "assay-worker.service"]
    for name, content in blocks:
        # The commands live where the units say, which is not on this machine.
        (tmp_path / name).write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", content, flags=re.M))
        done = subprocess.run(
            ["systemd-analyze", "verify", tmp_path / name], capture_output=True, text=True, check=False
        )
        complaints = [line for line in done.stderr.splitlines() if name in line]
        assert not complaints, complaints


def test_every_service_of_the_compose_example_has_the_same_home_and_database() -> None:
    import yaml

    block = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert block is not None
    services = yaml.safe_load(block.group(1))["services"]
    own = [s for s in services.values() if s["image"] == "assay:latest"]
    assert len(own) == 3
    assert (
        len({(s["environment"]["ASSAY_HOME"], s["environment"]["ASSAY_DATABASE_URL_FILE"]) for s in own}) == 1
    )
    assert services["gpu-worker"]["environment"]["ASSAY_QUEUES"] == "gpu"
