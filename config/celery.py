"""Celery: carries wake-ups between processes, and its worker hosts the slots (jobs/station.py).

    celery -A config.celery worker --without-mingle --without-gossip

With the embedded broker, memory://, messages reach their own process alone, and the sweeper finds the work;
with amqp:// or redis:// a worker hears of a job as soon as it was committed.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import Any

import django
from celery import Celery, bootsteps
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup(set_prefix=False)

from django.conf import settings  # noqa: E402

from jobs import tasks, wake  # noqa: E402
from jobs.station import Station, make_slots  # noqa: E402

__all__ = ["app"]

_log = logging.getLogger(__name__)
_EXPIRES = 60.0
"""Seconds after which a wake-up that nobody took is worth nothing: a sweep has found the work."""
_DEAF = 10.0
"""Seconds for which a broker that did not answer is left alone, so that no page waits for it again."""
_EMBEDDED = settings.ENV.broker_url.startswith("memory")
_QUEUES = tuple(dict.fromkeys(settings.ENV.queues.split(",")))

app = Celery("assay", set_as_current=True)
app.conf.update(
    broker_url="memory://localhost//" if _EMBEDDED else settings.ENV.broker_url,
    broker_connection_timeout=2,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={"socket_timeout": 5, "socket_connect_timeout": 2, "polling_interval": 0.5}
    if settings.ENV.broker_url.startswith("redis")
    else {},
    accept_content=["json"],
    task_serializer="json",
    event_serializer="json",
    result_backend=None,
    task_ignore_result=True,
    task_acks_late=False,
    task_default_queue="assay.cpu",
    task_create_missing_queues=True,
    task_routes=None,
    worker_pool="solo",
    worker_concurrency=1,
    worker_prefetch_multiplier=1,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
)
app.amqp.queues.select([f"assay.{queue}" for queue in _QUEUES])


@setup_logging.connect  # type: ignore[untyped-decorator]
def _keep_django_logging(**_more: Any) -> None:
    """Celery leaves logging as Django's settings made it."""


class Host(bootsteps.StartStopStep):  # type: ignore[misc]
    """Starts the slots with the worker, and stops them with it: within seconds, shards given back."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, **more: Any) -> None:
        super().__init__(parent, **more)
        self.station: Station | None = None

    def start(self, _parent: Any) -> None:
        self.station = Station(make_slots(_QUEUES, settings.ENV.slots), _QUEUES)
        tasks.host(self.station)
        self.station.start()

    def stop(self, _parent: Any) -> None:
        if self.station is not None:
            self.station.stop()
            self.station = None
        tasks.host(None)

    terminate = stop


app.steps["worker"].add(Host)


class _Sender:
    """Sends wake-ups; a broker that is away costs one page two seconds, then no page anything for a while."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._deaf_until = 0.0

    def __call__(self, queue: str) -> None:
        tasks.look_here(queue)
        if _EMBEDDED:
            return
        with self._lock:
            if time.monotonic() < self._deaf_until:
                return
        try:
            tasks.look.apply_async((queue,), queue=f"assay.{queue}", expires=_EXPIRES, retry=False)
        except Exception:
            with self._lock:
                self._deaf_until = time.monotonic() + _DEAF
            raise


wake.set_waker(_Sender())
