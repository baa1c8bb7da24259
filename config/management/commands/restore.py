"""manage.py restore FILE"""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from assay.errors import AssayError
from config.backup import restore


class Command(BaseCommand):
    help = "Bring a backup back into an empty home and database, checked."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            manifest = restore(options["file"])
        except AssayError as error:
            raise CommandError(error.message) from None
        done = f"Restored the installation as of {manifest['made_at']}; files and trails were checked."
        self.stdout.write(done)
