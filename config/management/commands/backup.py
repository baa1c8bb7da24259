"""manage.py backup FILE"""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from assay.errors import AssayError
from config.backup import back_up


class Command(BaseCommand):
    help = "Write database, stored files and keys to one file."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            manifest = back_up(options["file"])
        except AssayError as error:
            raise CommandError(error.message) from None
        done = f"{options['file']}: as of {manifest['made_at']}, keys included; keep it safe."
        self.stdout.write(done)
