"""Health checks of what devices trust."""

from datetime import timedelta

import pytest
from django.utils import timezone

from certificates.models import Authority
from certificates.monitoring.checks.trust_checks import check_old_roots
from console.pages.formatting import format_fingerprint
from devices.models import Device, Zone
from tests.support import factories

pytestmark = pytest.mark.django_db


def find(now=None):
    return list(check_old_roots(Zone.objects.get_zone(), now or timezone.now()))


@pytest.fixture
def old():
    """A root in its grace period, which expires in 20 days, and two devices that use it."""
    factories.zone()
    server = factories.server("ps-01")
    factories.authority(server, name="NEW")
    end = timezone.now() + timedelta(days=20)
    found = factories.authority(server, name="OLD", state="grace", until=end)
    for name in ("pc-1", "pc-2"):
        factories.device(name, root_sha256=found.sha256)
    return found


def test_an_old_root_that_devices_use_and_that_expires_soon_is_found(old):
    [finding] = find()
    assert finding.severity == "warn"
    shown = format_fingerprint(old.sha256[:8])
    assert f"2 devices still use the old root CN=OLD ({shown}), which" in finding.text
    assert finding.subject == old.sha256
    [finding] = find(old.not_after - timedelta(days=7))
    assert finding.severity == "bad"


def test_a_root_that_expires_later_is_not_found(old):
    assert find(old.not_after - timedelta(days=31)) == []


def test_a_root_that_no_device_uses_is_not_found(old):
    Device.objects.filter(name="pc-1").update(root_sha256=Authority.objects.current().sha256)
    Device.objects.filter(name="pc-2").update(state="retired")
    assert find() == []


def test_the_current_root_is_not_found(old):
    """Its expiration is shown on its own."""
    Authority.objects.exclude(pk=old.pk).update(state="future")
    Authority.objects.filter(pk=old.pk).update(state="current")
    assert find() == []
