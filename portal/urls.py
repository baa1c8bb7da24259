"""Pages that mix several apps."""

from django.urls import path

from portal import views

app_name = "portal"
urlpatterns = [
    path("", views.home, name="home"),
    path("you/", views.you, name="you"),
    path("organisations/", views.organisations, name="organisations"),
    path("organisations/new/", views.new_organisation, name="new_organisation"),
    path("kept/", views.kept, name="kept"),
    path("o/<slug:org>/", views.organisation, name="organisation"),
]
