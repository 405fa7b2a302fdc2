"""Notifications as a Django app."""

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    """Configure the app of notification targets and deliveries."""

    name = "notifications"
    default_auto_field = "django.db.models.BigAutoField"
