"""Pages of jobs, below /o/<organisation>/."""

from django.urls import path

from accounts.soon import soon
from jobs.schedule_urls import paths

app_name = "jobs"
urlpatterns = [
    path("jobs/", soon, name="jobs"),
    *paths,
]
