"""The queue of notifications: what is due is sent, what failed is tried again (B-25)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from audit.models import Entry
from notifications.channels import mail, webhook
from notifications.delivery.events import EVENTS, TEST, Event
from notifications.models import Attempt, Delivery, DeliveryState, Target

# After a failed attempt the next one waits as long as this; after the last one it is given up.
PAUSES = tuple(
    timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 3 * 60, 6 * 60, 12 * 60, 24 * 60)
)
# Whoever sends holds the row this long; then another worker may try.
HELD = timedelta(minutes=2)
KEPT = timedelta(days=90)
AT_ONCE = 20
TITLE_AT_MOST, ANSWER_AT_MOST = 250, 300


def queue(event: Event, *, now: datetime, to: Iterable[Target] | None = None) -> None:
    """Make a row for each target that asks for such an event; the same event again makes none."""
    targets = Target.objects.active() if to is None else to
    rows = [
        Delivery(
            target=target,
            event=event.kind,
            key=event.key,
            title=event.title[:TITLE_AT_MOST],
            text=event.text,
            facts=event.facts,
            created_at=now,
            due_at=now,
        )
        for target in targets
        if to is not None or event.kind in target.events
    ]
    Delivery.objects.bulk_create(rows, ignore_conflicts=True)


def due(now: datetime) -> list[UUID]:
    """Return some of those that should be sent now, the oldest first."""
    found = Delivery.objects.due(now).order_by("due_at")
    return list(found.values_list("pk", flat=True)[:AT_ONCE])


def send(pk: UUID, *, now: datetime) -> bool:
    """Send one notification if it is due; of several workers at once exactly one does."""
    held = Delivery.objects.due(now).filter(pk=pk)
    if not held.update(due_at=now + HELD):
        return False
    delivery = Delivery.objects.select_related("target").get(pk=pk)
    if delivery.target.kind == Target.Kind.MAIL:
        ok, answer = mail.send(delivery)
    else:
        ok, answer = webhook.send(delivery, now=now)
    _note(delivery, now, ok=ok, answer=answer)
    return ok


@transaction.atomic
def _note(delivery: Delivery, now: datetime, *, ok: bool, answer: str) -> None:
    Entry.objects.queue()
    tried = delivery.attempts + 1
    Attempt.objects.create(delivery=delivery, at=now, ok=ok, answer=answer[:ANSWER_AT_MOST])
    if ok:
        Delivery.objects.move(delivery, DeliveryState.SENT, attempts=tried, ended_at=now)
    elif tried > len(PAUSES) or delivery.event == TEST:
        Delivery.objects.move(delivery, DeliveryState.GIVEN_UP, attempts=tried, ended_at=now)
    else:
        waiting = Delivery.objects.filter(pk=delivery.pk, state=DeliveryState.WAITING)
        waiting.update(attempts=tried, due_at=now + PAUSES[tried - 1])


@transaction.atomic
def send_again(pk: UUID, *, now: datetime) -> Delivery:
    """Put a notification that was given up into the queue again."""
    delivery = Delivery.objects.select_related("target").get(pk=pk)
    Delivery.objects.move(delivery, DeliveryState.WAITING, attempts=0, due_at=now, ended_at=None)
    return delivery


def trial(target: Target, now: datetime) -> Event:
    """Return what the button Test sends."""
    return Event(
        TEST,
        f"test:{now.timestamp()}",
        "Test",
        f"This is a test of the target {target.name}. It asks for: "
        + "; ".join(str(EVENTS[kind]) for kind in target.events if kind in EVENTS),
    )


def forget_old(now: datetime) -> None:
    """Drop the history that is older than a quarter of a year."""
    Delivery.objects.filter(ended_at__lt=now - KEPT).delete()
