"""The administrators as a Django app."""

from django.apps import AppConfig


class AdministratorsConfig(AppConfig):
    """Configure the app of administrators, setup links, and second factors."""

    name = "administrators"
    # The label keeps the tables, permissions, and migrations of version 0.1.
    label = "people"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Let the REST API verify tokens and their users."""
        from administrators.protection import account_macs  # noqa: PLC0415 - needs the models
        from console.access import api_tokens  # noqa: PLC0415 - needs the models

        api_tokens.set_token_check(account_macs.is_token_authentic)
