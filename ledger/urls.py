"""Addresses of Audit and Messages, and of a user's API tokens."""

from django.urls import path

from ledger import token_views, views

app_name = "ledger"
urlpatterns = [
    path("audit/", views.audit, name="audit"),
    path("audit/<int:seq>/", views.entry, name="entry"),
    path("preferences/tokens/", token_views.tokens, name="tokens"),
    path("preferences/tokens/<int:pk>/revoke/", token_views.revoke, name="revoke_token"),
]
