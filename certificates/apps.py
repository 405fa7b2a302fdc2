"""Certificates as a Django app."""

from django.apps import AppConfig


class CertificatesConfig(AppConfig):
    """Holds the authorities, the server certificates and the operations."""

    name = "certificates"
    default_auto_field = "django.db.models.BigAutoField"
