"""The progress bar of an audit on standard error, or silence where nobody watches."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from assay.contracts import AuditPlan, Profile
from assay.report import formatting
from assay.terminal import plain

if TYPE_CHECKING:
    from assay.engine import Listener

__all__ = ["progress_bar"]


class _Bar:
    """A progress bar on standard error, and the plan's one line before it starts."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._bar = Progress(
            TextColumn("{task.description:<32}"),
            BarColumn(bar_width=30),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("starting", total=1.0)

    def start(self) -> None:
        self._bar.start()

    def stop(self) -> None:
        self._bar.stop()

    def planned(self, plan: AuditPlan, profile: Profile) -> None:
        seconds = sum(m.estimate.seconds for m in plan.methods)
        methods = formatting.plural(len(plan.methods), "method")
        rows = formatting.count(profile.test.rows)
        self._bar.console.print(
            Text(f"Plan {plan.plan_sha256[:8]} fixed: {methods}, {rows} rows, about {seconds:.0f} s.", "dim")
        )

    def progress(self, doing: str, done: float) -> None:
        self._bar.update(self._task, description=plain(doing), completed=done)


class _Silent:
    def planned(self, plan: AuditPlan, profile: Profile) -> None:
        pass

    def progress(self, doing: str, done: float) -> None:
        pass


@contextlib.contextmanager
def progress_bar(given: Listener | None = None) -> Iterator[Listener]:
    """The given listener; else a bar where standard error is a terminal, and silence where it is not."""
    if given is not None:
        yield given
        return
    if not sys.stderr.isatty():
        yield _Silent()
        return
    bar = _Bar(Console(stderr=True, highlight=False))
    bar.start()
    try:
        yield bar
    finally:
        bar.stop()
