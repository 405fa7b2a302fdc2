"""Configuration of the certificates app."""

from django.apps import AppConfig


class CertificatesConfig(AppConfig):
    """Certificate authorities, server certificates, and operations."""

    name = "certificates"
    default_auto_field = "django.db.models.BigAutoField"
