"""Every address of the service. tests/test_outsider.py walks this map."""

from django.contrib import admin
from django.urls import include, path

from accounts.entrance import invited
from config import health
from config.api import api

urlpatterns = [
    path("", include("portal.urls")),
    path("", include("reports.public_urls")),
    path("o/<slug:org>/", include("accounts.urls")),
    path("o/<slug:org>/", include("models_registry.urls")),
    path("o/<slug:org>/", include("audits.urls")),
    path("o/<slug:org>/", include("remediations.urls")),
    path("o/<slug:org>/", include("compliance.urls")),
    path("o/<slug:org>/", include("reports.urls")),
    path("o/<slug:org>/", include("jobs.urls")),
    path("invited/<str:secret>/", invited, name="invited"),
    path("accounts/", include("accounts.sign_in_urls")),
    path("health/live", health.live, name="live"),
    path("health/ready", health.ready, name="ready"),
    path("metrics", health.metrics, name="metrics"),
    path("api/v1/", api.urls),
    path("admin/", admin.site.urls),
]
