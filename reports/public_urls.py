"""The public pages: anybody may ask whether a report still stands. No sign-in, no organisation."""

from django.urls import path

from reports import public_views

app_name = "verify"
urlpatterns = [
    path("verify/", public_views.ask, name="ask"),
    path("verify/authority.pem", public_views.certificate, name="certificate"),
    path("verify/<str:code>/", public_views.standing, name="standing"),
]
