"""Notifications about decisions on requests that needed a second administrator."""

import pytest
from django.utils import timezone

from audit.chain.actor import Actor, acting_as
from certificates.approvals import approvals
from certificates.authority import key_jobs, key_operations
from certificates.models import Operation
from certificates.monitoring import notifications
from certificates.operations import cancellation
from notifications.delivery import events
from notifications.models import Delivery, Target
from notifications.targets import targets
from tests.support import walkthrough

PHRASE = "seven quiet lakes"


@pytest.fixture
def target(two):
    values = targets.TargetSettings("team", [events.REQUEST_DECIDED], recipients="a@acme.example")
    targets.create_target(Target.Kind.MAIL, values)
    notifications.create_notifications(timezone.now())


def list_titles():
    notifications.create_notifications(timezone.now())
    notifications.create_notifications(timezone.now())
    return list(Delivery.objects.order_by("created_at", "key").values_list("title", flat=True))


def test_an_approved_backup_is_notified_twice(two, target):
    job = key_operations.back_up(PHRASE, by=two[0])
    with acting_as(Actor("second")):
        approvals.approve_job(job, by=two[1], now=timezone.now())
    key_jobs.run(job, now=timezone.now())
    ready = "Backup CA: the file is ready to download"
    assert sorted(list_titles()) == ["Backup CA was approved", ready]
    text = Delivery.objects.get(title="Backup CA was approved").text
    assert "Requested by first." in text
    assert "Decided by second." in text


def test_a_rejected_job_is_notified_and_a_withdrawn_one_is_not(two, target):
    job = key_operations.back_up(PHRASE, by=two[0])
    approvals.reject_job(job, by=two[0], now=timezone.now())
    assert list_titles() == []
    job = key_operations.back_up(PHRASE, by=two[0])
    approvals.reject_job(job, by=two[1], now=timezone.now())
    assert list_titles() == ["Backup CA was rejected"]
    assert "Reason" not in Delivery.objects.get().text


def test_the_reason_of_a_rejected_job_is_notified(two, target):
    job = key_operations.back_up(PHRASE, by=two[0])
    approvals.reject_job(job, by=two[1], now=timezone.now(), reason="Not this week.")
    assert list_titles() == ["Backup CA was rejected"]
    assert "Reason: Not this week." in Delivery.objects.get().text


def test_the_reason_of_a_rejected_operation_is_notified(two, target):
    operation = walkthrough.remint_ca()
    Operation.objects.filter(pk=operation.pk).update(requested_by=two[0])
    with acting_as(Actor("second")):
        approvals.reject_operation(
            walkthrough.fresh(operation), by=two[1], now=timezone.now(), reason="Not this week."
        )
    assert list_titles() == [f"{operation.name} was rejected"]
    assert "Reason: Not this week." in Delivery.objects.get().text


@pytest.mark.parametrize(("by", "count"), [("first", 0), ("second", 1)])
def test_a_rejected_operation_is_notified(two, target, by, count):
    operation = walkthrough.remint_ca()
    Operation.objects.filter(pk=operation.pk).update(requested_by=two[0])
    with acting_as(Actor(by)):
        cancellation.cancel(walkthrough.fresh(operation), now=timezone.now())
    assert list_titles() == [f"{operation.name} was rejected"] * count


def test_an_approved_operation_is_notified(two, target):
    operation = walkthrough.remint_ca()
    Operation.objects.filter(pk=operation.pk).update(requested_by=two[0])
    approvals.approve_operation(walkthrough.fresh(operation), by=two[1], now=timezone.now())
    assert list_titles() == [f"{operation.name} was approved"]


def test_a_rejected_action_is_notified_with_its_requester(two, target, monkeypatch):
    operation = walkthrough.remint_ca()
    monkeypatch.setitem(approvals.CHECKS, approvals.FORCE, lambda operation, *, now: None)
    with acting_as(Actor("first")):
        approvals.run_or_request(operation, approvals.FORCE, by=two[0], now=timezone.now())
    with acting_as(Actor("second")):
        approvals.reject_action(
            operation, approvals.FORCE, by=two[1], now=timezone.now(), reason="Not this week."
        )
    assert list_titles() == [f"Force Activation for {operation.name} was rejected"]
    text = Delivery.objects.get().text
    assert "Reason: Not this week." in text
    assert "Requested by first." in text
    assert "Decided by second." in text
