"""A client of an administrator, in the scene of a test module."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.support import factories


@pytest.fixture
def admin(scene: Any) -> Client:
    """Return a client that has logged in as an administrator."""
    client = Client()
    client.force_login(factories.admin())
    return client
