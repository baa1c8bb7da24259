"""Pages of accounts, below /o/<organisation>/."""

from django.urls import path

from accounts import personal, trail_pages, views

app_name = "accounts"
urlpatterns = [
    path("members/", views.members_page, name="members"),
    path("members/invite/", views.invite, name="invite"),
    path("members/invitations/<uuid:pk>/withdraw/", views.withdraw, name="withdraw_invitation"),
    path("members/<uuid:pk>/role/", views.change_role, name="change_role"),
    path("members/<uuid:pk>/remove/", views.remove_member, name="remove_member"),
    path("settings/", views.organisation_settings, name="settings"),
    path("you/", personal.you, name="you"),
    path("you/colours/", personal.change_theme, name="theme"),
    path("you/tokens/", personal.tokens, name="tokens"),
    path("you/tokens/<uuid:pk>/revoke/", personal.revoke, name="revoke_token"),
    path("trail/", trail_pages.trail, name="trail"),
    path("trail/<uuid:pk>/erase/", trail_pages.erase, name="erase_payload"),
]
