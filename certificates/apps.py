"""Configuration of the certificates app."""

from importlib import import_module

from django.apps import AppConfig


class CertificatesConfig(AppConfig):
    """Certificate authorities, server certificates, and operations."""

    name = "certificates"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Check the names of servers with the name constraints, and the certificates of hosts."""
        rules = import_module("certificates.name_constraints.rules")
        hosts = import_module("certificates.revocation.host_certificates")
        server_names = import_module("devices.registration.server_names")
        server_names.set_name_rules(rules.check_server_names, hosts.check_server_names)
