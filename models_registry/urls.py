"""Pages of models_registry, below /o/<organisation>/."""

from django.urls import path

from accounts.soon import soon

app_name = "models_registry"
urlpatterns = [
    path("systems/", soon, name="systems"),
]
