"""`./run serve`: the whole service on this machine, web and worker, until Ctrl-C."""

from __future__ import annotations

import socket
from typing import Any

from django.conf import settings
from django.core.files.storage import storages
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.services import first_administrator
from jobs.household import Household, Member
from jobs.web_server import web_command

__all__ = ["Command"]

_MANIFEST = "whitenoise.storage.CompressedManifestStaticFilesStorage"


class Command(BaseCommand):
    help = "Start the portal and one worker on this machine, after bringing the database up to date."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default: %(default)s)")
        parser.add_argument("--port", type=int, default=8000, help="port to listen at (default: %(default)s)")

    def handle(self, *_args: Any, **options: Any) -> None:
        host, port = options["host"], options["port"]
        _refuse_if_taken(host, port)
        call_command("migrate", interactive=False, verbosity=0)
        _collect_static()
        shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
        address = f"http://{shown}:{port}"
        self._first_administrator()
        environment = {} if settings.ENV.url != "http://127.0.0.1:8000" else {"ASSAY_URL": address}
        household = Household(
            # The worker prints addresses too, into reports.
            [Member("web", web_command(host, port), environment), Member("worker", _worker(), environment)],
            self._say,
        )
        household.start()
        self._say(f"Assay is at {address} (data in {settings.ENV.home}). Ctrl-C stops it.")
        if not household.run():
            raise CommandError("Assay was stopped: see above.")
        self._say("Assay is stopped.")

    def _first_administrator(self) -> None:
        made = first_administrator()
        if made is not None:
            user, password = made
            self._say(
                f"\n  Sign in as  {user.email}\n  password    {password}\n  (shown this once; change it after"
                " signing in)\n"
            )

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _refuse_if_taken(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except (OSError, OverflowError) as error:
            raise CommandError(
                f"Port {port} at {host} cannot be used ({getattr(error, 'strerror', None) or error}); "
                "choose another with --port."
            ) from None


def _collect_static() -> None:
    """Collect with names that carry digests, so that browsers may keep files for ever."""
    backends: Any = storages.backends
    backends["staticfiles"]["BACKEND"] = _MANIFEST
    call_command("collectstatic", interactive=False, verbosity=0)


def _worker() -> list[str]:
    return [
        *("celery", "--quiet", "--app", "config.celery", "worker", "--without-mingle", "--without-gossip"),
        *("--loglevel", "warning"),
    ]
