"""Pages of reports, below /o/<organisation>/."""

from django.urls import path

from reports import views

app_name = "reports"
urlpatterns = [
    path("reports/", views.documents, name="documents"),
    path("reports/<uuid:pk>/", views.document, name="document"),
    path("reports/<uuid:pk>/report.pdf", views.pdf, name="pdf"),
    path("reports/<uuid:pk>/report.html", views.html, name="html"),
    path("reports/<uuid:pk>/revoke/", views.revoke, name="revoke"),
    path("audits/<uuid:run>/report/", views.make, name="make"),
    path("audits/<uuid:run>/reports/", views.of_run, name="of_run"),
]
