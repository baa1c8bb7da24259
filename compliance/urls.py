"""Pages of compliance, below /o/<organisation>/."""

from django.urls import path

from compliance.views import controls, desk, reviews, stages

app_name = "compliance"
urlpatterns = [
    path("reviews/", reviews.reviews, name="reviews"),
    path("reviews/<uuid:pk>/", desk.review, name="review"),
    path("reviews/<uuid:pk>/take/", desk.take, name="take"),
    path("reviews/<uuid:pk>/give-back/", desk.give_back, name="give_back"),
    path("reviews/<uuid:pk>/withdraw/", desk.withdraw, name="withdraw"),
    path("reviews/<uuid:pk>/decision/", desk.decide, name="decide"),
    path("reviews/<uuid:pk>/revoke/", desk.revoke, name="revoke"),
    path("audits/<uuid:run>/submit/", reviews.submit, name="submit"),
    path("findings/<uuid:finding>/reply/", reviews.reply, name="reply"),
    path("model-versions/<uuid:version>/stage/", stages.stage, name="stage"),
    path("controls/", controls.controls, name="controls"),
    path("controls/<uuid:system>/", controls.system_controls, name="system_controls"),
    path("controls/<uuid:system>/attest/", controls.attest, name="attest"),
    path("attestations/<uuid:pk>/withdraw/", controls.withdraw, name="withdraw_attestation"),
]
