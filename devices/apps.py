"""The Django app for the zone and its devices."""

from django.apps import AppConfig

from audit.rows import macs


class DevicesConfig(AppConfig):
    """Configuration of the app."""

    name = "devices"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Let the models with MACs use the key of the zone."""
        from devices.identity import zone_keys  # noqa: PLC0415 - needs the models

        macs.set_key_source(zone_keys.get_row_key)
