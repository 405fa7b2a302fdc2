"""The fields of logging in, of a user's own security, and of the administrators' dialogs."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from administrators.accounts.roles import ROLES
from administrators.models import Administrator
from console.pages.forms import PasswordAgain

CODE_INPUT = {"autocomplete": "one-time-code", "autofocus": True, "spellcheck": "false"}
NEW_PASSWORD = {"autocomplete": "new-password"}
SignsIn = Administrator.SignsIn


class CodeForm(forms.Form):
    """The code of the authenticator, or a recovery code."""

    code = forms.CharField(label=_("Code"), max_length=40, widget=forms.TextInput(attrs=CODE_INPUT))


class ChoosePassword(forms.Form):
    """A password, twice. Whether it is good enough the act decides."""

    new_password = forms.CharField(
        label=_("New password"),
        strip=False,
        max_length=200,
        widget=forms.PasswordInput(attrs=NEW_PASSWORD),
        help_text=_("At least 10 characters; a sentence of several words is best."),
    )
    again = forms.CharField(
        label=_("The same again"),
        strip=False,
        max_length=200,
        widget=forms.PasswordInput(attrs=NEW_PASSWORD),
    )

    def clean_again(self) -> str:
        """Refuse two different texts."""
        again: str = self.cleaned_data["again"]
        if again != self.cleaned_data.get("new_password", again):
            raise forms.ValidationError(_("The two passwords are not the same."))
        return again


class ChangePassword(ChoosePassword, PasswordAgain):
    """A user's own new password."""

    field_order = ("password", "new_password", "again")


class Confirm(PasswordAgain):
    """Nothing but the proof of who asks."""


class RolesForm(PasswordAgain):
    """Which roles an administrator has."""

    roles = forms.MultipleChoiceField(
        label=_("Roles"),
        choices=[(role.key, role.label) for role in ROLES],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Choose at least one role.")},
    )
    field_order: tuple[str, ...] = ("roles", "password")


class NewAdministratorForm(RolesForm):
    """A new administrator."""

    name = forms.CharField(
        label=_("User name"),
        max_length=150,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True}),
    )
    email = forms.EmailField(label=_("E-mail address"), required=False, max_length=254)
    signs_in = forms.ChoiceField(label=_("Logs in with"), choices=SignsIn.choices)
    field_order = ("name", "email", "roles", "signs_in", "password")

    def __init__(self, request: Any, *args: Any, oidc: bool, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        if not oidc:
            del self.fields["signs_in"]


class RulesForm(PasswordAgain):
    """What holds for all administrators."""

    requires_second_factor = forms.BooleanField(
        label=_("Everybody who logs in with a password needs a second factor"),
        required=False,
        help_text=_("Whoever has none sets it up at the next login."),
    )
    two_administrators = forms.BooleanField(
        label=_("Acts on the zone CA need two administrators"),
        required=False,
        help_text=_(
            "A second one confirms Change CA, Remint CA, Move CA Role, Backup CA, Restore CA, "
            "Force activation and Roll back within 24 hours."
        ),
    )
    field_order = ("requires_second_factor", "two_administrators", "password")
