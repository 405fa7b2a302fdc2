"""Findings of health checks that an administrator accepted."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from audit.models import AuthenticatedModel, AuthenticatedQuerySet


class HealthAcceptance(AuthenticatedModel):
    """The acceptance of a finding of a health check about one subject, with its reason."""

    authenticated_fields = ("check_key", "subject", "reason", "accepted_by")

    check_key = models.CharField(max_length=40)
    subject = models.CharField(max_length=100, blank=True)
    reason = models.CharField(max_length=500)
    accepted_by = models.CharField(max_length=200)
    accepted_at = models.DateTimeField(auto_now=True)

    objects: ClassVar = AuthenticatedQuerySet["HealthAcceptance"].as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint("check_key", "subject", name="one_acceptance_per_finding")
        ]

    def __str__(self) -> str:
        return f"{self.check_key} {self.subject}"
