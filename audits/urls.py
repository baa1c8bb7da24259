"""Pages of audits, below /o/<organisation>/."""

from django.urls import path

from accounts.soon import soon
from audits.result_pages import run_page
from audits.result_urls import paths

app_name = "audits"
urlpatterns = [
    path("audits/", soon, name="runs"),
    path("policies/", soon, name="policies"),
    path("audits/<uuid:pk>/", run_page, name="run"),
    *paths,
]
