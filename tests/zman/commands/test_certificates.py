"""Revocations with zman."""

from __future__ import annotations

from typing import Any

from certificates.models import Revocation, ServerCertificate
from zman.cli import exit_codes


def test_the_certificate_in_use_is_revoked(shell: Any) -> None:
    used = ServerCertificate.objects.current().get()
    assert shell("revoke", "ps-01").code == exit_codes.USAGE
    shell.good("revoke", "ps-01", "--reason", "key-compromise")
    assert Revocation.objects.get().digest == used.digest
    assert [one["sha256"] for one in shell.json("list", "revocations")] == [used.digest]
    again = shell("revoke", "ps-01", "--reason", "superseded")
    assert again.code == exit_codes.REFUSED


def test_a_certificate_is_found_by_its_fingerprint(shell: Any) -> None:
    used = ServerCertificate.objects.current().get()
    revoke = ("revoke", "ps-01", "--reason", "superseded", "--certificate")
    missing = shell(*revoke, "ffff")
    assert missing.code == exit_codes.USAGE
    assert "Nothing was revoked" in missing.err
    shell.good(*revoke, used.sha256[:11].lower())
    assert Revocation.objects.get().digest == used.digest
