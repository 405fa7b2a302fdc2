"""Notification targets and notifications in the REST API."""

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

from console.rest.api import (
    Page,
    Paging,
    RequestBody,
    Text,
    get_by_guid,
    get_by_number,
    paginate,
    require,
)
from faults import Invalid
from notifications.delivery import delivery as notifications_delivery
from notifications.delivery.events import EVENTS
from notifications.models import Delivery, DeliveryState, Target
from notifications.targets import targets

router = Router(tags=["notifications"])
RIGHT = "notifications.manage"
CAN_MANAGE = require(RIGHT)
CAN_CHANGE = require(RIGHT, reauthenticated=True)
MAX_NAME, MAX_URL, MAX_TOKEN, MAX_ADDRESSES = 64, 2000, 200, 100
# Values of version 0.1 that the filter accepts; remove after one release.
OLD_STATES = {"given-up": DeliveryState.FAILED}


class EventOut(Schema):
    """An event that a target can subscribe to."""

    key: str
    label: str


class TargetOut(Schema):
    """A notification target. Only the host of a webhook URL is returned."""

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
        """Return the addresses; [] means all CA administrators."""
        return list(target.recipients.split())


class NewTarget(Schema):
    """A new target. The secret of a webhook is returned only once."""

    target: TargetOut
    secret: str


class SecretOut(Schema):
    """The new secret of a webhook, which is returned only once."""

    secret: str


class TargetBody(RequestBody):
    """The settings of a target. Without a URL, it keeps its current URL, with its token.

    `token` is the access token of ntfy or the integration key of PagerDuty.
    """

    name: Text = Field(min_length=1, max_length=MAX_NAME)
    events: list[Text] = Field(min_length=1, max_length=len(EVENTS))
    recipients: list[Text] = Field(default_factory=list, max_length=MAX_ADDRESSES)
    url: Text = Field("", max_length=MAX_URL)
    token: Text = Field("", max_length=MAX_TOKEN)
    active: bool = True

    def to_settings(self) -> targets.TargetSettings:
        """Return the settings without surrounding white space."""
        name = self.name.strip()
        if not name:
            raise Invalid("Enter a name for the target. Nothing was changed.", field="name")
        return targets.TargetSettings(
            name=name,
            events=list(self.events),
            recipients="\n".join(self.recipients),
            url=self.url.strip(),
            token=self.token.strip(),
            active=self.active,
        )


class NewTargetBody(TargetBody):
    """A new target."""

    kind: Target.Kind


class DeliveryOut(Schema):
    """A notification to a target."""

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
    """An attempt to send a notification, and the response."""

    at: datetime
    ok: bool
    answer: str


class DeliveryDetails(DeliveryOut):
    """A notification with its text and its delivery attempts."""

    text: str
    tries: list[AttemptOut]

    @staticmethod
    def resolve_tries(delivery: Any) -> list[Any]:
        """Return the delivery attempts, newest first."""
        return list(delivery.tries.order_by("-pk"))


class DeliveryFilter(Schema):
    """Which notifications to return; `state` is waiting, sent, or failed.

    `given-up` is the old name of `failed` and will be removed.
    """

    q: Text = ""
    state: Text = ""


@router.get("/notification-events", response=list[EventOut], auth=CAN_MANAGE)
def list_notification_events(request: HttpRequest) -> Any:
    """List the events that a target can subscribe to."""
    return [{"key": key, "label": str(label)} for key, label in EVENTS.items()]


@router.get("/notification-targets", response=Page[TargetOut], auth=CAN_MANAGE)
def list_notification_targets(request: HttpRequest, paging: Query[Paging], q: Text = "") -> Any:
    """List notification targets by name."""
    return paginate(Target.objects.filter(name__icontains=q).order_by("name"), paging)


@router.post("/notification-targets", response={201: NewTarget}, auth=CAN_CHANGE)
def create_notification_target(
    request: HttpRequest, response: HttpResponse, body: NewTargetBody
) -> Any:
    """Create a notification target. The secret of a webhook is returned only once."""
    target, secret = targets.create_target(body.kind, body.to_settings())
    response.headers["Cache-Control"] = "no-store"
    return Status(201, {"target": target, "secret": secret})


def _target(target_id: str) -> Target:
    return get_by_number(Target.objects.all(), target_id)


@router.get("/notification-targets/{target_id}", response=TargetOut, auth=CAN_MANAGE)
def get_notification_target(request: HttpRequest, target_id: str) -> Any:
    """Get a notification target."""
    return _target(target_id)


@router.put("/notification-targets/{target_id}", response=TargetOut, auth=CAN_CHANGE)
def update_notification_target(request: HttpRequest, target_id: str, body: TargetBody) -> Any:
    """Change a notification target."""
    return targets.update_target(_target(target_id).pk, body.to_settings())


@router.delete("/notification-targets/{target_id}", response={204: None}, auth=CAN_CHANGE)
def delete_notification_target(request: HttpRequest, target_id: str) -> Any:
    """Remove a notification target and its history."""
    targets.delete_target(_target(target_id).pk)
    return Status(204, None)


@router.post("/notification-targets/{target_id}/new-secret", response=SecretOut, auth=CAN_CHANGE)
def renew_webhook_secret(request: HttpRequest, response: HttpResponse, target_id: str) -> Any:
    """Replace the secret of a webhook. Update the receiver immediately."""
    response.headers["Cache-Control"] = "no-store"
    return {"secret": targets.renew_secret(_target(target_id).pk)}


@router.post("/notification-targets/{target_id}/test", response={202: DeliveryOut}, auth=CAN_MANAGE)
def test_notification_target(request: HttpRequest, target_id: str) -> Any:
    """Send a test notification. Check the returned notification for the result."""
    return Status(202, targets.send_test(_target(target_id).pk, now=timezone.now()))


@router.get("/notifications", response=Page[DeliveryOut], auth=CAN_MANAGE)
def list_notifications(
    request: HttpRequest, paging: Query[Paging], conditions: Query[DeliveryFilter]
) -> Any:
    """List sent and pending notifications, newest first."""
    found = Delivery.objects.select_related("target").order_by("-created_at", "pk")
    if conditions.q:
        text = conditions.q
        found = found.filter(Q(title__icontains=text) | Q(target__name__icontains=text))
    state = OLD_STATES.get(conditions.state, conditions.state)
    if state in DeliveryState.values:
        found = found.filter(state=state)
    return paginate(found, paging)


def _delivery(notification_id: str) -> Delivery:
    return get_by_guid(Delivery.objects.select_related("target"), notification_id)


@router.get("/notifications/{notification_id}", response=DeliveryDetails, auth=CAN_MANAGE)
def get_notification(request: HttpRequest, notification_id: str) -> Any:
    """Get a notification and its delivery attempts."""
    return _delivery(notification_id)


@router.post("/notifications/{notification_id}/send-again", response=DeliveryOut, auth=CAN_MANAGE)
def resend_notification(request: HttpRequest, notification_id: str) -> Any:
    """Resend a failed notification."""
    return notifications_delivery.resend(_delivery(notification_id).pk, now=timezone.now())
