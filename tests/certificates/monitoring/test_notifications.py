"""What is told: read from the ledger, each once; expiries once a day (B-25, D-46)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audit.models import Entry
from certificates import tasks
from certificates.models import Authority, Operation
from certificates.monitoring import notifications
from certificates.operations.states import OperationState
from notifications.delivery import delivery, events
from notifications.models import Cursor, Delivery, Target
from notifications.targets import targets
from systemupdates.models import Assignment
from systemupdates.updates.states import AssignmentState
from tests.harness.zone import until
from tests.notifications.conftest import EVERY, mailbox, receiver  # noqa: F401 - fixtures
from tests.support import factories, receivers

pytestmark = pytest.mark.django_db
P = OperationState


@pytest.fixture
def operation():
    factories.zone()
    ca = factories.authority(factories.server("ps-01"))
    targets.create(Target.Kind.MAIL, targets.Order("team", EVERY, recipients="team@acme.example"))
    notifications.tell(timezone.now())
    return factories.operation(ca, state=P.ASSIGNED, name="Remint CA of today")


def told():
    return list(Delivery.objects.order_by("created_at", "key").values_list("event", "title"))


def test_what_happens_to_an_operation_is_told_once(operation):
    Operation.objects.move(operation, P.BLOCKED, note="ps-02 has no new certificate.")
    notifications.tell(timezone.now())
    notifications.tell(timezone.now())
    assert told() == [(events.BLOCKED, "Remint CA of today is blocked")]
    assert "ps-02 has no new certificate." in Delivery.objects.get().text


def test_the_same_state_a_second_time_is_told_again(operation):
    for there in (P.BLOCKED, P.ASSIGNED, P.BLOCKED):
        Operation.objects.move(operation, there)
    notifications.tell(timezone.now())
    assert len(told()) == 2


@pytest.mark.parametrize(
    ("way", "kind"),
    [
        ((P.CANCELLING, P.CANCEL_FAILED), events.FAILED),
        ((P.CANCELLING, P.CANCELLED), events.CANCELLED),
        ((P.ACTIVATING, P.ACTIVATED), events.ACTIVATED),
        ((P.ACTIVATING, P.ACTIVATED, P.COMPLETED), events.COMPLETED),
    ],
)
def test_each_end_of_an_operation_is_told(operation, way, kind):
    for there in way:
        Operation.objects.move(operation, there)
    notifications.tell(timezone.now())
    assert kind in [event for event, _title in told()]


def test_a_start_is_told(operation):
    Entry.objects.record("start", f"certificates.Operation:{operation.pk}", there=operation.state)
    notifications.tell(timezone.now())
    assert told()[0][0] == events.STARTED


def test_devices_that_failed_together_are_one_notification(operation):
    for name in ("pc-1", "pc-2"):
        row = factories.assignment(
            operation.update, factories.device(name), AssignmentState.ASSIGNED
        )
        Assignment.objects.move(row, AssignmentState.FAILED, reason="The disk is full.")
    notifications.tell(timezone.now())
    assert [event for event, _title in told()] == [events.DEVICE_FAILED]
    text = Delivery.objects.get().text
    assert "pc-1: The disk is full." in text
    assert "pc-2: The disk is full." in text


def test_what_happened_before_the_first_look_is_not_told(operation):
    Operation.objects.move(operation, P.BLOCKED)
    Cursor.objects.all().delete()
    notifications.tell(timezone.now())
    assert told() == []


def test_a_fault_while_telling_forgets_nothing(operation, monkeypatch):
    Operation.objects.move(operation, P.BLOCKED)
    seq = Cursor.objects.get().seq

    def fail(*_, **__):
        raise RuntimeError("disk full")

    monkeypatch.setattr(delivery, "queue", fail)
    with pytest.raises(RuntimeError):
        notifications.tell(timezone.now())
    monkeypatch.undo()
    assert Cursor.objects.get().seq == seq
    notifications.tell(timezone.now())
    assert len(told()) == 1


def test_an_expiry_is_told_once_a_day(operation):
    now = timezone.now()
    Authority.objects.update(not_after=now + timedelta(days=30, hours=1))
    Cursor.objects.update(expiry_told_at=None)
    notifications.tell(now)
    notifications.tell(now + timedelta(hours=23))
    assert told() == [(events.EXPIRY, "The Zone CA will expire in 30 days.")]
    assert notifications.is_due(now + timedelta(hours=25))
    notifications.tell(now + timedelta(hours=25))
    assert told()[-1] == (events.EXPIRY, "The Zone CA will expire in 29 days.")


def test_nothing_is_told_while_all_is_well(operation):
    Cursor.objects.update(expiry_told_at=None)
    notifications.tell(timezone.now())
    assert told() == []
    assert not notifications.is_due(timezone.now())


def test_with_the_first_mail_server_the_administrators_are_told(zone, mailbox):  # noqa: F811
    user = factories.admin()
    user.email = "admin@acme.example"
    user.save()
    now = timezone.now()
    Authority.objects.update(not_after=now + timedelta(days=3, hours=1))
    notifications.tell(now)
    for pk in delivery.due(now):
        assert delivery.send(pk, now=now)
    assert mailbox.recipients == [["admin@acme.example"]]
    assert "The Zone CA will expire in 3 days." in mailbox.messages[0]["Subject"]
    Target.objects.all().delete()
    notifications.tell(now + timedelta(days=2))
    assert not Target.objects.exists(), "who removed it is not given it again"


@pytest.mark.django_db(transaction=True)
def test_the_sweep_finds_what_is_to_be_told_and_sent(zone, receiver, monkeypatch):  # noqa: F811
    """S-103: the rows are the queue; nothing but the sweep is needed."""
    target, secret = targets.create(
        Target.Kind.WEBHOOK, targets.Order("pager", EVERY, url=receiver.url)
    )
    notifications.tell(timezone.now())
    ca = Authority.objects.current()
    operation = factories.operation(ca, state=P.ASSIGNED)
    Operation.objects.move(operation, P.CANCELLING)
    Operation.objects.move(operation, P.CANCEL_FAILED)
    monkeypatch.setattr("certificates.tasks.enqueue.ring", lambda task, *args, **_: task(*args))
    tasks.sweep()
    tasks.sweep()
    until(lambda: target.deliveries.filter(state="sent").exists(), "it is sent")
    assert receivers.is_signed(secret, *receiver.posted[0][1:])
