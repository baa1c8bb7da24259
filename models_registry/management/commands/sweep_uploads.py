"""manage.py sweep_uploads: forget uploads that nobody finished."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from models_registry.uploads import KEPT, sweep_uploads


class Command(BaseCommand):
    help = "Remove uploads that nobody touched for a while, and drafts that belong to none."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--hours", type=float, default=KEPT.total_seconds() / 3600, help="how long")

    def handle(self, *_args: Any, **options: Any) -> None:
        gone = sweep_uploads(timedelta(hours=options["hours"]))
        self.stdout.write(f"{gone} uploads removed.")
