"""Pages of jobs, below /o/<organisation>/."""

from django.urls import path

from accounts.soon import soon

app_name = "jobs"
urlpatterns = [
    path("jobs/", soon, name="jobs"),
    path("schedules/", soon, name="schedules"),
]
