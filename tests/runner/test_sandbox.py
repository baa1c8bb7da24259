"""What the child cannot do, tried from inside by a process in the same lock-down, as root and as nobody.

Each layer is shown to work by itself: with only it on, what it refuses is refused; with none, it passes.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from assay.report.authority import open_authority
from assay.runner import landlock
from assay.runner.sandbox import child_environment, contains
from tests.models.made import linear_folder, number
from tests.runner.as_nobody import CANNOT, NOBODY

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="layers of Linux")

HERE = Path(__file__).parent
SWITCHED = ("namespaces", "no_capabilities", "landlock", "seccomp")
N, C, L, S = SWITCHED

ROOT = os.geteuid() == 0
_C = {C} if ROOT else set()
"""Giving up privileges matters to who has some: it is how root's child loses its parent's memory."""

REFUSED_BY: dict[str, set[str]] = {
    "tcp_to_this_machine": {N, L, S},
    "tcp_to_the_world": {N, L, S},
    "tcp_listen": {L, S},
    "udp": {N, S},
    "unix_socket": {S},
    "unix_abstract": {N, L, S},
    "unix_datagram": {S},
    "fork": {S},
    "spawn": {L, S},
    "read_shadow": {L},
    "read_another_home": {L},
    "read_assay_home": {L},
    "read_keys": {L},
    "list_the_root": {L},
    "parent_memory": {L, *_C},
    "parent_environment": {L, *_C},
    "signal_the_parent": {L, S},
    "aim_at_the_parent": {S},
    "hold_the_parent": {S},
    "pin_the_parent": {S, *_C},
    "lease": {S},
    "nameless_memory": {S},
    "shared_memory": {S},
    "trace_the_parent": {L, S, *_C},
    "write_outside": {L},
    "empty_what_it_may_read": {L, S},
    "open_up_outside": {S},
    "link_in_scratch": {L, S},
    "user_namespace": {S},
}
"""Probe -> the layers each of which refuses it alone."""

ALLOWED = ("write_scratch", "read_given", "threads", "facts_of_itself", "numerics")
ALL = (*ALLOWED[:-1], *REFUSED_BY, "numerics")
"""A user namespace, the last to be refused, needs a process without threads, which NumPy has."""

_LATER = {"tcp_to_this_machine": 4, "tcp_to_the_world": 4, "tcp_listen": 4, "empty_what_it_may_read": 3}
_LATER |= {"unix_abstract": 6, "signal_the_parent": 6}
"""Versions of Landlock from which on it refuses these."""

_HOST_DECIDES = {"tcp_to_the_world", "parent_memory", "parent_environment", "trace_the_parent"}
_HOST_DECIDES |= {"user_namespace"} | (set() if ROOT else {"read_shadow"})
"""What some hosts refuse anybody: no route, Yama, user namespaces switched off, file rights."""


class Answer(NamedTuple):
    layers: dict[str, bool]
    found: dict[str, str]
    ran: bool
    """Whether exec replaced the process."""


class Place(NamedTuple):
    """A folder that anybody may enter, with things in it that nobody should."""

    folder: Path
    scratch: Path
    facts: dict[str, Any]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("authority")
    open_authority(home, now=datetime.now(UTC))
    return home / "authority"


@pytest.fixture
def place(authority: Path) -> Iterator[Place]:
    # pytest's own folders are closed to other users, as nobody is.
    folder = Path(tempfile.mkdtemp(prefix="assay-test-sandbox-"))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        yield lay_out(folder, authority, stack)


def lay_out(folder: Path, authority: Path, stack: contextlib.ExitStack) -> Place:
    names = ("scratch", "given", "outside", "another_home", "assay_home", "socket", "datagram")
    paths = {name: folder / name for name in names}
    paths["scratch"].mkdir()
    for name in ("given", "outside"):
        paths[name].write_text("rows")
    for name in ("another_home", "assay_home"):
        paths[name].mkdir(0o700)
        paths[name] = paths[name] / "secret"
        paths[name].write_text("secret")
        paths[name].chmod(0o600)
    copied = shutil.copytree(authority, folder / "assay_home" / "authority")
    keys = next(path for path in (copied / "keys").rglob("*") if path.is_file())
    if ROOT:
        os.chown(folder / "another_home", 4321, 4321)
        os.chown(paths["another_home"], 4321, 4321)
    abstract = f"assay-test-{os.getpid()}-{folder.name}"
    servers = [
        stack.enter_context(socket.socket(family, kind))
        for family, kind in (
            (socket.AF_INET, socket.SOCK_STREAM),
            (socket.AF_UNIX, socket.SOCK_STREAM),
            (socket.AF_UNIX, socket.SOCK_STREAM),
            (socket.AF_UNIX, socket.SOCK_DGRAM),
        )
    ]
    addresses: tuple[Any, ...] = (
        ("127.0.0.1", 0),
        str(paths["socket"]),
        f"\0{abstract}",
        str(paths["datagram"]),
    )
    for server, address in zip(servers, addresses, strict=True):
        server.bind(address)
    for server in servers[:3]:
        server.listen(64)
    for name in ("socket", "datagram"):
        paths[name].chmod(0o777)
    return Place(
        folder,
        paths["scratch"],
        {name: str(path) for name, path in paths.items()}
        | {"keys": str(keys), "abstract": abstract, "port": servers[0].getsockname()[1]},
    )


def tried(
    place: Place,
    probes: tuple[str, ...],
    *,
    without: tuple[str, ...] = (),
    profile: str = "audit",
    nobody: bool = False,
    execute: bool = False,
) -> Answer:
    """What the probes found, in a process locked down without these layers."""
    shutil.rmtree(place.scratch)
    place.scratch.mkdir()
    facts = {
        **place.facts,
        "parent": os.getpid(),
        "read": [place.facts["given"]],
        "write": [str(place.scratch)],
        "profile": profile,
        "without": without,
        "try": probes,
        "exec": execute,
    }
    command = [sys.executable, "-I", str(HERE / "probe.py"), json.dumps(facts)]
    if nobody:
        home = place.folder / "assay_home"
        # All of it is its own user's, as the server's files are: file rights alone would let it through.
        for path in (place.scratch, Path(place.facts["outside"]), home, *home.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
        command = as_nobody(command)
    done = run(command, place.scratch)
    answer, *rest = done.stdout.splitlines()
    return Answer(**json.loads(answer), ran=rest == ["RAN"])


def as_nobody(command: list[str]) -> list[str]:
    needed = [sys.base_prefix, sys.prefix, str(HERE.parents[1]), *sysconfig.get_paths().values(), *sys.path]
    there = sorted({path for path in needed if path and Path(path).is_dir()})
    return [sys.executable, "-I", str(HERE / "as_nobody.py"), ":".join(there), "--", *command]


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command,
        cwd=folder,
        env=child_environment(os.environ, str(folder)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=True,
        check=False,
    )
    if done.returncode == CANNOT:
        pytest.skip(f"no way to run this interpreter as nobody here: {done.stderr.strip()}")
    assert done.stdout, done.stderr
    return done


def needs(layers: Mapping[str, bool], *names: str) -> None:
    missing = [name for name in names if not layers[name]]
    if missing:
        pytest.skip(f"this machine does not offer {', '.join(missing)}")


@pytest.mark.parametrize("nobody", [False, True], ids=["as this user", "as nobody"])
def test_nothing_leaves_a_child_and_it_can_still_work(place: Place, nobody: bool) -> None:
    if nobody and not ROOT:
        pytest.skip("these tests do not run as root, so that all of them are unprivileged")
    answer = tried(place, ALL, nobody=nobody, execute=True)
    needs(answer.layers, *SWITCHED)
    assert contains(answer.layers)
    assert all(answer.layers.values()), answer.layers
    assert {name: answer.found[name] for name in ALLOWED} == dict.fromkeys(ALLOWED, "done")
    assert [name for name in REFUSED_BY if answer.found[name] == "done"] == []
    assert not answer.ran
    assert Path(place.facts["given"]).read_text() == "rows"
    assert Path(place.facts["outside"]).read_text() == "rows"


def test_without_layers_all_of_it_goes_through(place: Place) -> None:
    answer = tried(place, ALL, without=SWITCHED, execute=True)
    assert not any(answer.layers[name] for name in SWITCHED)
    assert not contains(answer.layers)
    refused = {name for name, what in answer.found.items() if what != "done"}
    assert refused <= _HOST_DECIDES, answer.found
    assert answer.ran


@pytest.mark.parametrize("layer", SWITCHED)
def test_a_layer_alone_refuses_what_is_its_own(place: Place, layer: str) -> None:
    others = tuple(name for name in SWITCHED if name != layer)
    answer = tried(place, ALL, without=others, execute=True)
    needs(answer.layers, layer)
    assert [name for name in SWITCHED if answer.layers[name]] == [layer]
    assert not contains(answer.layers)
    own = {name for name, layers in REFUSED_BY.items() if layer in layers}
    if layer == L:
        own -= {name for name in own if landlock.version() < _LATER.get(name, 1)}
    refused = {name for name, what in answer.found.items() if what != "done"}
    assert own <= refused
    assert refused - own <= _HOST_DECIDES, {name: answer.found[name] for name in refused - own}
    assert answer.ran == (layer not in (L, S))


def test_training_on_several_processes_has_a_network_of_its_own(place: Place) -> None:
    probes = ("tcp_within", "spawn_python", *ALL)
    answer = tried(place, probes, profile="train_distributed")
    needs(answer.layers, *SWITCHED)
    # What it sends by UDP ends in its own network, where nobody listens.
    allowed = {*ALLOWED, "tcp_within", "tcp_listen", "udp", "spawn_python", "fork"}
    assert {name for name, what in answer.found.items() if what == "done"} == allowed, answer.found


def test_a_compiler_runs_and_what_it_wrote_does_not(place: Place) -> None:
    if shutil.which("cc", path=os.defpath) is None:
        pytest.skip("this machine has no C compiler")
    probes = ("compile", "run_what_was_compiled", *ALL)
    answer = tried(place, probes, profile="compile")
    needs(answer.layers, *SWITCHED)
    allowed = {*ALLOWED, "compile", "spawn", "fork"}
    assert {name for name, what in answer.found.items() if what == "done"} == allowed, answer.found


def test_a_profile_with_processes_starts_only_where_all_holds(place: Place) -> None:
    with pytest.raises(AssertionError, match="Profile compile needs namespaces, Landlock and seccomp"):
        tried(place, (), profile="compile", without=(S,))


def test_a_supervisor_that_is_nobody_has_contained_children(place: Place) -> None:
    if not ROOT:
        pytest.skip("these tests do not run as root, so that every supervisor is unprivileged")
    Path(place.facts["given"]).write_text("label,predicted\n" + "0,0\n1,1\n" * 20)
    os.chown(place.scratch, NOBODY, NOBODY)
    code = (
        "import sys\n"
        "from assay.contracts import DataRequest, FileRequest\n"
        "from assay.runner.supervisor import Supervisor\n"
        "asked = DataRequest(test=FileRequest(path=sys.argv[1]), label='label', predictions='predicted')\n"
        "with Supervisor(asked) as supervisor:\n"
        "    rows = supervisor.intake().test.rows\n"
        "    print(rows, supervisor.sandbox.model_dump_json())\n"
    )
    done = run(as_nobody([sys.executable, "-I", "-c", code, place.facts["given"]]), place.scratch)
    assert done.returncode == 0, done.stderr
    rows, _, report = done.stdout.partition(" ")
    assert rows == "40"
    layers = json.loads(report)["layers"]
    needs(layers, *SWITCHED)
    assert all(layers.values()), layers


@pytest.fixture(scope="module")
def of_both_classes(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A model that is safe as it comes (A), and one that has to be cleaned (B)."""
    import torch

    from assay.models.architectures import build

    folder = tmp_path_factory.mktemp("classes")
    checkpoint = folder / "net.pt"
    torch.save(build("mlp", {"inputs": 2, "hidden": (4,), "outputs": 2}).state_dict(), checkpoint)
    return [str(linear_folder(folder / "linear", [number("income")], [1.0])), str(checkpoint)]


@pytest.mark.parametrize("lacking", ["nothing", "namespaces", "landlock", "seccomp"])
def test_where_a_layer_is_lacking_only_class_a_is_opened(
    place: Place, of_both_classes: list[str], lacking: str
) -> None:
    safe, unclean = of_both_classes
    # Loading takes seconds: what is safe is loaded once, on the machine that can contain least.
    models = [unclean, safe] if lacking == "landlock" else [unclean]
    done = run([sys.executable, "-I", str(HERE / "poorer_host.py"), lacking, *models], place.scratch)
    first, *rest = map(json.loads, done.stdout.splitlines())
    if lacking == "nothing":
        needs(first["layers"], N, L, S)
        assert first["said"] == "loaded, class B"
        return
    assert not first["layers"][lacking]
    assert "which is opened only where the sandbox has namespaces, Landlock and seccomp" in first["said"]
    assert [found["said"] for found in rest] == ["loaded, class A"] * len(rest)
