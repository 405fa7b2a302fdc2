"""The form of Revoke Certificate."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from certificates.models import Revocation
from console.pages.forms import ReauthenticationForm


class RevokeForm(ReauthenticationForm):
    """The reason and the confirmation checkbox."""

    reason = forms.ChoiceField(
        label=_("Reason"), choices=[("", _("Select a reason")), *Revocation.Reason.choices]
    )
    confirm = forms.BooleanField(
        label=_("Yes, I want to revoke this certificate"),
        error_messages={"required": _("To revoke the certificate, select this checkbox.")},
    )

    field_order: Any = ("reason", "confirm", "password")
