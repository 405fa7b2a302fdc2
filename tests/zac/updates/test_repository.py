"""The remint repository of a server, and what is wrong with the files in it (D-168)."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tests.zac.support.certificates import Root
from tests.zac.support.zone import ADDRESS, Zone
from wire.update_messages import CertificateResponse
from zac.cli import output
from zac.host.host import Host
from zac.trust import pem
from zac.updates import refresh, repository


@pytest.fixture
def future(zone: Zone, satellite: Host) -> Root:
    """A new CA under which an administrator creates the keys."""
    root = Root("Zone CA 2")
    zone.update(root, manual_csr=True)
    zone.answers["update-1"] = CertificateResponse("awaited", generation=1)
    refresh.refresh(satellite)
    zone.requests.clear()
    return root


def place(folder: Path, root: Root, *, key_of: Root | None = None) -> str:
    """Place a certificate and a key; returns the certificate."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made, other = root.server(ADDRESS), (key_of or root).server(ADDRESS)
    key = load_pem_private_key((other if key_of else made).encode(), None)
    (folder / "key.der").write_bytes(
        key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    )
    (folder / "server.pem").write_text(pem.split(made)[0] + root.pem)
    return pem.split(made)[0]


def own(host: Host) -> Path:
    return Path(host.home.path_to("remint-repo"))


@pytest.mark.manual("R082")
def test_what_is_wrong_with_the_files_reaches_the_console_once(
    zone: Zone, satellite: Host, future: Root
) -> None:
    place(own(satellite), future, key_of=future)
    refresh.refresh(satellite)
    ((_, request),) = zone.requests
    assert "certificate" in request.error
    assert (request.chain, request.generation) == ("", 1)
    assert zone.words()[-1] == "applied", "the update itself has not failed"
    zone.answers["update-1"] = CertificateResponse("csr-failed", generation=1)
    refresh.refresh(satellite)
    assert len(zone.requests) == 1

    made = place(own(satellite), future)
    refresh.refresh(satellite)
    assert pem.split(zone.requests[-1][1].chain)[0] == made


def test_the_commands_on_the_server_show_what_is_wrong_with_the_files(
    zone: Zone, satellite: Host, future: Root
) -> None:
    place(own(satellite), future, key_of=future)
    refresh.refresh(satellite)
    reason = zone.requests[-1][1].error
    listed = output.updates(satellite, ["update-1"], as_json=False, details=True)
    assert reason in output.status_text(satellite)
    assert reason in listed
    (own(satellite) / "key.der").unlink()
    refresh.refresh(satellite)
    assert reason not in output.status_text(satellite)
    place(own(satellite), future, key_of=future)
    refresh.refresh(satellite)
    assert reason in output.status_text(satellite)
    place(own(satellite), future)
    refresh.refresh(satellite)
    assert reason not in output.status_text(satellite)


def test_it_is_submitted_again_if_the_console_has_lost_it(
    zone: Zone, satellite: Host, future: Root
) -> None:
    place(own(satellite), future)
    for count in (1, 2):
        refresh.refresh(satellite)
        assert len(zone.requests) == count
    zone.answers["update-1"] = CertificateResponse("uploaded", generation=1)
    refresh.refresh(satellite)
    assert len(zone.requests) == 2


@pytest.mark.manual("R080")
def test_the_folder_of_the_manual_is_used_where_it_exists(
    zone: Zone, satellite: Host, future: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert zone.refreshes[-1].remint_repository == str(own(satellite))
    folder = tmp_path / "opt" / "remint-repo"
    monkeypatch.setattr(repository, "SYSTEM_FOLDER", str(folder))
    refresh.refresh(satellite)
    assert zone.refreshes[-1].remint_repository == str(own(satellite))
    made = place(folder, future)
    refresh.refresh(satellite)
    assert zone.refreshes[-1].remint_repository == str(folder)
    assert pem.split(zone.requests[-1][1].chain)[0] == made
    repository.delete_files(satellite)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("mode", [0o777, 0o720])
def test_files_that_others_can_change_are_not_used(
    zone: Zone, satellite: Host, future: Root, mode: int
) -> None:
    place(own(satellite), future)
    own(satellite).chmod(mode)
    refresh.refresh(satellite)
    ((_, request),) = zone.requests
    assert "Other users can change the files" in request.error
    assert request.chain == ""


def test_a_device_without_certificate_reports_no_folder(zone: Zone, device: Host) -> None:
    refresh.refresh(device)
    assert zone.refreshes[-1].remint_repository == ""


@pytest.mark.manual("R081")
@pytest.mark.parametrize("suffix", ["der", "cer", "crt", "p7b", "pem", "cert"])
def test_every_file_name_of_the_manual_is_used(
    zone: Zone, satellite: Host, future: Root, suffix: str
) -> None:
    made = place(own(satellite), future)
    (own(satellite) / "server.pem").rename(own(satellite) / f"server.{suffix}")
    refresh.refresh(satellite)
    assert pem.split(zone.requests[-1][1].chain)[0] == made
    repository.delete_files(satellite)
    assert list(own(satellite).glob("server.*")) == []
