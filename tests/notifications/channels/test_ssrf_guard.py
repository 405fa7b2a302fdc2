"""No webhook reaches an internal address, however it is asked for (S-92)."""

import ipaddress
import socket

import pytest

from faults import Invalid, Refused
from notifications.channels import ssrf_guard
from notifications.models import Target
from notifications.targets import targets
from tests.notifications.conftest import EVERY
from tests.support import receivers

pytestmark = pytest.mark.django_db
INSIDE = (
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0"),
    *("100.64.0.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "192.0.2.1"),
    *("::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1"),
    *("64:ff9b::7f00:1", "2002:7f00:1::1", "2001:0:7f00:1::1", "fe80::1%eth0"),
)
OUTSIDE = ("93.184.215.14", "1.1.1.1", "2606:4700:4700::1111")


@pytest.mark.parametrize("address", INSIDE)
def test_an_internal_address_is_refused(address):
    assert not ssrf_guard.is_allowed(address)


@pytest.mark.parametrize("address", OUTSIDE)
def test_a_public_address_is_taken(address):
    assert ssrf_guard.is_allowed(address)


def test_the_installation_may_allow_a_network(settings):
    settings.WEBHOOK_NETWORKS = [ipaddress.ip_network("10.1.0.0/16")]
    assert ssrf_guard.is_allowed("10.1.2.3")
    assert ssrf_guard.is_allowed("::ffff:10.1.2.3")
    assert not ssrf_guard.is_allowed("10.2.0.1")
    assert not ssrf_guard.is_allowed("127.0.0.1")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://hooks.example/x",
        "file:///etc/passwd",
        "https://",
        "https://user:secret@hooks.example/",
        "//hooks.example",
        "gopher://127.0.0.1:6379/_SET",
        "https://" + "a" * 2001,
        "nonsense",
    ],
)
def test_an_invalid_webhook_url_is_rejected(url):
    with pytest.raises(Invalid):
        ssrf_guard.check_url(url)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://x", "The URL starts with http://, but webhooks require https://."),
        ("nonsense", "The URL does not start with https://."),
        ("https://", "The URL does not contain a host name."),
        ("https://" + "a" * 2001, "The URL is longer than 2,000 characters."),
    ],
)
def test_the_reason_for_a_rejected_url_is_shown_with_an_example(settings, url, reason):
    settings.WEBHOOK_NETWORKS = []
    with pytest.raises(Invalid) as caught:
        ssrf_guard.check_destination(url)
    assert caught.value.explanation == f"{reason} Nothing was changed."
    assert caught.value.action.endswith("for example https://hooks.example.com/zcc.")


def test_http_is_accepted_for_an_allowed_network_only(settings, monkeypatch):
    settings.WEBHOOK_NETWORKS = [ipaddress.ip_network("10.1.0.0/16")]
    ssrf_guard.check_destination("http://10.1.2.3/hook")
    with pytest.raises(Invalid, match="outside the allowed networks require https"):
        ssrf_guard.check_destination("http://93.184.215.14/hook")


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "[::1]", "2130706433", "0x7f.1", "017700000001"]
)
def test_every_spelling_of_this_host_is_refused_at_creation(zone, host):
    with pytest.raises(Refused):
        targets.create_target(
            Target.Kind.WEBHOOK, targets.TargetSettings("evil", EVERY, url=f"https://{host}:1/")
        )
    assert not Target.objects.exists()


def test_a_name_that_turns_to_an_internal_address_later_is_refused_too(monkeypatch):
    """DNS rebinding: the name was public when the target was made."""
    answers = iter(["93.184.215.14", "127.0.0.1"])

    def resolve(host, port, **_):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    ssrf_guard.resolve_allowed("rebind.example", 443)
    with pytest.raises(ssrf_guard.InternalAddress):
        ssrf_guard.post("https://rebind.example/", b"{}", {})


def test_the_connection_goes_to_the_address_that_was_judged(monkeypatch, receiver):
    """The name is asked for once: there is no second answer that could be another one."""
    asked = []
    really = socket.getaddrinfo

    def resolve(host, port, **more):
        asked.append(host)
        return really("127.0.0.1", port, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    url = receiver.url.replace("127.0.0.1", "hooks.example")
    assert ssrf_guard.post(url, b"{}", {}) == 204
    assert asked == ["hooks.example"]
    assert receiver.posted[0][1]["host"].startswith("hooks.example")


def test_of_several_answers_only_the_public_ones_are_used(monkeypatch):
    def resolve(host, port, **_):
        places = ("127.0.0.1", "93.184.215.14", "10.0.0.1")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (place, port)) for place in places]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert [place[0] for _family, place in ssrf_guard.resolve_allowed("x.example", 1)] == [
        "93.184.215.14"
    ]


def test_a_redirect_is_not_followed(receiver):
    with receivers.http_server() as inside:
        receiver.status, receiver.location = 307, inside.url
        assert ssrf_guard.post(receiver.url, b"{}", {}) == 307
        assert inside.posted == []


def test_plain_http_leads_to_allowed_networks_alone(monkeypatch):
    class Elsewhere:
        def getpeername(self):
            return ("93.184.215.14", 80)

        def close(self):
            pass

    monkeypatch.setattr(ssrf_guard, "_connect", lambda *_: Elsewhere())
    with pytest.raises(
        ssrf_guard.InternalAddress, match="HTTP is permitted only for allowed networks"
    ):
        ssrf_guard.post("http://hooks.example/", b"{}", {})


def test_a_proxy_of_the_environment_is_not_used(monkeypatch, receiver):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert ssrf_guard.post(receiver.url, b"{}", {}) == 204


def test_a_certificate_that_is_not_trusted_is_refused(settings):
    import ssl
    import threading

    import trustme

    settings.WEBHOOK_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with receivers.Receiver() as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        url = server.url.replace("http:", "https:")
        with pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"):
            ssrf_guard.post(url, b"{}", {})
        with authority.cert_pem.tempfile() as path:
            settings.WEBHOOK_CA_FILE = path
            assert ssrf_guard.post(url, b"{}", {}) == 204
        server.shutdown()
        thread.join()
