"""The column Version is filled from the registration on (manual, Appendix A.9; D-49)."""

import pytest

from wire import messages

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("role", [messages.PRIMARY, messages.MANAGED])
def test_a_host_tells_its_version_with_its_registration_and_again_with_each_refresh(zone, role):
    joined = zone.join("new-one", role, "127.9.0.7")
    assert zone.device(joined).version == "0.1.0"
    said = messages.Refresh(t=0.0, agent="0.2.0")
    assert joined.send("POST", "/zac/v1/refresh", said).status_code == 200
    assert zone.device(joined).version == "0.2.0"


def test_the_first_server_of_a_zone_has_its_version(zone):
    assert zone.device(zone.first).version == "0.1.0"
