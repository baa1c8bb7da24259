"""The web process's entry: `gunicorn config.wsgi`."""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()

if not settings.ENV.broker_url.startswith("memory"):
    # Wake-ups go out from here; the embedded broker reaches no other process, so nothing is loaded for it.
    import config.celery  # noqa: F401
