"""The form of Revoke Host Certificate."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from certificates.models import Revocation
from certificates.revocation.forms import RevokeForm

Reason = Revocation.Reason


class RevokeHostForm(RevokeForm):
    """The reason, in words about a host, and the confirmation checkbox."""

    reason = forms.ChoiceField(
        label=_("Reason"),
        choices=[
            ("", _("Select a reason")),
            (Reason.KEY_COMPROMISE.value, Reason.KEY_COMPROMISE.label),
            (Reason.SUPERSEDED.value, Reason.SUPERSEDED.label),
            (Reason.CESSATION.value, _("The host is no longer in operation")),
            (Reason.AFFILIATION_CHANGED.value, _("The names no longer belong to the host")),
            (Reason.UNSPECIFIED.value, Reason.UNSPECIFIED.label),
        ],
    )
