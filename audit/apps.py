"""The ledger as a Django app."""

from django.apps import AppConfig


class LedgerConfig(AppConfig):
    """Holds the audit chain."""

    name = "audit"
    # The label keeps the tables, rights and migrations of version 0.1.
    label = "ledger"
    default_auto_field = "django.db.models.BigAutoField"
