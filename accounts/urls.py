"""Pages of accounts, below /o/<organisation>/."""

from django.urls import path

from accounts.soon import soon

app_name = "accounts"
urlpatterns = [
    path("members/", soon, name="members"),
    path("you/", soon, name="you"),
    path("settings/", soon, name="settings"),
    path("trail/", soon, name="trail"),
]
