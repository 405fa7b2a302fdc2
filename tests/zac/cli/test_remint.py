"""zac remint and zac verify-tool: the Certificate Remint Tool is data, its code is not run."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from tests.zac.support.zone import Signer, Zone
from tests.zac.test_remint_tool import Build, build, change, current
from wire.envelope import pre_authentication_encoding
from wire.metadata import REMINT_TOOL
from zac.cli import commands
from zac.host.host import Host

assert build


def run(host: Host, *arguments: str) -> int:
    return commands.main(["--home", host.home.path, *arguments])


def sign(path: str, signer: Signer) -> None:
    encoded = pre_authentication_encoding(REMINT_TOOL, Path(path).read_bytes())
    Path(path + ".sig").write_bytes(base64.b64encode(signer.key.sign(encoded)) + b"\n")


def test_the_update_in_a_file_is_applied(zone: Zone, device: Host, build: Build) -> None:
    future, made = change(zone)
    assert run(device, "remint", build(made)) == 0
    assert current(device) == future.sha256


def test_the_update_is_downloaded_over_plain_http(zone: Zone, device: Host, build: Build) -> None:
    future, made = change(zone)
    zone.lies["/zenworks-setup/tool.bin"] = (200, Path(build(made)).read_bytes())
    url = f"{zone.servers[0].content_url}/zenworks-setup/tool.bin"
    assert run(device, "remint", url) == 0
    assert current(device) == future.sha256
    assert not Path(device.home.path_to("remint-tool.bin")).exists()


def test_code_in_the_file_is_not_run(
    zone: Zone, device: Host, build: Build, tmp_path: Path
) -> None:
    """A network attacker can replace the code, because it is downloaded over HTTP."""
    future, made = change(zone)
    path = Path(build(made))
    trace = tmp_path / "run"
    path.write_bytes(path.read_bytes().replace(b"exec python3", b"touch %s #" % bytes(trace)))
    assert run(device, "remint", str(path)) == 0
    assert current(device) == future.sha256
    assert not trace.exists()


def test_an_update_of_another_zone_is_refused(zone: Zone, device: Host, build: Build) -> None:
    before = current(device)
    _future, made = change(zone)
    assert run(device, "remint", build(made, signer=Signer())) == 6
    assert current(device) == before


def test_a_missing_file_says_so(
    device: Host, capsys: pytest.CaptureFixture[str], zone: Zone
) -> None:
    zone.lies["/zenworks-setup/none.bin"] = (404, None)
    url = f"{zone.servers[0].content_url}/zenworks-setup/none.bin"
    assert run(device, "remint", url) == 4
    assert "was not found (HTTP status 404)" in capsys.readouterr().err
    assert run(device, "verify-tool", "/nowhere/tool.bin") != 0
    assert "Cannot read /nowhere/tool.bin." in capsys.readouterr().err


def test_the_signature_covers_the_code(
    zone: Zone, device: Host, build: Build, capsys: pytest.CaptureFixture[str]
) -> None:
    path = build(change(zone)[1])
    assert run(device, "verify-tool", path) != 0
    assert "tool.bin.sig does not exist" in capsys.readouterr().err
    sign(path, zone.signer)
    assert run(device, "verify-tool", path) == 0
    assert "signed with the key of this device's zone" in capsys.readouterr().out
    Path(path).write_bytes(Path(path).read_bytes().replace(b"exec", b"evil"))
    assert run(device, "verify-tool", path) == 6
    sign(path, Signer())
    assert run(device, "verify-tool", path) == 6
