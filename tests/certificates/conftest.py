"""What several tests of the CA's administrators share."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone

from administrators.accounts import policies
from certificates.agents import responses
from certificates.authority import bootstrap
from devices.identity import zone_keys
from devices.models import Device
from tests.support import factories
from tests.support import zone as small_zone
from tests.support.public_ca import PublicCA
from tests.support.zone import TestZone

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


@pytest.fixture
def outside(
    db: None, tmp_path: Any, settings: Any, monkeypatch: Any
) -> Iterator[tuple[TestZone, PublicCA]]:
    """A zone that was created with an external CA."""
    settings.SERVER_HOME = tmp_path / "ps-01"
    zone_keys.clear_cache()
    responses.clear_cache()
    ca = PublicCA("First")
    real = bootstrap.create_zone

    def sign_its_csr(order: Any, server: Any, **more: Any) -> Any:
        leaf = ca.sign(server.csr, addresses=server.addresses)
        given = bootstrap.ExternalCA(ca.root.pem, ca.chain, [leaf])
        return real(bootstrap.ZoneRequest(order.name, external=given), server, **more)

    monkeypatch.setattr(bootstrap, "create_zone", sign_its_csr)
    made = small_zone.found(tmp_path / "ps-01")
    made.first.refresh()
    yield made, ca
    zone_keys.clear_cache()
    responses.clear_cache()
