"""Pages of jobs, below /o/<organisation>/."""

from django.urls import path

from jobs import views
from jobs.schedule_urls import paths

app_name = "jobs"
urlpatterns = [
    path("jobs/", views.jobs, name="jobs"),
    path("jobs/<uuid:pk>/", views.job, name="job"),
    path("jobs/<uuid:pk>/cancel/", views.cancel, name="cancel"),
    path("jobs/<uuid:pk>/retry/", views.retry, name="retry"),
    *paths,
]
