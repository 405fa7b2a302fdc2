"""Reauthentication, preferences, and form fields that several dialogs share."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.contrib.auth import authenticate
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from console.access.reauthentication import (
    ExternalLoginField,
    PasswordAndSecondFactor,
    has_authenticator,
    has_passkey_here,
    has_second_factor,
    is_recently_authenticated,
    record_authentication,
    uses_oidc,
)
from console.pages import formatting

LOCAL = "%Y-%m-%dT%H:%M"


def set_choices(form: forms.Form, name: str, choices: Iterable[tuple[str, str]]) -> None:
    """Set the choices of a form field."""
    cast("forms.ChoiceField", form.fields[name]).choices = list(choices)


class LocalTimeInput(forms.DateTimeInput):
    """The date and time picker of the browser; values are in the user's time zone."""

    input_type = "datetime-local"

    def __init__(self) -> None:
        super().__init__(format=LOCAL)


class LocalTimeField(forms.DateTimeField):
    """A date and time in the user's time zone. Skipped and repeated times are rejected."""

    widget = LocalTimeInput

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(input_formats=[LOCAL, LOCAL + ":%S", "%Y-%m-%d %H:%M"], **kwargs)


class ReauthenticationForm(forms.Form):
    """A form with a password field if the last authentication is too old (D-32)."""

    password = forms.CharField(
        label=_("Your password"),
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        help_text=_("Confirm your password because you logged in more than five minutes ago."),
    )

    def __init__(self, request: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request
        self.asks_password = not is_recently_authenticated(request)
        if not self.asks_password:
            del self.fields["password"]
        elif uses_oidc(request.user):
            self.fields["password"] = ExternalLoginField(request)
        elif has_second_factor(request.user):
            self.fields["password"] = PasswordAndSecondFactor(
                has_authenticator=has_authenticator(request.user),
                has_passkey=has_passkey_here(request, request.user),
            )

    def clean_password(self) -> str:
        """Verify password and second factor with the login backends, so that failures count."""
        value = self.cleaned_data["password"]
        password, code, passkey = value if isinstance(value, list) else (value, "", "")
        username = self.request.user.get_username()
        if not password:
            raise forms.ValidationError(_("Enter your password."))
        if authenticate(self.request, username=username, password=password) is None:
            raise forms.ValidationError(_("The password is incorrect. Nothing was changed."))
        if has_second_factor(self.request.user):
            self._verify_second_factor(username, code, passkey)
        record_authentication(self.request)
        return ""

    def _verify_second_factor(self, username: str, code: str, passkey: str) -> None:
        if passkey:
            if authenticate(self.request, username=username, passkey=passkey) is None:
                raise forms.ValidationError(_("The passkey was not accepted. Nothing was changed."))
        elif authenticate(self.request, username=username, code=code) is None:
            raise forms.ValidationError(
                _("The code is incorrect, expired, or already used. Nothing was changed.")
            )


@lru_cache(maxsize=1)
def _zones() -> list[tuple[str, str]]:
    names = sorted(name for name in available_timezones() if "/" in name or name == "UTC")
    return [(name, name) for name in names if not name.startswith(("Etc/", "posix", "right"))]


def zone_choices() -> list[tuple[str, Any]]:
    """Return all time zones, the one of the browser first."""
    return [("", _("Use browser time zone")), *_zones()]


def language_choices() -> list[tuple[str, Any]]:
    """Return the languages of the console, each with its own name."""
    return [("", _("Use browser language")), *settings.LANGUAGES]


class PreferencesForm(forms.Form):
    """The preferences of a user."""

    language = forms.ChoiceField(
        label=_("Language"),
        required=False,
        choices=language_choices,
        help_text=_(
            "Used for the pages of the console. The audit log, notifications, and the REST API are "
            "always in English."
        ),
    )
    time_zone = forms.ChoiceField(
        label=_("Time zone"),
        required=False,
        choices=zone_choices,
        help_text=_("Used for dates that the console displays and dates that you enter."),
    )


def format_utc(moment: datetime) -> str:
    """Return a time in UTC, to show next to a field in the user's time zone."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def format_zone(moment: datetime) -> str:
    """Return the user's time zone and offset, for example Europe/Berlin (UTC+01:00)."""
    return f"{timezone.get_current_timezone_name()} (UTC{formatting.offset(moment)})"
