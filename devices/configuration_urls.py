"""Addresses of the zone's settings and of registration keys, under Configuration."""

from django.urls import path

from devices import configuration

app_name = "zone"
urlpatterns = [
    path("zone-settings/", configuration.settings, name="settings"),
    path("registration-keys/", configuration.keys, name="keys"),
    path("registration-keys/<int:pk>/revoke/", configuration.revoke, name="revoke_key"),
]
