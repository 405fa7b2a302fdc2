"""The web kit as a Django app."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """Holds what every page shares."""

    name = "console"
    default_auto_field = "django.db.models.BigAutoField"
