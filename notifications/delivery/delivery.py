"""The queue of notifications: delivery, retries, and history."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from audit.models import Entry
from console.requests.language import in_english
from notifications.channels import mail, webhook
from notifications.delivery.events import EVENTS, TEST, Event
from notifications.models import Attempt, Delivery, DeliveryState, Target

# Delays after failed attempts; after the last one the notification has failed.
RETRY_DELAYS = tuple(
    timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 3 * 60, 6 * 60, 12 * 60, 24 * 60)
)
# A worker has this long to send a notification; then another worker may try.
SEND_LEASE = timedelta(minutes=2)
RETENTION = timedelta(days=90)
BATCH_SIZE = 20
MAX_TITLE, MAX_RESPONSE = 250, 300


def enqueue(event: Event, *, now: datetime, to: Iterable[Target] | None = None) -> None:
    """Queue an event for its subscribed targets, or for `to`; a duplicate event is ignored."""
    targets = Target.objects.active() if to is None else to
    rows = [
        Delivery(
            target=target,
            event=event.kind,
            key=event.key,
            title=event.title[:MAX_TITLE],
            text=event.text,
            facts=event.facts,
            created_at=now,
            due_at=now,
        )
        for target in targets
        if to is not None or event.kind in target.events
    ]
    Delivery.objects.bulk_create(rows, ignore_conflicts=True)


def list_due(now: datetime) -> list[UUID]:
    """Return the IDs of a batch of due notifications, oldest first."""
    found = Delivery.objects.due(now).order_by("due_at")
    return list(found.values_list("pk", flat=True)[:BATCH_SIZE])


def send(pk: UUID, *, now: datetime) -> bool:
    """Send a notification if it is due and return True on success; safe with many workers."""
    due = Delivery.objects.due(now).filter(pk=pk)
    if not due.update(due_at=now + SEND_LEASE):
        return False
    delivery = Delivery.objects.select_related("target").get(pk=pk)
    if delivery.target.kind == Target.Kind.MAIL:
        ok, answer = mail.send(delivery)
    else:
        ok, answer = webhook.send(delivery, now=now)
    _record_attempt(delivery, now, ok=ok, answer=answer)
    return ok


@transaction.atomic
def _record_attempt(delivery: Delivery, now: datetime, *, ok: bool, answer: str) -> None:
    Entry.objects.lock_checkpoint()
    attempts = delivery.attempts + 1
    Attempt.objects.create(delivery=delivery, at=now, ok=ok, answer=answer[:MAX_RESPONSE])
    if ok:
        Delivery.objects.transition(delivery, DeliveryState.SENT, attempts=attempts, ended_at=now)
    elif attempts > len(RETRY_DELAYS) or delivery.event == TEST:
        Delivery.objects.transition(delivery, DeliveryState.FAILED, attempts=attempts, ended_at=now)
    else:
        waiting = Delivery.objects.filter(pk=delivery.pk, state=DeliveryState.WAITING)
        waiting.update(attempts=attempts, due_at=now + RETRY_DELAYS[attempts - 1])


@transaction.atomic
def resend(pk: UUID, *, now: datetime) -> Delivery:
    """Queue a failed notification again."""
    delivery = Delivery.objects.select_related("target").get(pk=pk)
    Delivery.objects.transition(
        delivery, DeliveryState.WAITING, attempts=0, due_at=now, ended_at=None
    )
    return delivery


def build_test_event(target: Target, now: datetime) -> Event:
    """Return the event of a test notification."""
    return Event(
        TEST,
        f"test:{now.timestamp()}",
        "Test",
        f"This is a test notification for the target {target.name}. Subscribed events: "
        + "; ".join(in_english(EVENTS[kind]) for kind in target.events if kind in EVENTS),
    )


def delete_old(now: datetime) -> None:
    """Delete notifications that ended more than 90 days ago."""
    Delivery.objects.filter(ended_at__lt=now - RETENTION).delete()
