"""Targets of notifications and what was sent to them, in the REST API (B-20, B-25)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Query, Router, Schema
from ninja.responses import Status
from pydantic import Field

from console.rest.api import Order, Page, Paging, Text, by_guid, by_number, having, page
from faults import Invalid
from notifications.delivery import delivery as notifications_delivery
from notifications.delivery.events import EVENTS
from notifications.models import Delivery, DeliveryState, Target
from notifications.targets import targets

router = Router(tags=["notifications"])
RIGHT = "notifications.manage"
MAY = having(RIGHT)
MAY_CHANGE = having(RIGHT, proved=True)
NAME_AT_MOST, URL_AT_MOST, ADDRESSES_AT_MOST = 64, 2000, 100


class EventOut(Schema):
    """What a target may ask for."""

    key: str
    label: str


class TargetOut(Schema):
    """Where notifications go; of a webhook the host alone is told."""

    id: int
    name: str
    kind: str
    recipients: list[str]
    host: str
    events: list[str]
    active: bool
    created_at: datetime

    @staticmethod
    def resolve_recipients(target: Any) -> list[str]:
        """Return the addresses; none: every administrator who may act on the CA."""
        return list(target.recipients.split())


class NewTarget(Schema):
    """A target that was just made; the secret of a webhook is told this once."""

    target: TargetOut
    secret: str


class SecretOut(Schema):
    """What a webhook is signed with from now on; it is told this once."""

    secret: str


class TargetOrder(Order):
    """What a target shall be; a webhook that exists keeps its URL where none is given."""

    name: Text = Field(min_length=1, max_length=NAME_AT_MOST)
    events: list[Text] = Field(min_length=1, max_length=len(EVENTS))
    recipients: list[Text] = Field(default_factory=list, max_length=ADDRESSES_AT_MOST)
    url: Text = Field("", max_length=URL_AT_MOST)
    active: bool = True

    def wanted(self) -> targets.Order:
        """Return it in the words of the act."""
        name = self.name.strip()
        if not name:
            raise Invalid("Give the target a name. Nothing was changed.", field="name")
        return targets.Order(
            name=name,
            events=list(self.events),
            recipients="\n".join(self.recipients),
            url=self.url.strip(),
            active=self.active,
        )


class NewTargetOrder(TargetOrder):
    """A new target."""

    kind: Target.Kind


class DeliveryOut(Schema):
    """One notification to one target."""

    id: UUID = Field(validation_alias="guid")
    target_id: int
    target: str = Field(validation_alias="target.name")
    event: str
    title: str
    state: str
    attempts: int
    created_at: datetime
    due_at: datetime
    ended_at: datetime | None


class AttemptOut(Schema):
    """One try to send, and what came back."""

    at: datetime
    ok: bool
    answer: str


class DeliveryDetails(DeliveryOut):
    """A notification with its text and each attempt."""

    text: str
    tries: list[AttemptOut]

    @staticmethod
    def resolve_tries(delivery: Any) -> list[Any]:
        """Return the attempts, the newest first."""
        return list(delivery.tries.order_by("-pk"))


class DeliveryFilter(Schema):
    """Which notifications to return; `state` is waiting, sent or given-up."""

    q: Text = ""
    state: Text = ""


@router.get("/notification-events", response=list[EventOut], auth=MAY)
def list_notification_events(request: HttpRequest) -> Any:
    """List what a target may ask for."""
    return [{"key": key, "label": str(label)} for key, label in EVENTS.items()]


@router.get("/notification-targets", response=Page[TargetOut], auth=MAY)
def list_notification_targets(request: HttpRequest, paging: Query[Paging], q: Text = "") -> Any:
    """List the targets by name."""
    return page(Target.objects.filter(name__icontains=q).order_by("name"), paging)


@router.post("/notification-targets", response={201: NewTarget}, auth=MAY_CHANGE)
def create_notification_target(
    request: HttpRequest, response: HttpResponse, order: NewTargetOrder
) -> Any:
    """Make a target; the secret of a webhook is told this once."""
    target, secret = targets.create(order.kind, order.wanted())
    response.headers["Cache-Control"] = "no-store"
    return Status(201, {"target": target, "secret": secret})


def _target(target_id: str) -> Target:
    return by_number(Target.objects.all(), target_id)


@router.get("/notification-targets/{target_id}", response=TargetOut, auth=MAY)
def show_notification_target(request: HttpRequest, target_id: str) -> Any:
    """Show one target."""
    return _target(target_id)


@router.put("/notification-targets/{target_id}", response=TargetOut, auth=MAY_CHANGE)
def change_notification_target(request: HttpRequest, target_id: str, order: TargetOrder) -> Any:
    """Change a target."""
    return targets.change(_target(target_id).pk, order.wanted())


@router.delete("/notification-targets/{target_id}", response={204: None}, auth=MAY_CHANGE)
def remove_notification_target(request: HttpRequest, target_id: str) -> Any:
    """Remove a target with its history."""
    targets.remove(_target(target_id).pk)
    return Status(204, None)


@router.post("/notification-targets/{target_id}/new-secret", response=SecretOut, auth=MAY_CHANGE)
def make_webhook_secret(request: HttpRequest, response: HttpResponse, target_id: str) -> Any:
    """Give a webhook another secret; the receiver must know it at once."""
    response.headers["Cache-Control"] = "no-store"
    return {"secret": targets.new_secret(_target(target_id).pk)}


@router.post("/notification-targets/{target_id}/test", response={202: DeliveryOut}, auth=MAY)
def test_notification_target(request: HttpRequest, target_id: str) -> Any:
    """Send a test; how it went is told by the notification that is returned."""
    return Status(202, targets.test(_target(target_id).pk, now=timezone.now()))


@router.get("/notifications", response=Page[DeliveryOut], auth=MAY)
def list_notifications(
    request: HttpRequest, paging: Query[Paging], wanted: Query[DeliveryFilter]
) -> Any:
    """List what was sent and what waits, the newest first."""
    found = Delivery.objects.select_related("target").order_by("-created_at", "pk")
    if wanted.q:
        found = found.filter(Q(title__icontains=wanted.q) | Q(target__name__icontains=wanted.q))
    if wanted.state in DeliveryState.values:
        found = found.filter(state=wanted.state)
    return page(found, paging)


def _delivery(notification_id: str) -> Delivery:
    return by_guid(Delivery.objects.select_related("target"), notification_id)


@router.get("/notifications/{notification_id}", response=DeliveryDetails, auth=MAY)
def show_notification(request: HttpRequest, notification_id: str) -> Any:
    """Show one notification with each attempt to send it."""
    return _delivery(notification_id)


@router.post("/notifications/{notification_id}/send-again", response=DeliveryOut, auth=MAY)
def send_notification_again(request: HttpRequest, notification_id: str) -> Any:
    """Try again to send what was given up."""
    return notifications_delivery.send_again(_delivery(notification_id).pk, now=timezone.now())
