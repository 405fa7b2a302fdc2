"""The forms of notification targets."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from console.pages.forms import ReauthenticationForm
from notifications.channels import services
from notifications.delivery.events import DEFAULT_EVENTS, EVENTS
from notifications.models import Target
from notifications.targets.targets import TargetSettings


class TargetForm(ReauthenticationForm):
    """The common fields of all targets."""

    name = forms.CharField(
        label=_("Name"), max_length=64, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    events = forms.MultipleChoiceField(
        label=_("Events"),
        choices=list(EVENTS.items()),
        initial=list(DEFAULT_EVENTS),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Select at least one event.")},
    )
    active = forms.BooleanField(label=_("Active"), required=False, initial=True)
    field_order: tuple[str, ...] = (
        *("name", "recipients", "url", "token", "events", "active", "password"),
    )

    def to_settings(self) -> TargetSettings:
        """Return the valid form as the settings of a target."""
        values = self.cleaned_data
        return TargetSettings(
            name=values["name"].strip(),
            events=values["events"],
            recipients=values.get("recipients", ""),
            url=values.get("url", "").strip(),
            active=values["active"],
            token=values.get("token", "").strip(),
        )


class MailForm(TargetForm):
    """An email target."""

    recipients = forms.CharField(
        label=_("Addresses"),
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text=_(
            "One address per line. Leave empty to notify all administrators "
            "with the Certificate Authority right."
        ),
    )


class WebhookForm(TargetForm):
    """A webhook."""

    url = forms.CharField(
        label=_("URL"),
        max_length=2000,
        required=False,
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocomplete": "off"}),
        help_text=_(
            "Must start with https://. The URL is stored encrypted and is not shown again."
        ),
    )


class ServiceForm(WebhookForm):
    """A chat service: the URL of its incoming webhook is its secret."""


class TokenForm(ServiceForm):
    """A service that expects a token or key."""

    token = forms.CharField(
        label=_("Access token"),
        max_length=200,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=_(
            "Only for a protected topic. The token is stored encrypted and is not shown again. "
            "To change the URL, enter the token again."
        ),
    )


class PagerDutyForm(TokenForm):
    """PagerDuty: the URL is known, and an integration key is required."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["url"].help_text = _("Leave empty for %s.") % services.PAGERDUTY_URL
        token = self.fields["token"]
        token.label = _("Integration key")
        token.help_text = _(
            "The key of an Events API v2 integration. It is stored encrypted and is not shown "
            "again. To change the URL, enter the key again."
        )


FORMS = {
    Target.Kind.MAIL: MailForm,
    Target.Kind.WEBHOOK: WebhookForm,
    Target.Kind.NTFY: TokenForm,
    Target.Kind.PAGERDUTY: PagerDutyForm,
}


def get_form_class(kind: str) -> type[TargetForm]:
    """Return the form class for a kind of target."""
    return FORMS.get(Target.Kind(kind), ServiceForm)


def get_initial(target: Target) -> dict[str, Any]:
    """Return the initial values of the form of a target."""
    return {
        "name": target.name,
        "events": target.events,
        "active": target.active,
        "recipients": target.recipients,
    }
