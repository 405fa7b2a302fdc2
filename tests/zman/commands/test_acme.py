"""ACME account keys with zman."""

from __future__ import annotations

from typing import Any

from certificates.models import AcmeAccountKey
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


def test_a_key_allows_est_if_it_is_specified(shell: Any, zone: Any) -> None:
    shell.good("acme-account-key", "create", "web", "--name", "a.example.com")
    made = shell.json("acme-account-key", "create", "printers", "--name", "b.example.com", "--est")
    assert made["est"].endswith("/.well-known/est")
    found = {row.label: row.allows_est for row in AcmeAccountKey.objects.all()}
    assert found == {"web": False, "printers": True}


def test_wrong_names_are_rejected(shell: Any, zone: Any) -> None:
    assert shell("acme-account-key", "create", "web", "--name", "*.com").code == exit_codes.USAGE
    assert not AcmeAccountKey.objects.exists()
