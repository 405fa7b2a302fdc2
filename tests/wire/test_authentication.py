"""A device proves who it is by HMAC over the whole request and a growing counter (S-55, S-56)."""

from __future__ import annotations

from typing import Any

import pytest

from faults import Unauthenticated
from wire import authentication, registration_key
from wire.authentication import Credentials
from wire.registration_key import BadRegistrationKey

SECRET = authentication.derive_secret(b"master", device="device-1", epoch=1)
REQUEST: dict[str, Any] = {"method": "POST", "path": "/zac/v1/refresh?a=1", "body": b"{}"}


def credentials() -> Credentials:
    return authentication.sign(
        SECRET, device="device-1", counter=7, method="POST", path="/zac/v1/refresh?a=1", body=b"{}"
    )


def matches(made: Credentials, secret: str = SECRET, **changes: Any) -> bool:
    told = {**REQUEST, **changes}
    return authentication.verify(
        made,
        secret,
        method=str(told["method"]),
        path=str(told["path"]),
        body=told["body"],
    )


def test_what_a_device_signed_matches() -> None:
    assert matches(authentication.parse_header(credentials().header()))


@pytest.mark.parametrize(
    "change",
    [
        {"method": "GET"},
        {"path": "/zac/v1/refresh"},
        {"path": "/zac/v1/refresh?a=2"},
        {"body": b"[]"},
    ],
    ids=str,
)
def test_another_request_does_not_match(change: dict[str, Any]) -> None:
    assert not matches(credentials(), **change)


@pytest.mark.parametrize(
    "change", [{"counter": 8}, {"device": "device-2"}, {"mac": "0" * 64}, {"mac": "é"}]
)
def test_altered_credentials_do_not_match(change: dict[str, Any]) -> None:
    assert not matches(Credentials(**{**vars(credentials()), **change}))


def test_another_secret_does_not_match() -> None:
    other = authentication.derive_secret(b"master", device="device-1", epoch=2)
    assert other != SECRET
    assert not matches(credentials(), other)


def test_each_device_and_master_has_its_own_secret() -> None:
    made = {
        authentication.derive_secret(master, device=device, epoch=1)
        for master in (b"a", b"b")
        for device in ("x", "y")
    }
    assert len(made) == 4


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer x",
        "ZCC1",
        "ZCC1 device=a,counter=-1,mac=b",
        "ZCC1 device=a,counter=٣,mac=b",
        "ZCC1 device=a,counter=" + "9" * 19 + ",mac=b",
        "ZCC1 device=a,mac=b",
    ],
)
def test_any_other_header_is_refused(header: str) -> None:
    with pytest.raises(Unauthenticated):
        authentication.parse_header(header)


def test_a_registration_key_is_read_as_it_was_made() -> None:
    key = registration_key.create(b"k" * 32)
    assert registration_key.parse(f"  {str(key).upper()} ") == key
    assert key.is_for_zone(b"k" * 32)
    assert not key.is_for_zone(b"l" * 32)


def test_no_two_registration_keys_are_alike() -> None:
    assert len({registration_key.create(b"k" * 32).secret for _ in range(100)}) == 100


@pytest.mark.parametrize("text", ["", "zcc1", "zcc1-a-b", "zcc2-" + "a" * 26 + "-" + "b" * 32])
def test_another_text_is_no_registration_key(text: str) -> None:
    with pytest.raises(BadRegistrationKey):
        registration_key.parse(text)


def test_the_repr_of_a_registration_key_does_not_tell_the_secret() -> None:
    key = registration_key.create(b"k" * 32)
    assert key.secret not in repr(key)
