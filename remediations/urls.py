"""Pages of remediations, below /o/<organisation>/."""

from django.urls import path

from remediations import views

app_name = "remediations"
urlpatterns = [
    path("remedies/", views.remedies, name="remedies"),
    path("remedies/rules/", views.rules, name="rules"),
    path("remedies/<uuid:pk>/", views.remedy, name="remedy"),
    path("remedies/<uuid:pk>/progress/", views.progress, name="progress"),
    path("remedies/<uuid:pk>/cancel/", views.cancel, name="cancel"),
    path("audits/<uuid:run>/repair/", views.new, name="new"),
]
