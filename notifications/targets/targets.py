"""Manage notification targets. Every change is recorded in the audit log."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from audit.models import Checkpoint, Entry
from faults import Conflict, Invalid, NotFound
from notifications.channels import mail, services, ssrf_guard, webhook
from notifications.channels.ssrf_guard import check_url
from notifications.delivery import delivery
from notifications.delivery.events import EVENTS
from notifications.models import Delivery, Target

Kind = Target.Kind


@dataclass(frozen=True)
class TargetSettings:
    """The settings of a target; an empty URL or token keeps the current one.

    `token` is the access token of ntfy or the integration key of PagerDuty. A token is sent only to
    the URL with which it was entered: a new URL requires it again.
    """

    name: str
    events: list[str]
    recipients: str = ""
    url: str = ""
    active: bool = True
    token: str = ""

    def check(self, kind: str) -> None:
        """Raise a fault if events, addresses, or the URL are not valid."""
        unknown = [event for event in self.events if event not in EVENTS]
        if unknown or not self.events:
            raise Invalid(_("Select at least one event."), field="events")
        try:
            addresses = mail.parse_addresses(self.recipients)
        except ValidationError as error:
            raise Invalid(" ".join(error.messages), field="recipients") from error
        if len(addresses) > mail.MAX_RECIPIENTS:
            raise Invalid(
                _(
                    "You can enter up to %(max)s addresses. For more recipients, use "
                    "a distribution list."
                )
                % {"max": mail.MAX_RECIPIENTS},
                field="recipients",
            )
        if kind != Kind.MAIL and self.url:
            ssrf_guard.check_destination(self.url)
        if kind == Kind.NTFY and self.url and not (check_url(self.url).path or "").strip("/"):
            raise Invalid(_("The URL does not end with a topic. Nothing was changed."), field="url")
        if not self.token.isascii() or not self.token.isprintable():
            raise Invalid(_("The token contains invalid characters."), field="token")


@transaction.atomic
def create_target(kind: str, settings: TargetSettings) -> tuple[Target, str]:
    """Create a target; return it and the new secret of a webhook ("" for other kinds)."""
    if kind == Kind.PAGERDUTY and not settings.url:
        settings = replace(settings, url=services.PAGERDUTY_URL)
    settings.check(kind)
    checkpoint = Entry.objects.lock_checkpoint()
    target, secret = Target(kind=kind), ""
    if kind != Kind.MAIL:
        if not settings.url:
            raise Invalid(
                _("The URL is missing. Nothing was changed."),
                action=str(ssrf_guard.EXAMPLE),
                field="url",
            )
        secret = webhook.new_secret() if kind == Kind.WEBHOOK else ""
        _check_token(kind, settings.token)
        _store_secret(target, settings.url, secret or settings.token)
    _store(target, settings)
    _append(checkpoint, "create-target", target, {}, _as_dict(target))
    return target, secret


@transaction.atomic
def update_target(pk: int, settings: TargetSettings) -> Target:
    """Change the settings of a target."""
    checkpoint = Entry.objects.lock_checkpoint()
    target = get_target(pk)
    settings.check(target.kind)
    before = _as_dict(target)
    if target.kind != Kind.MAIL and (settings.url or settings.token):
        url, secret = webhook.decrypt_target(target)
        if target.kind in services.SERVICES:
            _check_token(target.kind, settings.token)
            secret = settings.token
        _store_secret(target, settings.url or url, secret)
    _store(target, settings)
    _append(checkpoint, "change-target", target, before, _as_dict(target))
    return target


@transaction.atomic
def renew_secret(pk: int) -> str:
    """Replace the secret of a webhook and return the new one."""
    checkpoint = Entry.objects.lock_checkpoint()
    target = get_target(pk)
    if target.kind != Kind.WEBHOOK:
        raise NotFound(_("The webhook was not found."))
    url, _secret = webhook.decrypt_target(target)
    secret = webhook.new_secret()
    _store_secret(target, url, secret)
    target.save(update_fields=["encrypted"])
    _append(checkpoint, "new-webhook-secret", target, {}, {})
    return secret


@transaction.atomic
def delete_target(pk: int) -> Target:
    """Delete a target and its history."""
    checkpoint = Entry.objects.lock_checkpoint()
    target = get_target(pk)
    _append(checkpoint, "remove-target", target, _as_dict(target), {})
    Target.objects.filter(pk=pk).delete()
    return target


@transaction.atomic
def send_test(pk: int, *, now: datetime) -> Delivery:
    """Queue a test notification and return it."""
    target = get_target(pk)
    event = delivery.build_test_event(target, now)
    Entry.objects.record("test-target", _subject(target), note=target.name)
    delivery.enqueue(event, now=now, to=[target])
    return Delivery.objects.get(target=target, key=event.key)


def get_target(pk: int) -> Target:
    """Return a target; raise NotFound if it does not exist."""
    target = Target.objects.filter(pk=pk).first()
    if target is None:
        raise NotFound(_("The notification target was not found."))
    return target


def _check_token(kind: str, token: str) -> None:
    if kind == Kind.PAGERDUTY and not token:
        raise Invalid(
            _("The integration key is missing. Nothing was changed."),
            action=_("Enter the integration key of the service in PagerDuty (Events API v2)."),
            field="token",
        )


def _store_secret(target: Target, url: str, secret: str) -> None:
    target.host = str(ssrf_guard.check_url(url).host)
    target.encrypted = webhook.encrypt_target(target, url=url.strip(), secret=secret)


def _store(target: Target, settings: TargetSettings) -> None:
    target.name = settings.name
    target.recipients = "\n".join(mail.parse_addresses(settings.recipients))
    target.events = [event for event in EVENTS if event in settings.events]
    target.active = settings.active
    try:
        with transaction.atomic():
            target.save()
    except IntegrityError as error:
        raise Conflict(
            _("A target named %(name)s already exists. Nothing was changed.")
            % {"name": settings.name},
            action=_("Choose a different name."),
            field="name",
        ) from error


def _subject(target: Target) -> str:
    return f"notifications.Target:{target.pk}"


def _as_dict(target: Target) -> dict[str, Any]:
    return {
        "name": target.name,
        "kind": target.kind,
        "recipients": target.recipients.split(),
        "host": target.host,
        "events": target.events,
        "active": target.active,
    }


def _append(
    checkpoint: Checkpoint,
    action: str,
    target: Target,
    before: dict[str, Any],
    after: dict[str, Any],
) -> None:
    detail = {"before": before, "after": after}
    Entry.objects.append(checkpoint, action, _subject(target), note=target.name, detail=detail)
