"""Notifications as a Django app."""

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    """Holds targets and what was sent to them."""

    name = "notifications"
    default_auto_field = "django.db.models.BigAutoField"
