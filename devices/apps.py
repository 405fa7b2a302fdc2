"""Devices as a Django app."""

from django.apps import AppConfig


class DevicesConfig(AppConfig):
    """Holds the zone and its devices."""

    name = "devices"
    default_auto_field = "django.db.models.BigAutoField"
