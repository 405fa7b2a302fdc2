"""A zone with a satellite that uses a certificate of the zone CA."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import walkthrough
from wire import messages


@pytest.fixture
def responder(live_server: Any, settings: Any) -> str:
    """Serve the console, and let new certificates contain the URL of its OCSP responder.

    A test that uses it requests it before the fixtures that issue certificates.
    """
    settings.OCSP_URL = f"{live_server.url}/ocsp"
    return str(settings.OCSP_URL)


@pytest.fixture
def satellite(zone: Any) -> Any:
    """Return an Authentication Satellite with its initial certificate."""
    return walkthrough.join_server(zone, "as-01", messages.AUTHENTICATION_SATELLITE, "127.9.0.3")
