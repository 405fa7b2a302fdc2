"""The Django app for system updates."""

from django.apps import AppConfig


class SystemUpdatesConfig(AppConfig):
    """Configuration of the app."""

    name = "systemupdates"
    default_auto_field = "django.db.models.BigAutoField"
