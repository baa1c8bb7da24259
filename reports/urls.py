"""Pages of reports, below /o/<organisation>/."""

from django.urls import path

from accounts.soon import soon

app_name = "reports"
urlpatterns = [
    path("reports/", soon, name="documents"),
]
