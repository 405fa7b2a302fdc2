"""The web toolkit as a Django app."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """Configure the web toolkit."""

    name = "console"
    default_auto_field = "django.db.models.BigAutoField"
