"""URL paths of the ACME protocol, mounted at /acme/."""

from django.urls import path

from certificates.acme.protocol import account_views, views

app_name = "acme"
urlpatterns = [
    path("directory", views.show_directory, name="directory"),
    path("new-nonce", views.create_nonce, name="new_nonce"),
    path("new-account", account_views.create_account, name="new_account"),
    path("account/<str:guid>", account_views.show_account, name="account"),
    path("account/<str:guid>/orders", account_views.list_orders, name="orders"),
    path("key-change", account_views.change_key, name="key_change"),
    path("new-order", views.create_order, name="new_order"),
    path("order/<str:guid>", views.show_order, name="order"),
    path("order/<str:guid>/finalize", views.finalize, name="finalize"),
    path("authorization/<str:guid>", views.show_authorization, name="authorization"),
    path("challenge/<str:guid>/<str:method>", views.respond_to_challenge, name="challenge"),
    path("certificate/<str:guid>", views.download_certificate, name="certificate"),
    path("revoke-cert", views.revoke_certificate, name="revoke_cert"),
    path("renewal-info/<str:identifier>", views.show_renewal_info, name="renewal_info"),
]
