"""Revocations, and the certificate of a subordinate CA, with zman."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from certificates.models import Operation, Revocation, ServerCertificate
from tests.support import walkthrough
from tests.support.public_ca import PublicCA
from tests.support.zone import TestZone
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


@pytest.mark.parametrize("as_files", ["one", "several"])
def test_change_to_a_subordinate_ca(
    shell: Any, zone: TestZone, tmp_path: Path, as_files: str
) -> None:
    zone.first.refresh()
    shell.good("change", "subordinate", "--server", "ps-01", "--subject", "CN=Zone CA", "--yes")
    operation = Operation.objects.get()
    assert operation.parameters["subordinate"]
    walkthrough.prepare(zone, operation)
    request = tmp_path / "ca.csr"
    shell.good("ca-certificate", "csr", "--file", str(request))
    chain = PublicCA().certify(request.read_text())
    contents = chain if as_files == "several" else ["".join(chain)]
    files = []
    for number, content in enumerate(contents):
        file = tmp_path / f"{number}.pem"
        file.write_text(content)
        files.append(str(file))
    shell.good("ca-certificate", "import", *files)
    assert not Operation.objects.get().awaits_ca_certificate
    again = shell("ca-certificate", "import", *files, "--operation", str(operation.pk))
    assert again.code == exit_codes.REFUSED
    assert "is not waiting" in again.err
