"""Django wiring only: settings, environment, URLs, Celery, checks."""
