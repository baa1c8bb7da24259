"""Addresses of what an audit shows when it has ended; audits/urls.py adds them."""

from django.urls import path

from audits import compare_views, findings_views, result_pages, rows_views

__all__ = ["paths", "urlpatterns"]

paths = [
    path("audits/<uuid:pk>/results/<slug:name>/", result_pages.chapter, name="chapter"),
    path("audits/<uuid:pk>/evidence.json", result_pages.evidence, name="evidence"),
    path("audits/<uuid:pk>/measures.csv", result_pages.measures_csv, name="measures_csv"),
    path("audits/<uuid:pk>/rows/", rows_views.rows, name="rows"),
    path("audits/<uuid:pk>/rows/erase/", rows_views.erase, name="erase_rows"),
    path("audits/<uuid:pk>/compare/", compare_views.choose, name="compare_with"),
    path("audits/<uuid:before>/compare/<uuid:after>/", compare_views.compare, name="compare"),
    path("findings/", findings_views.findings, name="findings"),
    path("findings/<uuid:pk>/", findings_views.finding, name="finding"),
    path("findings/<uuid:pk>/assign/", findings_views.assign, name="assign_finding"),
    path("findings/<uuid:pk>/accept/", findings_views.accept, name="accept_finding"),
    path("findings/<uuid:pk>/reopen/", findings_views.reopen, name="reopen_finding"),
]
urlpatterns = paths
