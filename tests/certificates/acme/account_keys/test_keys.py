"""Account keys and the names that they permit."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from audit.models import Entry
from certificates.acme import accounts, policy
from certificates.acme.account_keys import keys
from certificates.models import AcmeAccountKey
from faults import Invalid, NotFound


def test_the_secret_is_not_stored(zone: Any) -> None:
    made = keys.create(
        "a", ["*.Example.com", "host.example.com "], expires_at=None, now=timezone.now()
    )
    assert made.row.names == ["*.example.com", "host.example.com"]
    values = AcmeAccountKey.objects.values().get()
    assert made.hmac_key not in str(values)
    assert len(accounts.derive_secret(made.row.key_id)) == 32
    entry = Entry.objects.get(action="acme-account-key")
    assert made.hmac_key not in str(entry.detail)


@pytest.mark.parametrize(
    ("label", "names", "field"),
    [
        ("", ["a.example.com"], "label"),
        ("x" * 65, ["a.example.com"], "label"),
        ("a", [], "names"),
        ("a", ["*"], "names"),
        ("a", ["*.com"], "names"),
        ("a", ["host"], "names"),
        ("a", ["a.*.example.com"], "names"),
        ("a", ["10.0.0.1"], "names"),
        ("a", ["a.localdomain"], "names"),
        ("a", [f"h{n}.example.com" for n in range(51)], "names"),
    ],
)
def test_wrong_values_are_rejected(zone: Any, label: str, names: list[str], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        keys.create(label, names, expires_at=None, now=timezone.now())
    assert caught.value.field == field
    assert not AcmeAccountKey.objects.exists()


def test_an_end_in_the_past_is_rejected(zone: Any) -> None:
    now = timezone.now()
    with pytest.raises(Invalid):
        keys.create("a", ["a.example.com"], expires_at=now - timedelta(seconds=1), now=now)


@pytest.mark.parametrize(
    ("name", "permitted"),
    [
        ("a.example.com", True),
        ("a.b.example.com", True),
        ("example.com", False),
        ("aexample.com", False),
        ("host.other.example", True),
        ("b.host.other.example", False),
    ],
)
def test_a_pattern_permits_the_names_below_a_domain(name: str, permitted: bool) -> None:
    assert policy.is_permitted(name, ["*.example.com", "host.other.example"]) is permitted


def test_a_disabled_key_is_not_enabled_again(zone: Any) -> None:
    now = timezone.now()
    made = keys.create("a", ["a.example.com"], expires_at=None, now=now)
    assert accounts.is_enabled(timezone.now())
    keys.disable(made.row.pk, now=now)
    keys.disable(made.row.pk, now=now + timedelta(days=1))
    assert AcmeAccountKey.objects.get().disabled_at == now
    assert Entry.objects.filter(action="disable-acme-account-key").count() == 1
    assert not accounts.is_enabled(timezone.now())
    with pytest.raises(NotFound):
        keys.disable(made.row.pk + 1, now=now)
