"""What several tests of the CA's administrators share."""

import pytest
from django.utils import timezone

from administrators.accounts import policies
from tests.support import factories

CA = "certificates.certificate_authority"


@pytest.fixture
def two(zone):
    """The rule is on; first and second are administrators of the CA."""
    first, second = factories.user("first", CA), factories.user("second", CA)
    policies.update_policies(
        requires_second_factor=False, two_administrators=True, by=first, now=timezone.now()
    )
    return first, second
