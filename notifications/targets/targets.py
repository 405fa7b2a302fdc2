"""What an administrator does to targets: each act with its line in the ledger (S-42)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from audit.models import Entry
from faults import Conflict, Invalid, NotFound
from notifications.channels import mail, ssrf_guard, webhook
from notifications.delivery import delivery
from notifications.delivery.events import EVENTS
from notifications.models import Delivery, Target

Kind = Target.Kind


@dataclass(frozen=True)
class Order:
    """What a target is to be; an empty URL of a webhook that exists keeps the one it has."""

    name: str
    events: list[str]
    recipients: str = ""
    url: str = ""
    active: bool = True

    def check(self, kind: str) -> None:
        """Refuse events that do not exist, and addresses that are none."""
        unknown = [event for event in self.events if event not in EVENTS]
        if unknown or not self.events:
            raise Invalid("Choose at least one of the events.", field="events")
        try:
            found = mail.split(self.recipients)
        except ValidationError as error:
            raise Invalid(" ".join(error.messages), field="recipients") from error
        if len(found) > mail.RECIPIENTS_AT_MOST:
            raise Invalid(
                f"At most {mail.RECIPIENTS_AT_MOST} addresses; use a list on the mail server.",
                field="recipients",
            )
        if kind == Kind.WEBHOOK and self.url:
            url = ssrf_guard.check_url(self.url)
            ssrf_guard.addresses(str(url.host), url.port or 443)


@transaction.atomic
def create(kind: str, order: Order) -> tuple[Target, str]:
    """Make a target; returns it and the secret of a webhook, which is shown this once."""
    order.check(kind)
    head = Entry.objects.queue()
    target, secret = Target(kind=kind), ""
    if kind == Kind.WEBHOOK:
        if not order.url:
            raise Invalid("Enter a URL that begins with https://.", field="url")
        secret = webhook.new_secret()
        _seal(target, order.url, secret)
    _put(target, order)
    _append(head, "create-target", target, {}, _plain(target))
    return target, secret


@transaction.atomic
def change(pk: int, order: Order) -> Target:
    """Change a target."""
    head = Entry.objects.queue()
    target = known(pk)
    order.check(target.kind)
    before = _plain(target)
    if target.kind == Kind.WEBHOOK and order.url:
        _url, secret = webhook.opened(target)
        _seal(target, order.url, secret)
    _put(target, order)
    _append(head, "change-target", target, before, _plain(target))
    return target


@transaction.atomic
def new_secret(pk: int) -> str:
    """Give a webhook another secret; what is signed from now on is signed with it."""
    head = Entry.objects.queue()
    target = known(pk)
    if target.kind != Kind.WEBHOOK:
        raise NotFound("There is no such webhook.")
    url, _secret = webhook.opened(target)
    secret = webhook.new_secret()
    _seal(target, url, secret)
    target.save(update_fields=["sealed"])
    _append(head, "new-webhook-secret", target, {}, {})
    return secret


@transaction.atomic
def remove(pk: int) -> Target:
    """Remove a target with its history."""
    head = Entry.objects.queue()
    target = known(pk)
    _append(head, "remove-target", target, _plain(target), {})
    Target.objects.filter(pk=pk).delete()
    return target


@transaction.atomic
def test(pk: int, *, now: datetime) -> Delivery:
    """Queue a notification that says it is a test."""
    target = known(pk)
    event = delivery.trial(target, now)
    Entry.objects.record("test-target", _subject(target), note=target.name)
    delivery.queue(event, now=now, to=[target])
    return Delivery.objects.get(target=target, key=event.key)


def known(pk: int) -> Target:
    """Return a target."""
    target = Target.objects.filter(pk=pk).first()
    if target is None:
        raise NotFound("There is no such target.")
    return target


def _seal(target: Target, url: str, secret: str) -> None:
    target.host = str(ssrf_guard.check_url(url).host)
    target.sealed = webhook.seal(target, url=url.strip(), secret=secret)


def _put(target: Target, order: Order) -> None:
    target.name = order.name
    target.recipients = "\n".join(mail.split(order.recipients))
    target.events = [event for event in EVENTS if event in order.events]
    target.active = order.active
    try:
        with transaction.atomic():
            target.save()
    except IntegrityError as error:
        raise Conflict(
            f"There is a target {order.name} already. Nothing was changed.",
            action="Choose another name.",
            field="name",
        ) from error


def _subject(target: Target) -> str:
    return f"notifications.Target:{target.pk}"


def _plain(target: Target) -> dict[str, Any]:
    return {
        "name": target.name,
        "kind": target.kind,
        "recipients": target.recipients.split(),
        "host": target.host,
        "events": target.events,
        "active": target.active,
    }


def _append(
    head: Any, action: str, target: Target, before: dict[str, Any], after: dict[str, Any]
) -> None:
    detail = {"before": before, "after": after}
    Entry.objects.append(head, action, _subject(target), note=target.name, detail=detail)
