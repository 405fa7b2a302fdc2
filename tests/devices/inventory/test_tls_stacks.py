"""Results of TLS stacks as sentences."""

from __future__ import annotations

from devices.inventory import tls_stacks

CURL = {"server": "s", "stack": "curl", "code": "ok", "version": "8.5.0", "detail": ""}
OPENSSL = {**CURL, "stack": "openssl", "version": "3.0.13"}
GNUTLS = {**CURL, "stack": "gnutls", "code": "refused", "version": "3.7.9", "detail": "reason"}


def test_accepting_stacks_have_one_sentence_and_rejecting_ones_another() -> None:
    assert tls_stacks.describe([OPENSSL, GNUTLS, CURL]) == [
        "OpenSSL 3.0.13, curl 8.5.0: new certificate accepted.",
        "GnuTLS 3.7.9: new certificate rejected (reason).",
    ]


def test_stacks_to_which_the_server_did_not_respond_are_not_named() -> None:
    assert tls_stacks.describe([{**CURL, "code": "unreachable"}]) == []


def test_there_is_no_sentence_without_results() -> None:
    assert tls_stacks.describe(None) == tls_stacks.describe([]) == []


def test_a_stack_of_a_later_agent_is_shown_by_its_name() -> None:
    found = tls_stacks.describe([{"server": "s", "stack": "boringssl", "code": "refused"}])
    assert found == ["boringssl: new certificate rejected (—)."]
