"""The ledger as a Django app."""

from django.apps import AppConfig


class LedgerConfig(AppConfig):
    """Holds the audit chain."""

    name = "ledger"
    default_auto_field = "django.db.models.BigAutoField"
