"""The audit log as a Django app."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """Configure the audit log."""

    name = "audit"
    # The label keeps the tables, permissions, and migrations of version 0.1.
    label = "ledger"
    default_auto_field = "django.db.models.BigAutoField"
