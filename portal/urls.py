"""Pages that mix several apps."""

from django.urls import path

from portal import views

app_name = "portal"
urlpatterns = [
    path("", views.home, name="home"),
    path("organisations/", views.organisations, name="organisations"),
    path("o/<slug:org>/", views.organisation, name="organisation"),
]
