"""Reauthentication before sensitive actions, for example changes of the CA.

See: D-32
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _


class PasswordAndCodeInput(forms.MultiWidget):
    """Two inputs with one label: the password and the authenticator code."""

    def __init__(self) -> None:
        code = {"autocomplete": "one-time-code", "inputmode": "numeric", "maxlength": 40}
        labels = _("Your password"), _("Authenticator code")
        super().__init__(
            [
                forms.PasswordInput(
                    attrs={"autocomplete": "current-password", "aria-label": labels[0]}
                ),
                forms.TextInput(attrs={**code, "aria-label": labels[1], "placeholder": labels[1]}),
            ]
        )

    def decompress(self, value: Any) -> list[str]:
        """Return two empty strings: neither value is ever shown again."""
        return ["", ""]

    def id_for_label(self, id_: str) -> str:
        """Return the ID of the first input."""
        return f"{id_}_0" if id_ else id_


class PasswordAndCode(forms.MultiValueField):
    """The password and code of a user with a second factor."""

    widget = PasswordAndCodeInput

    def __init__(self) -> None:
        super().__init__(
            fields=(forms.CharField(strip=False), forms.CharField(max_length=40)),
            label=_("Your password and authenticator code"),
            required=False,
            help_text=_("Confirm your password because you logged in more than five minutes ago."),
        )

    def compress(self, data_list: list[str]) -> list[str]:
        """Return the password and the code."""
        return [*data_list, "", ""][:2]


class LoginAgainLink(forms.Widget):
    """A link to the OpenID provider of the user, instead of a password."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """Return the link."""
        id_ = (attrs or {}).get("id", f"id_{name}")
        label = _("Log In Again")
        return format_html('<a class="btn" id="{}" href="{}">{}</a>', id_, self.url, label)


class ExternalLoginField(forms.Field):
    """Replaces the password of a user who logs in with OpenID Connect. Never valid."""

    def __init__(self, request: Any) -> None:
        page = getattr(request, "htmx", None) and request.htmx.current_url_abs_path
        parameters = urlencode({"next": page or request.path})
        super().__init__(
            label=_("Log In Again"),
            required=False,
            widget=LoginAgainLink(f"{settings.LOGIN_URL}again/?{parameters}"),
            help_text=_(
                "You logged in more than five minutes ago. Log in again, then reopen this page."
            ),
        )

    def clean(self, value: Any) -> Any:
        """Raise ValidationError: the form itself cannot authenticate the user."""
        raise forms.ValidationError(
            _("You must log in again before you continue. Nothing was changed.")
        )


def has_second_factor(user: Any) -> bool:
    """Return True if two-factor authentication is on for a user."""
    factor = getattr(user, "second_factor", None)
    return factor is not None and factor.confirmed_at is not None


def uses_oidc(user: Any) -> bool:
    """Return True if a user logs in with OpenID Connect and has no local password."""
    account = getattr(user, "administrator", None)
    return account is not None and account.login_method == "oidc"


def is_recently_authenticated(request: Any) -> bool:
    """Return True if the user authenticated within REAUTHENTICATE_AFTER_SECONDS."""
    authenticated_at = float(request.session.get("authenticated_at", 0))
    age = timezone.now().timestamp() - authenticated_at
    return 0 <= age < settings.REAUTHENTICATE_AFTER_SECONDS


def record_authentication(request: Any) -> None:
    """Store the current time in the session as the time of authentication."""
    request.session["authenticated_at"] = timezone.now().timestamp()
