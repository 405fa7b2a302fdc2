"""System updates as a Django app."""

from django.apps import AppConfig


class SystemUpdatesConfig(AppConfig):
    """Carries changes to devices."""

    name = "systemupdates"
    default_auto_field = "django.db.models.BigAutoField"
