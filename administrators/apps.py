"""The administrators as a Django app."""

from django.apps import AppConfig


class AdministratorsConfig(AppConfig):
    """Configure the app of administrators, setup links, and second factors."""

    name = "administrators"
    # The label keeps the tables, permissions, and migrations of version 0.1.
    label = "people"
    default_auto_field = "django.db.models.BigAutoField"
