"""The web toolkit as a Django app."""

from django.apps import AppConfig
from django.utils.translation import gettext

from faults import texts


class ConsoleConfig(AppConfig):
    """Configure the web toolkit."""

    name = "console"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Translate the texts of packages that do not import Django."""
        texts.set_translator(gettext)
