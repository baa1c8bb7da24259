"""Pages of audits, below /o/<organisation>/."""

from django.urls import path

from accounts.soon import soon

app_name = "audits"
urlpatterns = [
    path("audits/", soon, name="runs"),
    path("findings/", soon, name="findings"),
    path("policies/", soon, name="policies"),
]
