"""The form of a new ACME account key."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from certificates.acme.account_keys.keys import DEFAULT_DAYS, MAX_LABEL
from console.pages.forms import ReauthenticationForm
from devices.inventory.forms import LinesField

DAYS = (
    (1, _("1 day")),
    (7, _("7 days")),
    (30, _("30 days")),
    (365, _("1 year")),
)


class AccountKeyForm(ReauthenticationForm):
    """A new account key: its name, the permitted names, and how hosts can use it."""

    label = forms.CharField(
        label=_("Name"),
        max_length=MAX_LABEL,
        help_text=_("A name that shows what the key is for, for example web-servers."),
    )
    names = LinesField(
        label=_("Permitted names"),
        max_length=6000,
        help_text=_(
            "The names for which hosts can get certificates, one per line: host.example.com, or "
            "*.example.com for all names below a domain. Names of servers of the zone are never "
            "permitted."
        ),
    )
    days = forms.TypedChoiceField(
        label=_("Hosts can register for"), coerce=int, choices=DAYS, initial=DEFAULT_DAYS
    )
    allows_est = forms.BooleanField(
        label=_("Allow EST"),
        required=False,
        help_text=_(
            "EST clients get certificates with the key ID and the HMAC key alone: that they "
            "control the names is not validated. After the time above, they can only renew, with "
            "the private key of their certificate."
        ),
    )
    field_order = ("label", "names", "days", "allows_est", "password")
