"""The fields of a target."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from console.pages.forms import PasswordAgain
from notifications.delivery.events import EVENTS, USUAL
from notifications.models import Target
from notifications.targets.targets import Order


class TargetForm(PasswordAgain):
    """What every target has."""

    name = forms.CharField(
        label=_("Name"), max_length=64, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    events = forms.MultipleChoiceField(
        label=_("Tell of"),
        choices=list(EVENTS.items()),
        initial=list(USUAL),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Choose at least one of the events.")},
    )
    active = forms.BooleanField(label=_("Active"), required=False, initial=True)
    field_order: tuple[str, ...] = ("name", "recipients", "url", "events", "active", "password")

    def order(self) -> Order:
        """Return what was asked for, in the words of the act."""
        given = self.cleaned_data
        return Order(
            name=given["name"].strip(),
            events=given["events"],
            recipients=given.get("recipients", ""),
            url=given.get("url", "").strip(),
            active=given["active"],
        )


class MailForm(TargetForm):
    """A target that is reached by mail."""

    recipients = forms.CharField(
        label=_("Addresses"),
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text=_(
            "One a line. Without any it goes to every administrator who may act on the zone CA."
        ),
    )


class WebhookForm(TargetForm):
    """A target that is reached by a POST."""

    url = forms.CharField(
        label=_("URL"),
        max_length=2000,
        required=False,
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocomplete": "off"}),
        help_text=_("Begins with https://. It is kept sealed and is not shown again."),
    )


def form_of(kind: str) -> type[TargetForm]:
    """Return the form of a kind of target."""
    return MailForm if kind == Target.Kind.MAIL else WebhookForm


def initial_of(target: Target) -> dict[str, Any]:
    """Return what the form of a target shows at first."""
    return {
        "name": target.name,
        "events": target.events,
        "active": target.active,
        "recipients": target.recipients,
    }
