"""ACME account keys with zman."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from certificates.models import AcmeAccountKey, Revocation
from tests.support import factories, hosts, walkthrough
from zman.cli import exit_codes


def test_a_key_is_created_and_disabled(shell: Any, zone: Any) -> None:
    names = ("--name", "*.hosts.example", "--name", "www.outside.example")
    shell.good("acme-account-key", "create", "web", *names, "--until", "+7d")
    row = AcmeAccountKey.objects.get()
    assert row.names == ["*.hosts.example", "www.outside.example"]
    assert [one["label"] for one in shell.json("list", "acme-account-keys")] == ["web"]
    shell.good("acme-account-key", "disable", str(row.pk))
    assert AcmeAccountKey.objects.get().disabled_at is not None


def test_the_hmac_key_is_written_to_a_file(shell: Any, zone: Any) -> None:
    file = shell.folder / "hmac"
    shell.good("acme-account-key", "create", "web", "--name", "a.example.com", "--file", str(file))
    assert len(file.read_text().strip()) == 43


@pytest.mark.parametrize(("until", "days"), [((), 7), (("--until", "+30d"), 30)])
def test_hosts_can_register_for_a_limited_time(
    shell: Any, zone: Any, until: tuple[str, ...], days: int
) -> None:
    shell.good("acme-account-key", "create", "web", "--name", "a.example.com", *until)
    end = AcmeAccountKey.objects.get().expires_at
    assert end is not None
    assert abs(end - timezone.now() - timedelta(days=days)) < timedelta(minutes=5)


def test_a_key_has_no_end_only_on_request(shell: Any, zone: Any) -> None:
    name = ("--name", "a.example.com")
    shell.good("acme-account-key", "create", "web", *name, "--until", "never")
    assert AcmeAccountKey.objects.get().expires_at is None


def test_hosts_and_devices_at_risk_are_listed(shell: Any, zone: Any) -> None:
    operation = walkthrough.remint_ca()
    walkthrough.prepare(zone, operation)
    operation = walkthrough.step(walkthrough.fresh(operation))
    factories.acme_certificate("a.hosts.example", operation.authority)
    factories.acme_certificate("b.hosts.example", operation.future_authority)
    found = shell.json("list", "hosts-at-risk")
    assert [(one["name"], one["account_key"]) for one in found] == [("a.hosts.example", "hosts")]
    zone.join("pc-1")
    named = shell.json("list", "devices-at-risk", "--operation", str(operation.pk))
    assert "pc-1" in [one["name"] for one in named]
    assert all(one["why"] for one in named)
    assert shell.json("show", "operation")["hosts"]["at_risk"] == 1


def test_hosts_at_risk_require_an_operation(shell: Any, zone: Any) -> None:
    assert shell("list", "hosts-at-risk").code == exit_codes.NOT_FOUND


def test_a_key_allows_est_if_it_is_specified(shell: Any, zone: Any) -> None:
    shell.good("acme-account-key", "create", "web", "--name", "a.example.com")
    made = shell.json("acme-account-key", "create", "printers", "--name", "b.example.com", "--est")
    assert made["est"].endswith("/.well-known/est")
    found = {row.label: row.allows_est for row in AcmeAccountKey.objects.all()}
    assert found == {"web": False, "printers": True}


def test_wrong_names_are_rejected(shell: Any, zone: Any) -> None:
    assert shell("acme-account-key", "create", "web", "--name", "*.com").code == exit_codes.USAGE
    assert not AcmeAccountKey.objects.exists()


def test_the_certificate_of_a_host_is_revoked(shell: Any, zone: Any) -> None:
    first, second = hosts.issue("web.hosts.example"), hosts.issue("web.hosts.example")
    hosts.issue("web.hosts.example.org")
    revoke = ("revoke", "--host", "web.hosts.example", "--reason", "key-compromise")
    several = shell(*revoke)
    assert several.code == exit_codes.USAGE
    assert "has 2 matching certificates. Nothing was revoked." in several.err
    shell.good(*revoke, "--certificate", second.digest[:12])
    assert Revocation.objects.get().digest == second.digest
    shell.good(*revoke)
    assert {row.digest for row in Revocation.objects.all()} == {first.digest, second.digest}
    listed = {one["name"]: one["is_revoked"] for one in shell.json("list", "host-certificates")}
    assert listed == {"web.hosts.example": True, "web.hosts.example.org": False}
    assert shell("revoke", "--host", "ps-01", "--reason", "superseded").code == exit_codes.USAGE
