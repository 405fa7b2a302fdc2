"""Forms of the frame, and fields that several dialogs share."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast
from zoneinfo import available_timezones

from django import forms
from django.contrib.auth import authenticate
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from console.access.reauthentication import (
    PasswordAndCode,
    ProofElsewhere,
    has_second_factor,
    is_known_elsewhere,
    recently_proved,
    remember_proof,
)
from console.pages import formatting

LOCAL = "%Y-%m-%dT%H:%M"


def offer(form: forms.Form, name: str, choices: Iterable[tuple[str, str]]) -> None:
    """Give a field of a form what there is to choose from."""
    cast("forms.ChoiceField", form.fields[name]).choices = list(choices)


class LocalTimeInput(forms.DateTimeInput):
    """The browser's picker for a date and time; its value is in the user's zone."""

    input_type = "datetime-local"

    def __init__(self) -> None:
        super().__init__(format=LOCAL)


class LocalTimeField(forms.DateTimeField):
    """A moment in the user's zone. One that the clocks skip or repeat is refused."""

    widget = LocalTimeInput

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(input_formats=[LOCAL, LOCAL + ":%S", "%Y-%m-%d %H:%M"], **kwargs)


class PasswordAgain(forms.Form):
    """Asks for the password where the last proof of it is too old (D-32)."""

    password = forms.CharField(
        label=_("Your password"),
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        help_text=_("Asked again because your last login is more than five minutes ago."),
    )

    def __init__(self, request: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request
        self.asks_password = not recently_proved(request)
        if not self.asks_password:
            del self.fields["password"]
        elif is_known_elsewhere(request.user):
            self.fields["password"] = ProofElsewhere(request)
        elif has_second_factor(request.user):
            self.fields["password"] = PasswordAndCode()

    def clean_password(self) -> str:
        """Prove the password through the login backends, so that guesses are counted.

        Whoever has a second factor proves that, too.
        """
        given = self.cleaned_data["password"]
        password, code = given if isinstance(given, list) else (given, "")
        username = self.request.user.get_username()
        if not password:
            raise forms.ValidationError(_("Enter your password."))
        if authenticate(self.request, username=username, password=password) is None:
            raise forms.ValidationError(_("This is not your password. Nothing was changed."))
        if has_second_factor(self.request.user) and (
            authenticate(self.request, username=username, code=code) is None
        ):
            raise forms.ValidationError(
                _("The code is not the one shown now, or was used already. Nothing was changed.")
            )
        remember_proof(self.request)
        return ""


@lru_cache(maxsize=1)
def _zones() -> list[tuple[str, str]]:
    names = sorted(name for name in available_timezones() if "/" in name or name == "UTC")
    return [(name, name) for name in names if not name.startswith(("Etc/", "posix", "right"))]


def zone_choices() -> list[tuple[str, Any]]:
    """Return every time zone, the browser's own first."""
    return [("", _("As the browser tells")), *_zones()]


class PreferencesForm(forms.Form):
    """What a user prefers to see."""

    time_zone = forms.ChoiceField(
        label=_("Time zone"),
        required=False,
        choices=zone_choices,
        help_text=_("All dates are shown in this zone, and dates that you enter are read in it."),
    )


def utc_words(moment: datetime) -> str:
    """Return a moment in UTC, to be shown beside a field in the user's zone."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def zone_words(moment: datetime) -> str:
    """Return the user's zone with its offset at that moment, such as Europe/Berlin (UTC+01:00)."""
    return f"{timezone.get_current_timezone_name()} (UTC{formatting.offset(moment)})"
