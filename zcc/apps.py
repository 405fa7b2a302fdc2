"""The project as a Django app, so that its management commands are found."""

from importlib import import_module

from django.apps import AppConfig


class ZccConfig(AppConfig):
    """Provides the management commands, and configures Celery in every process."""

    name = "zcc"

    def ready(self) -> None:
        """Load the Celery settings. Without them, web processes would use a default broker."""
        import_module("zcc.celery")
