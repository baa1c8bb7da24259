"""manage.py rotate_storage_key: bring stored files under the present key."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from assay.errors import BadInput
from models_registry.rotation import Rotated, rotate

_EVERY = 500
"""Files between two lines of progress."""


class Command(BaseCommand):
    help = 'Seal what is stored under the first key of ASSAY_STORAGE_KEY ("off" first: open it).'

    def handle(self, *_args: Any, **_options: Any) -> None:
        try:
            done = rotate(self._progress)
        except BadInput as error:
            raise CommandError(error.message) from None
        self.stdout.write(
            f"{done.seen:,} files: {done.sealed:,} sealed, {done.rewrapped:,} brought under the present key, "
            f"{done.opened:,} opened, {done.unchanged:,} left as they were."
        )
        if done.failed:
            for sentence in done.failed[:20]:
                self.stderr.write(sentence)
            raise CommandError(f"{len(done.failed):,} files could not be changed; keep the older keys.")

    def _progress(self, done: Rotated) -> None:
        if done.seen % _EVERY == 0:
            self.stdout.write(f"{done.seen:,} files so far …")
