"""How a user proves who they are once more before an act on the CA (D-32, S-45)."""

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
    """Two inputs under one label: the password and the code of the authenticator."""

    def __init__(self) -> None:
        code = {"autocomplete": "one-time-code", "inputmode": "numeric", "maxlength": 40}
        labels = _("Your password"), _("Code of your authenticator")
        super().__init__(
            [
                forms.PasswordInput(
                    attrs={"autocomplete": "current-password", "aria-label": labels[0]}
                ),
                forms.TextInput(attrs={**code, "aria-label": labels[1], "placeholder": labels[1]}),
            ]
        )

    def decompress(self, value: Any) -> list[str]:
        """Return two empty texts: neither is ever shown again."""
        return ["", ""]

    def id_for_label(self, id_: str) -> str:
        """Return the first input, which the label is for."""
        return f"{id_}_0" if id_ else id_


class PasswordAndCode(forms.MultiValueField):
    """Password and code of a user with a second factor."""

    widget = PasswordAndCodeInput

    def __init__(self) -> None:
        super().__init__(
            fields=(forms.CharField(strip=False), forms.CharField(max_length=40)),
            label=_("Your password and the code of your authenticator"),
            required=False,
            help_text=_("Asked again because your last login is more than five minutes ago."),
        )

    def compress(self, data_list: list[str]) -> list[str]:
        """Return both texts."""
        return [*data_list, "", ""][:2]


class AgainLink(forms.Widget):
    """A link to the provider that the user logs in with, instead of a password."""

    def __init__(self, there: str) -> None:
        super().__init__()
        self.there = there

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """Return the link."""
        known = (attrs or {}).get("id", f"id_{name}")
        said = _("Log in again")
        return format_html('<a class="btn" id="{}" href="{}">{}</a>', known, self.there, said)


class ProofElsewhere(forms.Field):
    """Stands where others enter the password: this user has none here."""

    def __init__(self, request: Any) -> None:
        here = getattr(request, "htmx", None) and request.htmx.current_url_abs_path
        there = urlencode({"next": here or request.path})
        super().__init__(
            label=_("Log in again"),
            required=False,
            widget=AgainLink(f"{settings.LOGIN_URL}again/?{there}"),
            help_text=_("Your last login is more than five minutes ago. Then open this again."),
        )

    def clean(self, value: Any) -> Any:
        """Refuse: nothing in this form proves who the user is."""
        raise forms.ValidationError(_("Log in again first. Nothing was changed."))


def has_second_factor(user: Any) -> bool:
    """Tell whether a user gives a code besides the password."""
    factor = getattr(user, "second_factor", None)
    return factor is not None and factor.confirmed_at is not None


def is_known_elsewhere(user: Any) -> bool:
    """Tell whether a user logs in at an OpenID provider and has no password here."""
    kept = getattr(user, "administrator", None)
    return kept is not None and kept.signs_in == "oidc"


def recently_proved(request: Any) -> bool:
    """Tell whether the user proved the password within the last minutes."""
    proved = float(request.session.get("authenticated_at", 0))
    age = timezone.now().timestamp() - proved
    return 0 <= age < settings.REAUTHENTICATE_AFTER_SECONDS


def remember_proof(request: Any) -> None:
    """Remember that the user proved the password now."""
    request.session["authenticated_at"] = timezone.now().timestamp()
