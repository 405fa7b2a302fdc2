"""Public checks: any Host header, no session, and the roots that the zone trusts."""

import pytest
from django.db import DatabaseError, connection
from django.test import Client

from certificates.models import Authority
from certificates.monitoring import health
from certificates.operations.states import AuthorityState

PATHS = ("/livez", "/readyz", "/healthz", "/roots.pem")
HOSTS = ("", "10.0.0.1", "balancer.example.com", "not a host", "[::1")


@pytest.fixture
def console(zone, settings):
    """Return a client without a Host header of its own, for a console with one host name."""
    settings.ALLOWED_HOSTS = ["console.example.com"]
    settings.SECURE_SSL_REDIRECT = True
    return Client()


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("path", PATHS)
def test_a_public_check_accepts_any_host(console, path, host):
    assert console.get(path, HTTP_HOST=host).status_code in {200, 503}


def test_other_paths_reject_a_wrong_host(console):
    assert console.get("/login/", HTTP_HOST="balancer.example.com", secure=True).status_code == 400


def test_the_web_server_is_live_without_a_database_but_not_ready(zone, monkeypatch):
    def fail(*_):
        raise DatabaseError("unavailable")

    client = Client()
    client.cookies["sessionid"] = "x" * 32
    with monkeypatch.context() as patch:
        patch.setattr(
            health,
            "get_component_states",
            lambda _: {"database": health.FAILED, "clock": health.UNKNOWN},
        )
        patch.setattr(connection, "cursor", fail)
        assert client.get("/livez").status_code == 200
        assert client.get("/readyz").status_code == 503


def test_the_roots_are_those_that_devices_trust(zone):
    current = Authority.objects.current()
    old = Authority.objects.exclude(pk=current.pk).first()
    assert old is None
    response = Client().get("/roots.pem")
    assert response.headers["Cache-Control"] == "no-store"
    assert response.content.decode() == current.root_pem
    current.__class__.objects.filter(pk=current.pk).update(state=AuthorityState.RETIRED)
    assert Client().get("/roots.pem").status_code == 404
