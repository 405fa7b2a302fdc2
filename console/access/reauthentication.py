"""Reauthentication before sensitive actions, for example changes of the CA.

See: D-32
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

# A response of an authenticator has a few kilobytes, with certificates of its maker more.
MAX_PASSKEY_LENGTH = 32_000


class SecondFactorInput(forms.MultiWidget):
    """Inputs with one label: the password, a code, and a button that requests a passkey."""

    def __init__(self, *, code_label: Any, has_passkey: bool) -> None:
        code = {"autocomplete": "one-time-code", "inputmode": "numeric", "maxlength": 40}
        password = {"autocomplete": "current-password", "aria-label": _("Your password")}
        widgets: list[Any] = [
            forms.PasswordInput(attrs=password),
            forms.TextInput(attrs={**code, "aria-label": code_label, "placeholder": code_label}),
        ]
        # A script enters the response of the authenticator here.
        super().__init__([*widgets, forms.HiddenInput()] if has_passkey else widgets)
        self.has_passkey = has_passkey

    def decompress(self, value: Any) -> list[str]:
        """Return empty strings: no value is ever shown again."""
        return [""] * len(self.widgets)

    def id_for_label(self, id_: str) -> str:
        """Return the ID of the first input."""
        return f"{id_}_0" if id_ else id_

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """Return the inputs and the button."""
        inputs = super().render(name, None, attrs, renderer)
        if not self.has_passkey:
            return inputs
        target = f"{(attrs or {}).get('id', f'id_{name}')}_2"
        return inputs + render_to_string("console/passkey_button.html", {"target": target})


class PasswordAndSecondFactor(forms.MultiValueField):
    """The password and the second factor of a user: a code or a passkey."""

    def __init__(self, *, has_authenticator: bool, has_passkey: bool) -> None:
        label, code_label = _("Your password and authenticator code"), _("Authenticator code")
        if not has_authenticator:
            code_label = _("Recovery code")
        if has_passkey:
            label = _("Your password, and a passkey or code")
        elif not has_authenticator:
            label = _("Your password and a recovery code")
        super().__init__(
            fields=(
                forms.CharField(strip=False),
                forms.CharField(max_length=40),
                *((forms.CharField(max_length=MAX_PASSKEY_LENGTH),) if has_passkey else ()),
            ),
            widget=SecondFactorInput(code_label=code_label, has_passkey=has_passkey),
            label=label,
            required=False,
            help_text=_("Confirm your password because you logged in more than five minutes ago."),
        )

    def compress(self, data_list: list[str]) -> list[str]:
        """Return the password, the code, and the response of the authenticator."""
        return [*data_list, "", "", ""][:3]


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


def has_authenticator(user: Any) -> bool:
    """Return True if an authenticator app is set up for a user."""
    factor = getattr(user, "second_factor", None)
    return factor is not None and factor.confirmed_at is not None


def list_passkey_hosts(user: Any) -> list[str]:
    """Return the host names of the console for which a user has passkeys, in order."""
    mac = getattr(user, "account_mac", None)
    lines = mac.list_passkeys() if mac is not None else []
    return sorted({line.partition(" ")[0] for line in lines})


def has_second_factor(user: Any) -> bool:
    """Return True if two-factor authentication is on for a user."""
    return has_authenticator(user) or bool(list_passkey_hosts(user))


def get_host_name(request: Any) -> str:
    """Return the name of the console in a request, without the port: passkeys belong to it."""
    return urlsplit(f"//{request.get_host().lower()}").hostname or ""


def has_passkey_here(request: Any, user: Any) -> bool:
    """Return True if a user has a passkey for the name with which the console was opened."""
    return get_host_name(request) in list_passkey_hosts(user)


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
