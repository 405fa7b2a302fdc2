"""Behind a proxy the client counts, not the proxy; and nobody else is believed (S-82, S-43)."""

import ipaddress
from typing import Any

import pytest
from django.test import Client

from audit.models import Entry
from tests.support import factories

pytestmark = pytest.mark.django_db
PROXY, ANN, EVE = "192.0.2.10", "203.0.113.7", "198.51.100.9"


@pytest.fixture
def proxies(settings):
    factories.zone()
    settings.TRUSTED_PROXIES = [ipaddress.ip_network(f"{PROXY}/32"), ipaddress.ip_network("::1")]


def fail(peer, forwarded="", name="admin"):
    headers: dict[str, Any] = {"HTTP_X_FORWARDED_FOR": forwarded} if forwarded else {}
    given = {"username": name, "password": "wrong"}
    return Client().post("/login/", given, REMOTE_ADDR=peer, **headers).status_code


def test_a_lock_out_hits_the_client_and_not_everybody_behind_the_proxy(proxies):
    factories.admin()
    for _ in range(5):
        last = fail(PROXY, ANN)
    assert last == 429
    assert fail(PROXY, EVE) != 429
    assert fail(PROXY, ANN) == 429


def test_a_client_cannot_leave_its_lock_out_by_a_header(proxies):
    factories.admin()
    for number in range(5):
        last = fail(PROXY, f"10.0.0.{number}, {ANN}")
    assert last == 429, "what the client wrote stands left of what the proxy wrote"
    for number in range(5):
        last = fail(EVE, f"10.0.0.{number}")
    assert last == 429, "who is no proxy speaks for nobody"


def test_the_audit_log_contains_the_address_of_the_client(proxies):
    factories.admin()
    fail(PROXY, ANN)
    assert Entry.objects.get(action="login-failed").address == ANN


def test_headers_of_untrusted_proxies_are_ignored(settings):
    settings.TRUSTED_PROXIES = []
    factories.zone()
    factories.admin()
    fail(PROXY, ANN)
    assert Entry.objects.get(action="login-failed").address == PROXY


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        (PROXY, "", PROXY),
        (PROXY, ANN, ANN),
        (PROXY, f"{EVE}, {ANN}", ANN),
        (PROXY, f"{ANN},{PROXY}", ANN),
        (PROXY, "nonsense", PROXY),
        (PROXY, f"{ANN}, nonsense", PROXY),
        (PROXY, "," * 5000, PROXY),
        (f"::ffff:{PROXY}", ANN, ANN),
        ("::1", "2001:db8::5", "2001:db8::5"),
        (EVE, ANN, EVE),
        ("", ANN, ""),
    ],
)
def test_the_nearest_address_that_is_no_trusted_proxy_is_the_client(
    proxies, settings, peer, forwarded, found
):
    from console.requests.proxies import client_address

    assert client_address(peer, forwarded, settings.TRUSTED_PROXIES) == found


def test_only_a_trusted_proxy_says_that_the_browser_came_by_tls(proxies, settings):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.SECURE_SSL_REDIRECT = True
    said: dict[str, Any] = {"HTTP_X_FORWARDED_PROTO": "https"}
    assert Client().get("/login/", REMOTE_ADDR=PROXY, **said).status_code == 200
    assert Client().get("/login/", REMOTE_ADDR=EVE, **said).status_code == 301


def test_numbers_for_this_host_are_not_for_clients_of_a_proxy_on_it(proxies, settings):
    settings.TRUSTED_PROXIES = [ipaddress.ip_network("127.0.0.1")]
    assert Client().get("/metrics", REMOTE_ADDR="127.0.0.1").status_code == 200
    answer = Client().get("/metrics", REMOTE_ADDR="127.0.0.1", HTTP_X_FORWARDED_FOR=ANN)
    assert answer.status_code in (401, 403)
