"""A person with a passkey, in a zone whose servers know passkeys."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import factories, passkeys
from tests.support.authenticators import Authenticator


@pytest.fixture
def person(zone: Any) -> Any:
    passkeys.enable()
    return factories.user("person", "certificates.certificate_authority")


@pytest.fixture
def passkey(person: Any) -> Authenticator:
    return passkeys.add(person)
