"""What several tests of the CA's administrators share."""

import pytest
from django.utils import timezone

from people import rules
from tests import make

CA = "certificates.certificate_authority"


@pytest.fixture
def two(zone):
    """The rule is on; first and second are administrators of the CA."""
    first, second = make.user("first", CA), make.user("second", CA)
    rules.change(
        requires_second_factor=False, two_administrators=True, by=first, now=timezone.now()
    )
    return first, second
