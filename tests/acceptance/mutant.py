"""Runs one test against a mutated copy of the tree, in a process that has loaded the heavy libraries before.

Nothing of the tree is loaded by this module: what it runs is the copy.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
from multiprocessing.context import ForkServerContext
from pathlib import Path

__all__ = ["run"]

_HEAVY = (
    *("torch", "scipy.stats", "pandas", "pyarrow", "sklearn", "django.test"),
    *("pytest", "hypothesis", "schemathesis"),
)


def run(tree: Path, node: str, seconds: float) -> tuple[int | None, str]:
    """Exit code of pytest in `tree`, None where it took too long, and what it printed."""
    context = _context()
    printed = tree / "printed.txt"
    process = context.Process(target=_pytest, args=(str(tree), node, str(printed), dict(os.environ)))
    process.start()
    process.join(seconds)
    code = process.exitcode
    if code is None:
        process.kill()
        process.join()
    return code, printed.read_text() if printed.exists() else ""


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_HEAVY))
    return context


def _pytest(tree: str, node: str, printed: str, environment: dict[str, str]) -> None:
    """In the new process: forget this tree, take the copy's place, and run."""
    gc.freeze()  # what was loaded before is there to stay: looking through it takes half a second each time
    sink = os.open(printed, os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    os.environ.clear()
    os.environ.update(environment, PYTHONPATH=tree)
    here = str(Path(__file__).parents[2])
    sys.path[:] = [tree, *(place for place in sys.path if place not in ("", here))]
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]
    assert not any(name.partition(".")[0] == "assay" for name in sys.modules)
    os.chdir(tree)
    import pytest

    # The plug-ins are there already, whose own asserts would be rewritten otherwise.
    ignored = "ignore::pytest.PytestAssertRewriteWarning"
    code = int(pytest.main(["-x", "-p", "no:xdist", "-W", ignored, node]))
    sys.stdout.flush()
    os._exit(code)
