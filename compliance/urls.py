"""Pages of compliance, below /o/<organisation>/."""

from django.urls import path

from accounts.soon import soon

app_name = "compliance"
urlpatterns = [
    path("reviews/", soon, name="reviews"),
    path("controls/", soon, name="controls"),
]
