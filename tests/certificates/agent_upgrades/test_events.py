"""Notifications about upgrades of agents."""

from __future__ import annotations

from django.utils import timezone

from administrators.models import Policies
from audit.models import Entry
from certificates.agent_upgrades import events, rollout, upgrades
from certificates.agent_upgrades.upgrades import UpgradeSettings
from certificates.monitoring import notifications
from notifications.delivery.events import APPROVAL_NEEDED, DEVICE_FAILED
from notifications.models import Delivery, Target
from tests.certificates.agent_upgrades.conftest import Agent
from tests.support import factories


def test_devices_on_which_an_upgrade_failed_are_named_once(pcs: list[Agent]) -> None:
    upgrade = upgrades.start(UpgradeSettings(), by=None, now=timezone.now())
    rollout.advance_all(timezone.now())
    pcs[0].fail("It ended.")
    pcs[1].fail("It did not contact a server.")
    pcs[2].upgrade()
    (event,) = events.build_events(Entry.objects.order_by("seq"))
    assert event.kind == DEVICE_FAILED
    assert event.title == f"The upgrade of agents to {upgrade.version} failed on 2: pc-1"
    assert "pc-1: It ended." in event.text
    assert f"/devices/agents/{upgrade.pk}/" in event.text
    assert event.facts["devices"] == ["pc-1", "pc-2"]


def test_many_devices_are_counted(pcs: list[Agent]) -> None:
    devices = [factories.device(f"dev-{number:02}") for number in range(25)]
    upgrade = factories.agent_upgrade(*devices)
    for row in upgrade.targets.all():
        type(row).objects.transition(row, "failed", reason="It ended.")
    (event,) = events.build_events(Entry.objects.order_by("seq"))
    assert "and 5 more" in event.text
    assert len(event.facts["devices"]) == 20


def test_a_request_for_approval_is_notified(pcs: list[Agent]) -> None:
    target = Target.objects.create(
        name="pager", kind=Target.Kind.MAIL, events=[APPROVAL_NEEDED], recipients="a@example.com"
    )
    notifications.create_notifications(timezone.now())
    policies = Policies.objects.get_current()
    policies.two_administrators = True
    policies.save()
    upgrades.start(UpgradeSettings(), by=factories.user("starter"), now=timezone.now())
    notifications.create_notifications(timezone.now())
    titles = list(Delivery.objects.filter(target=target).values_list("title", flat=True))
    assert titles == ["Upgrade of agents is waiting for approval by a second administrator"]
