"""The Django app for the zone and its devices."""

from django.apps import AppConfig


class DevicesConfig(AppConfig):
    """Configuration of the app."""

    name = "devices"
    default_auto_field = "django.db.models.BigAutoField"
