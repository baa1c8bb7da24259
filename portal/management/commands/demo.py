"""`./run demo`: the loop through the service's own jobs, one report, and the portal to look at it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from assay.errors import AssayError
from assay.policy import exit_code
from portal.demo import Shown, run_demo, studies

__all__ = ["Command"]


class Command(BaseCommand):
    help = "Register, audit, repair, audit again and submit for review, on bundled real data."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder for the report")
        parser.add_argument("--dataset", choices=sorted(studies()), default="diabetes")
        parser.add_argument("--file", type=Path, help="the UCI Adult file, for --dataset adult")

    def handle(self, *_args: Any, **options: Any) -> None:
        logging.getLogger().setLevel(logging.WARNING)
        call_command("migrate", interactive=False, verbosity=0)
        try:
            shown = run_demo(studies()[options["dataset"]], options["file"], options["out"], self._say)
        except AssayError as error:
            raise CommandError(error.message) from None
        self._print(shown, options["out"])

    def _print(self, shown: Shown, out: Path) -> None:
        from assay.commands.changes import print_report
        from assay.commands.kept import kept_evidence
        from assay.evidence import snapshot
        from assay.terminal import Terminal

        evidence, change = shown.after, shown.after.change
        for run in (shown.before, evidence):
            kept_evidence().put(snapshot(run))  # so that `assay compare` and `gate` find them
        code = exit_code(evidence.verdicts, evidence.manifest.failed_shards)
        Terminal().audit(evidence, out, code, None if change is None else lambda t: print_report(t, change))
        self._say(f"\nNext: .venv/bin/assay verify {out / 'report.pdf'}")
        self._say(f"      ./run serve     {settings.ENV.url}, to decide as the reviewer")
        for address, password in shown.passwords.items():
            self._say(f"        {address:<24} {password}")
        if shown.passwords:
            self._say("      (passwords are shown this once)")

    def _say(self, sentence: str) -> None:
        self.stderr.write(sentence)
