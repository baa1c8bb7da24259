"""The web process's entry: `gunicorn config.wsgi`."""

import gc
import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()

if not settings.ENV.broker_url.startswith("memory"):
    # Wake-ups go out from here; the embedded broker reaches no other process, so nothing is loaded for it.
    import config.celery  # noqa: F401

# Everything that pages are made of is loaded before the first request, and the garbage collector is told to
# leave it alone, so that requests do not wait while it goes through all of that again.
assert get_resolver().url_patterns
gc.collect()
gc.freeze()
