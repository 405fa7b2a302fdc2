"""What several tests of the CA's administrators share."""

import pytest
from django.utils import timezone

from administrators.accounts import policies
from devices.models import Device
from tests.support import factories

CA = "certificates.certificate_authority"


@pytest.fixture
def ca(db):
    """The zone CA on ps-01, and the certificate of ps-01. No key of the zone is needed."""
    factories.zone()
    holder = factories.server("ps-01")
    authority = factories.authority(holder)
    factories.certificate(holder, authority)
    return authority


@pytest.fixture
def enqueued(monkeypatch):
    """Collect enqueued operations. The initiating server is ps-01."""
    found: list[object] = []
    monkeypatch.setattr("certificates.tasks.operations.enqueue_operation", found.append)
    monkeypatch.setattr(
        "certificates.operations.creation.get_initiating_server",
        lambda: Device.objects.get(name="ps-01"),
    )
    return found


@pytest.fixture
def two(zone):
    """The rule is on; first and second are administrators of the CA."""
    first, second = factories.user("first", CA), factories.user("second", CA)
    policies.update_policies(
        requires_second_factor=False, two_administrators=True, by=first, now=timezone.now()
    )
    return first, second
