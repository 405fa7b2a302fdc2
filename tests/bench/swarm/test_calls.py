"""Kinds and results of calls."""

import pytest

from bench.swarm.calls import get_kind, get_result
from zac.network.errors import CertificateRejected, CertificateRevoked, Unreachable


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/zac/v1/refresh", "refresh"),
        ("/zac/v1/updates/0b1c/status", "status"),
        ("/zac/v1/updates/0b1c/preflight", "preflight"),
        ("/contact", "contact"),
        ("/content/8f43", "content"),
        ("", "content"),
    ],
)
def test_the_kind_of_a_call_is_the_end_of_its_path(path, kind):
    assert get_kind(path) == kind


@pytest.mark.parametrize(
    ("fault", "result"),
    [
        (CertificateRejected("expired", 10), "expired"),
        (CertificateRejected("not yet valid", 9), "refused"),
        (CertificateRejected("unknown issuer", 20), "refused"),
        (CertificateRevoked("revoked"), "refused"),
        (Unreachable("timeout"), "unreachable"),
    ],
)
def test_only_an_expired_certificate_is_expired(fault, result):
    assert get_result(fault) == result
