"""Commands with which an administrator looks after updates and certificates on the host itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.zac.support.certificates import Root
from tests.zac.support.servers import CSR_PARAMETERS
from tests.zac.support.zone import ADDRESS, Zone
from wire import records
from wire.update_messages import CertificateResponse
from zac.cli import commands, exit_codes
from zac.host.host import Host
from zac.trust import pem
from zac.updates import refresh

Out = pytest.CaptureFixture[str]


def zac(host: Host, *arguments: str) -> int:
    return commands.main(["--home", host.home.path, *arguments])


@pytest.fixture
def future(zone: Zone, satellite: Host) -> Root:
    """A future CA under which the administrator makes the requests."""
    root = Root("Zone CA 2")
    zone.update(root, manual_csr=True)
    zone.answers["update-1"] = CertificateResponse("awaited")
    refresh.refresh(satellite)
    return root


def test_updates_are_listed_shown_and_tried_again(zone: Zone, device: Host, capsys: Out) -> None:
    zone.update(Root("Zone CA 2"))
    content, zone.content = zone.content, {}
    refresh.refresh(device)
    capsys.readouterr()
    assert zac(device, "update") == exit_codes.OK
    assert "update-1  remint-ca  downloading: Content " in capsys.readouterr().out
    assert zac(device, "update", "retry") == exit_codes.FAILED
    zone.content = content
    assert zac(device, "update", "retry", "update-1") == exit_codes.PENDING
    assert zac(device, "update", "show", "update") == exit_codes.OK
    told = capsys.readouterr().out
    assert "Remint CA" in told
    assert "ready for activation" in told
    assert zac(device, "update", "list", "--json") == exit_codes.OK
    assert json.loads(capsys.readouterr().out)[0]["step"] == "armed"
    assert zone.words()[-1] == "applied"


@pytest.mark.parametrize("what", ["show", "retry"])
def test_an_update_that_is_not_known_is_named(device: Host, what: str, capsys: Out) -> None:
    assert zac(device, "update", what, "nothing") == exit_codes.ERROR
    assert "0 updates match the ID nothing" in capsys.readouterr().err


def test_a_word_that_is_no_command_is_64(device: Host) -> None:
    with pytest.raises(SystemExit) as ended:
        zac(device, "update", "forget")
    assert ended.value.code == exit_codes.USAGE


def test_a_request_made_here_is_signed_and_handed_in(
    zone: Zone, satellite: Host, future: Root, tmp_path: Path, capsys: Out
) -> None:
    capsys.readouterr()
    assert zac(satellite, "csr") == exit_codes.OK
    request = capsys.readouterr().out
    key = Path(satellite.home.path_to("remint-repo", "key.der"))
    assert key.stat().st_mode & 0o077 == 0
    assert x509.load_pem_x509_csr(request.encode()).is_signature_valid
    assert zac(satellite, "csr") == exit_codes.OK
    again = capsys.readouterr().out
    assert public_key(again) == public_key(request), "the key stays"

    file = tmp_path / "answer.pem"
    file.write_text(future.sign_csr(request, ADDRESS) + future.pem)
    assert zac(satellite, "import", str(file)) == exit_codes.OK
    handed = zone.requests[-1][1].chain
    assert handed == pem.split(file.read_text())[0]
    zone.answers["update-1"] = CertificateResponse("uploaded", handed)
    refresh.refresh(satellite)
    assert satellite.state.load().updates["update-1"].step == "armed"
    capsys.readouterr()
    assert zac(satellite, "cert-info", "--future") == exit_codes.OK
    told = capsys.readouterr().out
    assert pem.fingerprint(handed) in told
    assert future.sha256 in told


def test_a_certificate_that_does_not_fit_is_refused_and_nothing_is_sent(
    zone: Zone, satellite: Host, future: Root, tmp_path: Path
) -> None:
    zac(satellite, "csr")
    sent = len(zone.requests)
    file = tmp_path / "answer.pem"
    for wrong in (future.server(ADDRESS), Root("Stranger").pem, "rubbish", ""):
        file.write_text(wrong)
        assert zac(satellite, "import", str(file)) != exit_codes.OK, wrong[:60]
    assert zac(satellite, "import", str(tmp_path)) == exit_codes.USAGE
    assert zac(satellite, "import", str(tmp_path / "none")) == exit_codes.USAGE
    assert len(zone.requests) == sent
    assert satellite.state.load().updates["update-1"].step == "certificate"


def test_the_request_that_the_agent_has_made_is_shown(
    zone: Zone, satellite: Host, tmp_path: Path, capsys: Out
) -> None:
    root = Root("Zone CA 2")
    zone.update(root)
    zone.answers["update-1"] = CertificateResponse(
        "ordered", csr_parameters=CSR_PARAMETERS, generation=1
    )
    refresh.refresh(satellite)
    zone.answers["update-1"] = CertificateResponse("csr-generated", generation=1)
    capsys.readouterr()
    assert zac(satellite, "csr") == exit_codes.OK
    request = capsys.readouterr().out
    assert request == zone.requests[-1][1].csr
    file = tmp_path / "answer.pem"
    file.write_text(root.sign_csr(request, ADDRESS) + root.pem)
    assert zac(satellite, "import", str(file)) == exit_codes.OK
    assert zone.requests[-1][1].chain == pem.split(file.read_text())[0]


def test_where_no_certificate_is_awaited_the_commands_say_so(
    zone: Zone, satellite: Host, device: Host, tmp_path: Path, capsys: Out
) -> None:
    for host in (satellite, device):
        assert zac(host, "csr") == exit_codes.ERROR
        assert zac(host, "import", str(tmp_path / "any")) == exit_codes.ERROR
    assert "not waiting for a certificate" in capsys.readouterr().err
    zone.update(Root("Zone CA 2"))
    zone.answers["update-1"] = CertificateResponse("awaited")
    zone.offer = records.replace(zone.offer, notices=[])
    refresh.refresh(satellite)
    assert zac(satellite, "csr") == exit_codes.ERROR
    assert "has not been generated yet" in capsys.readouterr().err


def public_key(request: str) -> object:
    key: Any = x509.load_pem_x509_csr(request.encode()).public_key()
    return key.public_numbers()
