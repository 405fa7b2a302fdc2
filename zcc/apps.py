"""The project as a Django app, for its management commands."""

from importlib import import_module

from django.apps import AppConfig


class ZccConfig(AppConfig):
    """Holds the commands of the whole, and makes its queue the one that every process uses."""

    name = "zcc"

    def ready(self) -> None:
        """Load the queue's settings; without them a web process would ring at a default broker."""
        import_module("zcc.celery")
