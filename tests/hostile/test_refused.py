"""The corpus of hostile files: each is refused by name, in one clear sentence, by a real supervised child.

Nothing in them runs, nothing is written but to the child's scratch folder, nothing is connected to, and the
child goes on serving honest models within its time and memory.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tests.hostile
from assay.errors import AssayError, BadInput, ChildFailed
from tests.hostile.case import Hostile
from tests.hostile.crowd import Crowd
from tests.models.made import linear_folder, number

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc of the child")

MOST_SECONDS = 60.0
"""Of one answer, with the imports of the first and a busy machine; a case takes a few hundredths."""
MOST_MEMORY = 2 * 2**30
"""Of the child, in which torch and transformers alone take a third of it."""


def _corpus() -> dict[str, Hostile]:
    found: dict[str, Hostile] = {}
    for module in pkgutil.iter_modules(tests.hostile.__path__):
        if module.name.startswith("test_"):
            continue
        subject = importlib.import_module(f"tests.hostile.{module.name}")
        for case in getattr(subject, "CASES", ()):
            name = f"{module.name}: {case.name}"
            assert name not in found, f"two hostile cases are called {name}"
            found[name] = case
    return found


CORPUS = _corpus()


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    scratch = tmp_path_factory.mktemp("scratch")
    with Crowd(None, time_limit=MOST_SECONDS, memory_limit=MOST_MEMORY, scratch_parent=scratch) as supervisor:
        supervisor.around = tmp_path_factory.getbasetemp()
        yield supervisor


def _state(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Type and permissions, size and time of change of everything below a folder; links are not followed."""
    found = {}
    for member in sorted(folder.rglob("*")):
        stat = member.lstat()
        found[member.relative_to(folder).as_posix()] = stat.st_mode, stat.st_size, stat.st_mtime_ns
    return found


@pytest.mark.parametrize("name", CORPUS)
def test_it_is_refused_by_name(
    name: str, crowd: Crowd, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    case = CORPUS[name]
    path = case.make(tmp_path)
    assert not (tmp_path / "RAN").exists(), "the case itself ran its payload"
    before = _state(tmp_path)
    with pytest.raises(AssayError) as refused:
        crowd.look_at(path, case.kind)
    _check_words(refused.value, case, contained=crowd.contained)
    assert not list(tmp_path.rglob("RAN"))
    assert _state(tmp_path) == before
    scratch = tmp_path_factory.getbasetemp()
    assert not [folder for folder in scratch.glob("scratch*/*") if not folder.name.startswith("assay-")]
    if crowd.process_id is not None:
        assert crowd.sockets() == 1


def _check_words(refusal: AssayError, case: Hostile, *, contained: bool) -> None:
    said = refusal.message
    assert "\n" not in said
    assert said.endswith((".", ".)", ".”"))
    assert len(said) < 1_000
    assert "Traceback" not in said
    if isinstance(refusal, ChildFailed):
        limit = re.search(r"over its time limit|its limit is", said)
        assert limit is not None, f"the child failed: {said}"
        assert limit[0] in case.says, f"only a limit stopped it, which the case does not say: {said}"
        return
    assert isinstance(refusal, BadInput), f"{type(refusal).__name__}: {said}"
    if not contained and "opened only where the sandbox has" in said:
        return
    assert re.search(case.says, said), said


def test_the_child_still_serves_an_honest_model(crowd: Crowd, tmp_path: Path) -> None:
    folder = linear_folder(tmp_path / "honest", [number("x")], [1.0])
    assert crowd.look_at(folder, "model").facts.parameters == 4  # type: ignore[union-attr]  # a model was asked for
    assert crowd.most_memory() < MOST_MEMORY
