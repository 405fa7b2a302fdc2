"""URLs of Zone Settings and Registration Keys."""

from django.urls import path

from devices.zone import views

app_name = "zone"
urlpatterns = [
    path("zone-settings/", views.settings, name="settings"),
    path("registration-keys/", views.keys, name="keys"),
    path("registration-keys/selected/", views.run_bulk_action, name="bulk_keys"),
    path("registration-keys/<int:pk>/revoke/", views.revoke, name="revoke_key"),
]
