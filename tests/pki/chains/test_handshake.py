"""The handshake without a private key has the same result as a complete one."""

import pytest

from pki.chains import handshake
from tests.pki import factories
from tests.pki.factories import FQDN

FAMILY = factories.family()
CHAIN = [factories.loaded(pem).public_bytes(factories.serialization.Encoding.DER)
         for pem in (FAMILY.leaf, FAMILY.middle)]  # fmt: skip


def verify(chain=CHAIN, root=FAMILY.root, host=FQDN, *, is_rsa=False):
    return handshake.verify(chain, root=root, host=host, is_rsa=is_rsa)


def test_a_good_chain_is_accepted_for_its_names_only():
    assert verify() == verify(host="10.0.0.1") == verify(host=None) == handshake.ACCEPTED
    assert verify(host="other.example") == 62
    assert verify(host="10.0.0.9") == 64


def test_a_chain_without_its_intermediate_or_root_is_rejected():
    assert verify(CHAIN[:1]) == 20
    assert verify(root=factories.ca().pem) == 20


def test_what_openssl_cannot_read_is_rejected():
    assert verify([b"0\0", CHAIN[1]]) == handshake.UNREADABLE
    assert verify(root="no certificate") == handshake.UNREADABLE
    assert verify(is_rsa=True) == handshake.UNREADABLE


def test_an_openssl_that_does_not_verify_here_is_noticed(monkeypatch):
    """A version that verifies the chain later would accept everything here."""
    monkeypatch.setattr(handshake, "_proceed", lambda client: handshake.ACCEPTED)
    with pytest.raises(RuntimeError, match="did not verify"):
        verify()
