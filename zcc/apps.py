"""The project as a Django app, for its management commands."""

from django.apps import AppConfig


class ZccConfig(AppConfig):
    """Holds the commands of the whole."""

    name = "zcc"
