"""The policies that apply to all administrators."""

from __future__ import annotations

from contextlib import suppress

from django.contrib.auth.models import User
from django.db import models

from audit.models import AuthenticatedModel, AuthenticatedQuerySet
from faults import Unavailable


class PoliciesQuerySet(AuthenticatedQuerySet["Policies"]):
    """Queries of the only row of policies."""

    def get_current(self) -> Policies:
        """Return the policies; the unsaved defaults if none are stored.

        If the row was altered in the database, the strictest policies apply.
        """
        stored = self.first() or Policies(pk=1)
        with suppress(Unavailable):  # without the zone keys, nothing is changed anyway
            if not stored.is_authentic():
                stored.requires_second_factor = stored.two_administrators = True
        return stored


class Policies(AuthenticatedModel):
    """Policies for all administrators: second factor, two-administrator approval."""

    authenticated_fields = (
        *("requires_second_factor", "two_administrators"),
        *("turn_off_requested_by", "turn_off_requested_at"),
    )

    requires_second_factor = models.BooleanField(default=False)
    two_administrators = models.BooleanField(default=False)
    turn_off_requested_by = models.ForeignKey(
        User, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    """Who requested to turn off two-administrator approval; a second one must approve."""
    turn_off_requested_at = models.DateTimeField(null=True)

    objects = PoliciesQuerySet.as_manager()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return "account policies"
