"""Pages of audits, below /o/<organisation>/."""

from django.urls import path

from audits import policy_views, views
from audits.result_urls import paths

app_name = "audits"
urlpatterns = [
    path("audits/", views.runs, name="runs"),
    path("audits/new/", views.new_run, name="new_run"),
    path("audits/<uuid:pk>/", views.run, name="run"),
    path("audits/<uuid:pk>/plan/", views.change, name="change_run"),
    path("audits/<uuid:pk>/start/", views.start, name="start_run"),
    path("audits/<uuid:pk>/progress/", views.progress, name="run_progress"),
    path("audits/<uuid:pk>/cancel/", views.cancel, name="cancel_run"),
    path("audits/<uuid:pk>/delete/", views.delete, name="delete_run"),
    path("audits/<uuid:pk>/again/", views.again, name="try_again"),
    path("audits/<uuid:pk>/read-again/", views.read_again, name="read_again"),
    path("policies/", policy_views.policies, name="policies"),
    path("policies/new/", policy_views.new_policy, name="new_policy"),
    path("policies/adopt/", policy_views.adopt, name="adopt_pack"),
    path("policies/packs/<slug:name>/", policy_views.pack, name="pack"),
    path("policies/<uuid:pk>/", policy_views.policy, name="policy"),
    path("policies/<uuid:pk>/edit/", policy_views.new_version, name="new_policy_version"),
    path("policies/<uuid:pk>/archive/", policy_views.archive, name="archive_policy"),
    path("policies/<uuid:pk>/versions/<int:number>.toml", policy_views.policy_text, name="policy_text"),
    *paths,
]
