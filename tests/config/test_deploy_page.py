"""docs/deploy.md names every setting with its default, and its unit files are sound."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from assay.report.glyphs import FONTS_VARIABLE
from config.env import Environment, WrongSetting, read_environment

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "deploy.md").read_text("utf-8")


def test_every_setting_is_on_the_page() -> None:
    listed = set(re.findall(r"^\| `(ASSAY_[A-Z_]+)`", PAGE, re.MULTILINE))
    assert listed == {FONTS_VARIABLE, *(f"ASSAY_{name.upper()}" for name in Environment.model_fields)}


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
    assert {s["environment"]["ASSAY_MODEL_QUEUE"] for s in own} == {"gpu"}, (
        "what is sent waits for that worker"
    )
    for worker in ("worker", "gpu-worker"):
        assert services[worker]["security_opt"] == ["seccomp=unconfined"], worker


def test_secrets_that_are_made_as_printed_are_accepted(tmp_path: Path) -> None:
    """Every printed block that writes a secret, under the umask that most shells have."""
    blocks = [
        b for b in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) if "> secrets/" in b or "> /run/" in b
    ]
    assert len(blocks) == 3
    for block in blocks:
        # Other places, no other owner, and of the service's own commands none.
        lines = block.replace("/run/secrets", "secrets").replace("sudo chown", "true").splitlines()
        printed = "\n".join(line for line in lines if not line.startswith(("export", "python")))
        subprocess.run(["sh", "-c", f"umask 022; {printed}"], cwd=tmp_path, check=True)
    for name in ("database", "storage"):
        variable = {"database": "ASSAY_DATABASE_URL_FILE", "storage": "ASSAY_STORAGE_KEY_FILE"}[name]
        done = subprocess.run(
            [sys.executable, ROOT / "manage.py", "check"],
            env={
                "ASSAY_HOME": str(tmp_path),
                "PATH": os.environ["PATH"],
                variable: f"{tmp_path}/secrets/{name}",
            },
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "secrets").iterdir()}
    assert modes == dict.fromkeys(("database", "broker", "storage", "postgres"), 0o600)
