"""Notifications from the audit log, each once, and about expiry, once a day.

See: D-46
"""

from datetime import timedelta

import pytest
from django.utils import timezone

from audit.models import Entry
from certificates import tasks
from certificates.models import Authority, Operation
from certificates.monitoring import notifications
from certificates.operations.states import OperationState
from console.pages import formatting
from notifications.delivery import delivery, events
from notifications.models import Cursor, Delivery, Target
from notifications.targets import targets
from systemupdates.models import Assignment
from systemupdates.updates.states import AssignmentState
from tests.harness.zone import until
from tests.notifications.conftest import EVERY
from tests.support import factories, receivers

pytestmark = pytest.mark.django_db
P = OperationState


@pytest.fixture
def operation():
    factories.zone()
    ca = factories.authority(factories.server("ps-01"))
    targets.create_target(
        Target.Kind.MAIL, targets.TargetSettings("team", EVERY, recipients="team@acme.example")
    )
    notifications.create_notifications(timezone.now())
    return factories.operation(ca, state=P.ASSIGNED, name="Remint CA of today")


def list_deliveries():
    return list(Delivery.objects.order_by("created_at", "key").values_list("event", "title"))


def test_a_state_change_is_notified_once(operation):
    Operation.objects.transition(operation, P.BLOCKED, note="ps-02 has no new certificate.")
    notifications.create_notifications(timezone.now())
    notifications.create_notifications(timezone.now())
    assert list_deliveries() == [(events.BLOCKED, "Remint CA of today is blocked")]
    assert "ps-02 has no new certificate." in Delivery.objects.get().text


def test_the_same_state_is_notified_again_if_it_recurs(operation):
    for there in (P.BLOCKED, P.ASSIGNED, P.BLOCKED):
        Operation.objects.transition(operation, there)
    notifications.create_notifications(timezone.now())
    assert len(list_deliveries()) == 2


def test_a_notification_names_both_cas_and_links_the_operation(operation):
    until = factories.now() + factories.YEAR
    new = factories.authority(operation.signing_server, state="future", until=until)
    Operation.objects.update(future_authority=new)
    Operation.objects.transition(operation, P.BLOCKED)
    notifications.create_notifications(timezone.now())
    text = Delivery.objects.get().text
    old = operation.authority
    assert old.subject == new.subject, "only the fingerprints differ"
    for ca in (old, new):
        assert formatting.format_fingerprint(ca.sha256) in text
    assert f"/configuration/certificates/operations/{operation.pk}/" in text


def test_a_start_names_the_ca_that_is_not_created_yet(operation):
    Operation.objects.update(parameters={"common_name": "NEXT-ZONE"}, future_authority=None)
    Entry.objects.record("start", f"certificates.Operation:{operation.pk}", there=P.PREPARING)
    notifications.create_notifications(timezone.now())
    assert "New zone CA: NEXT-ZONE, not created yet" in Delivery.objects.get().text


@pytest.mark.parametrize(
    ("way", "kind"),
    [
        ((P.CANCELING, P.CANCEL_FAILED), events.FAILED),
        ((P.CANCELING, P.CANCELED), events.CANCELED),
        ((P.ACTIVATING, P.ACTIVATED), events.ACTIVATED),
        ((P.ACTIVATING, P.ACTIVATED, P.COMPLETED), events.COMPLETED),
    ],
)
def test_each_final_state_is_notified(operation, way, kind):
    for there in way:
        Operation.objects.transition(operation, there)
    notifications.create_notifications(timezone.now())
    assert kind in [event for event, _title in list_deliveries()]


def test_a_start_is_notified(operation):
    Entry.objects.record("start", f"certificates.Operation:{operation.pk}", there=operation.state)
    notifications.create_notifications(timezone.now())
    assert list_deliveries()[0][0] == events.STARTED


def test_devices_that_failed_together_are_one_notification(operation):
    for name in ("pc-1", "pc-2"):
        row = factories.assignment(
            operation.update, factories.device(name), AssignmentState.ASSIGNED
        )
        Assignment.objects.transition(row, AssignmentState.FAILED, reason="The disk is full.")
    notifications.create_notifications(timezone.now())
    assert [event for event, _title in list_deliveries()] == [events.DEVICE_FAILED]
    text = Delivery.objects.get().text
    assert "pc-1: The disk is full." in text
    assert "pc-2: The disk is full." in text


def test_earlier_entries_are_not_notified(operation):
    Operation.objects.transition(operation, P.BLOCKED)
    Cursor.objects.all().delete()
    notifications.create_notifications(timezone.now())
    assert list_deliveries() == []


def test_a_failure_does_not_lose_a_notification(operation, monkeypatch):
    Operation.objects.transition(operation, P.BLOCKED)
    seq = Cursor.objects.get().seq

    def fail(*_, **__):
        raise RuntimeError("disk full")

    monkeypatch.setattr(delivery, "enqueue", fail)
    with pytest.raises(RuntimeError):
        notifications.create_notifications(timezone.now())
    monkeypatch.undo()
    assert Cursor.objects.get().seq == seq
    notifications.create_notifications(timezone.now())
    assert len(list_deliveries()) == 1


def test_expiry_is_notified_once_a_day(operation):
    now = timezone.now()
    Authority.objects.update(not_after=now + timedelta(days=30, hours=1))
    Cursor.objects.update(expiry_notified_at=None)
    notifications.create_notifications(now)
    notifications.create_notifications(now + timedelta(hours=23))
    assert list_deliveries() == [(events.EXPIRING, "The zone CA expires in 30 days.")]
    assert notifications.is_due(now + timedelta(hours=25))
    notifications.create_notifications(now + timedelta(hours=25))
    assert list_deliveries()[-1] == (events.EXPIRING, "The zone CA expires in 29 days.")


def test_nothing_is_notified_without_a_reason(operation):
    Cursor.objects.update(expiry_notified_at=None)
    notifications.create_notifications(timezone.now())
    assert list_deliveries() == []
    assert not notifications.is_due(timezone.now())


def test_the_first_mail_server_gets_a_target_for_administrators(zone, mailbox):
    user = factories.admin()
    user.email = "admin@acme.example"
    user.save()
    now = timezone.now()
    Authority.objects.update(not_after=now + timedelta(days=3, hours=1))
    notifications.create_notifications(now)
    for pk in delivery.list_due(now):
        assert delivery.send(pk, now=now)
    assert mailbox.recipients == [["admin@acme.example"]]
    assert "The zone CA expires in 3 days." in mailbox.messages[0]["Subject"]
    Target.objects.all().delete()
    notifications.create_notifications(now + timedelta(days=2))
    assert not Target.objects.exists(), "a deleted target must not be created again"


@pytest.mark.django_db(transaction=True)
def test_the_periodic_task_creates_and_sends_notifications(zone, receiver, monkeypatch):
    """The periodic task alone is sufficient, because the database holds the state."""
    target, secret = targets.create_target(
        Target.Kind.WEBHOOK, targets.TargetSettings("pager", EVERY, url=receiver.url)
    )
    notifications.create_notifications(timezone.now())
    ca = Authority.objects.current()
    operation = factories.operation(ca, state=P.ASSIGNED)
    Operation.objects.transition(operation, P.CANCELING)
    Operation.objects.transition(operation, P.CANCEL_FAILED)
    monkeypatch.setattr(
        "certificates.tasks.publisher.enqueue", lambda task, *args, **_: task(*args)
    )
    tasks.schedule_work()
    tasks.schedule_work()
    until(lambda: target.deliveries.filter(state="sent").exists(), "it is sent")
    assert receivers.is_signed(secret, *receiver.posted[0][1:])
