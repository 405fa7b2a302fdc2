"""Configuration of the certificates app."""

from importlib import import_module

from django.apps import AppConfig


class CertificatesConfig(AppConfig):
    """Certificate authorities, server certificates, and operations."""

    name = "certificates"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Check the names of servers with the name constraints of the zone CA."""
        rules = import_module("certificates.name_constraints.rules")
        server_names = import_module("devices.registration.server_names")
        server_names.set_name_rule(rules.check_server_names)
