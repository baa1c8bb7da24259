"""Pages of remediations, below /o/<organisation>/."""

from django.urls import path

from accounts.soon import soon

app_name = "remediations"
urlpatterns = [
    path("remedies/", soon, name="remedies"),
]
