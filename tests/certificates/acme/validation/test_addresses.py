"""The addresses that a validation can connect to."""

from __future__ import annotations

from typing import Any

import pytest

from certificates.acme.problems import ValidationFailed
from certificates.acme.validation import addresses
from certificates.acme.validation.limits import Deadline


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("10.0.0.5", True),
        ("192.168.1.1", True),
        ("203.0.114.5", True),
        ("fd00::5", True),
        ("2001:4860::1", True),
        ("127.0.0.1", False),
        ("::1", False),
        ("::ffff:127.0.0.1", False),
        ("169.254.169.254", False),
        ("::ffff:169.254.169.254", False),
        ("fe80::1%eth0", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("2002:7f00:1::", False),
        ("0.0.0.0", False),
        ("::", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("240.0.0.1", False),
        ("100.100.100.200", False),
        ("::ffff:168.63.129.16", False),
        ("168.63.129.16", False),
        ("fd00:ec2::254", False),
        ("fd00:0ec2:0::254", False),
        ("100.100.100.201", True),
    ],
)
def test_internal_addresses_are_allowed_but_not_those_of_this_server(
    address: str, allowed: bool, settings: Any
) -> None:
    settings.ALLOW_LOOPBACK = False
    assert addresses.is_allowed(address) is allowed


def test_a_name_with_a_loopback_address_is_not_reached(settings: Any) -> None:
    settings.ALLOW_LOOPBACK = False
    with pytest.raises(ValidationFailed, match="not permitted"):
        addresses.connect("localhost", 80, Deadline(30))


def test_an_address_of_an_unsupported_family_is_skipped(monkeypatch: Any) -> None:
    def create(family: int, _type: int) -> Any:
        raise OSError(97, "Address family not supported by protocol")

    found = [(10, ("2001:db8::1", 80, 0, 0))]
    monkeypatch.setattr(addresses, "resolve", lambda *_: found)
    monkeypatch.setattr("socket.socket", create)
    with pytest.raises(ValidationFailed, match="Address family not supported"):
        addresses.connect("web.hosts.example", 80, Deadline(30))
