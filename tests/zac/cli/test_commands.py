"""The command line and its exit codes (R220, R221; docs of the agent)."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.zac.support.certificates import Root, new_key
from tests.zac.support.zone import ADDRESS, Signer, Zone
from wire import json_codec, registration_key
from wire.messages import PRIMARY, Problem, RegisterResponse, ServerAddress, Trust
from zac import VERSION
from zac.cli import commands, exit_codes
from zac.host import locks
from zac.host.home import Home
from zac.host.host import Host
from zac.trust import pem
from zac.updates import refresh

Zac = Callable[..., int]


@pytest.fixture
def zac(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Zac:
    monkeypatch.delenv("ZAC_HOME", raising=False)
    umask = os.umask(0o022)
    os.umask(umask)

    def run(*arguments: str) -> int:
        try:
            return commands.main(["--home", str(tmp_path / "home"), *arguments])
        finally:
            os.umask(umask)

    return run


def test_a_device_registers_and_unregisters(
    zone: Zone, zac: Zac, capsys: pytest.CaptureFixture[str]
) -> None:
    assert zac("reg", zone.servers[0].url, "--key", str(zone.key), "--name", "d1") == 0
    assert zac("ref") == 0
    assert zac("st") == 0
    assert zac("ci") == 0
    assert zac("zc") == 0
    out = capsys.readouterr().out
    assert zone.root.sha256 in out
    assert zone.servers[0].url in out
    assert zac("unr") == 0
    assert zone.members == {}
    assert zac("ref") == 3


@pytest.mark.manual("R220", "R221")
def test_the_commands_of_the_manual_work_without_a_key(
    zone: Zone, zac: Zac, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Manual, A.7: zac unr, then zac reg https://<server_IP>:<port>."""
    url = zone.servers[0].url
    zac("reg", url, "--key", str(zone.key), "--name", "d1")
    before = Home(str(tmp_path / "home")).device()
    assert zac("unr") == 0
    assert "It can return without a registration key" in capsys.readouterr().out
    assert zac("ref") == 3
    assert zac("reg", url) == 0
    assert zac("ref") == 0
    after = Home(str(tmp_path / "home")).device()
    assert (after.id, after.name, after.zone_pub) == (before.id, "d1", before.zone_pub)
    assert after.secret != before.secret
    assert not (tmp_path / "home" / "former-device.json").exists()


def test_an_unregistered_device_returns_only_to_its_zone(zone: Zone, zac: Zac) -> None:
    zac("reg", zone.servers[0].url, "--key", str(zone.key), "--name", "d1")
    assert zac("unr") == 0
    zone.signer = Signer()
    assert zac("reg", zone.servers[0].url) == 6


def test_a_device_without_its_former_identity_needs_a_key(
    zone: Zone, zac: Zac, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zac("reg", zone.servers[0].url, "--key", str(zone.key), "--name", "d1")
    secret = Home(str(tmp_path / "home")).device().secret
    assert zac("unr", "--delete-identity") == 0
    for path in (tmp_path / "home").rglob("*"):
        assert not path.is_file() or secret not in path.read_text(errors="replace"), path
    assert zac("reg", zone.servers[0].url) == 1
    assert "no registration key was specified" in capsys.readouterr().err


def test_the_message_of_the_console_is_shown_with_its_action(
    zone: Zone, zac: Zac, capsys: pytest.CaptureFixture[str]
) -> None:
    zac("reg", zone.servers[0].url, "--key", str(zone.key), "--name", "d1")
    problem = Problem("x", 401, "Another host uses the identity of d1.", "Give it another name.")
    zone.lies["/zac/v1/refresh"] = (401, problem)
    assert zac("ref") == 3
    told = capsys.readouterr().err
    assert "Another host uses the identity of d1." in told
    assert "Give it another name." in told


def test_no_command_prints_a_secret(
    zone: Zone, zac: Zac, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zac("reg", zone.servers[0].url, "--key", str(zone.key), "--name", "d1")
    secret = Home(str(tmp_path / "home")).device().secret
    for command in (["st"], ["st", "--json"], ["ci"], ["zc"], ["ref", "-v"]):
        zac(*command)
    told = capsys.readouterr()
    journal = (tmp_path / "home" / "journal.jsonl").read_text()
    for text in (told.out, told.err, journal):
        assert secret not in text
        assert zone.key.secret not in text


def test_status_is_there_for_scripts(
    zone: Zone, zac: Zac, capsys: pytest.CaptureFixture[str]
) -> None:
    assert zac("status", "--json") == 3
    assert json.loads(capsys.readouterr().out) == {"registered": False}
    zac("reg", zone.servers[0].url, "--key", str(zone.key), "--name", "d1")
    capsys.readouterr()
    zac("status", "--json")
    assert json.loads(capsys.readouterr().out)["root_sha256"] == zone.root.sha256


@pytest.mark.parametrize("arguments", [["fly"], ["reg"], ["reg", "nonsense", "--key", "zcc1-a-b"]])
def test_the_exit_code_for_invalid_arguments_is_64(zac: Zac, arguments: list[str]) -> None:
    try:
        code: object = zac(*arguments)
    except SystemExit as stop:
        code = stop.code
    assert code == exit_codes.USAGE


def test_an_address_of_plain_http_is_rejected_with_the_format(
    zone: Zone, zac: Zac, capsys: pytest.CaptureFixture[str]
) -> None:
    url = zone.servers[0].url.replace("https:", "http:")
    assert zac("reg", url, "--key", str(zone.key)) == exit_codes.USAGE
    shown = capsys.readouterr().err
    assert f"{url} is not an HTTPS address. Nothing was changed." in shown
    assert "https://SERVER:PORT" in shown
    assert zone.heard == []


def test_the_version_and_the_meaning_of_each_option_are_printed(
    zac: Zac, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        zac("--version")
    assert stop.value.code == exit_codes.OK
    assert capsys.readouterr().out == f"zac {VERSION}\n"
    with pytest.raises(SystemExit):
        zac("reg", "--help")
    lines = capsys.readouterr().out.splitlines()
    for number, line in enumerate(lines):
        if re.match(r"  (--|-k)", line):
            text = re.sub(r"^  \S+( [A-Z]+)?(, \S+( [A-Z]+)?)*", "", line).strip()
            following = lines[number + 1] if number + 1 < len(lines) else ""
            assert text or following.startswith(" " * 10), line


def test_the_status_names_the_zone(
    zone: Zone, zac: Zac, capsys: pytest.CaptureFixture[str]
) -> None:
    zone.name = "DEMO-ZONE"
    zac("reg", zone.servers[0].url, "--key", str(zone.key), "--name", "d1")
    capsys.readouterr()
    assert zac("status") == exit_codes.OK
    assert "in zone DEMO-ZONE" in capsys.readouterr().out


def test_zac_without_a_command_shows_the_help(zac: Zac, capsys: pytest.CaptureFixture[str]) -> None:
    assert zac() == exit_codes.OK
    assert "zac [OPTIONS] COMMAND" in capsys.readouterr().out


def test_register_waits_as_long_as_a_busy_server_says(
    zone: Zone, zac: Zac, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    zone.lies["/zac/v1/hello"] = 429, Problem("Too many requests", 429)
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            zone.lies.clear()

    monkeypatch.setattr(time, "sleep", sleep)
    assert zac("reg", zone.servers[0].url, "--key", str(zone.key), "--name", "d1") == 0
    assert len(pauses) == 2
    assert all(7 <= pause <= 7 * 1.5 for pause in pauses)
    assert "is busy" in capsys.readouterr().err


def test_the_exit_code_for_an_unregistered_device_is_3(zac: Zac) -> None:
    commands = ("ref", "ci", "zc", "unr", "recover", "run", "status")
    assert {zac(command) for command in commands} == {3}


def test_the_exit_code_for_an_unreachable_server_is_4(zone: Zone, zac: Zac) -> None:
    zac("reg", zone.servers[0].url, "--key", str(zone.key), "--name", "d1")
    for server in zone.servers:
        server.close()
    zone.servers = []
    assert zac("ref") == 4
    assert zac("unr") == 4
    assert zac("unr", "--force") == 0


def test_the_exit_code_for_an_unverified_server_is_5(zone: Zone, zac: Zac) -> None:
    zac("reg", zone.servers[0].url, "--key", str(zone.key), "--name", "d1")
    zone.servers[0].show(Root("Other").server(ADDRESS))
    assert zac("ref") == 5
    assert zac("recover") == 5


def test_recover_on_a_device_that_verifies_its_servers_is_no_failure(
    zone: Zone, zac: Zac, capsys: pytest.CaptureFixture[str]
) -> None:
    zac("reg", zone.servers[0].url, "--key", str(zone.key), "--name", "d1")
    assert zac("recover") == 0
    told = capsys.readouterr()
    assert "Nothing had to be recovered." in told.out
    assert "Remint Tool" not in told.err


def test_the_exit_code_for_another_zone_is_6(zone: Zone, zac: Zac) -> None:
    foreign = registration_key.create(Signer().public)
    assert zac("reg", zone.servers[0].url, "--key", str(foreign)) == 6


def test_the_exit_code_for_a_device_waiting_for_approval_is_7(zone: Zone, zac: Zac) -> None:
    zone.approved = False
    zac("reg", zone.servers[0].url, "--key", str(zone.key), "--name", "d1")
    assert zac("ref") == 7


def test_the_exit_code_for_a_failed_update_is_10(zone: Zone, zac: Zac) -> None:
    zac("reg", zone.servers[0].url, "--key", str(zone.key), "--name", "d1")
    made = zone.update(Root("Zone CA 2"))
    del zone.content[made.files[0].sha256]
    assert zac("ref") == 10


def test_the_exit_code_for_a_data_directory_in_use_is_75(
    zone: Zone, zac: Zac, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zac("reg", zone.servers[0].url, "--key", str(zone.key), "--name", "d1")
    monkeypatch.setattr(commands, "LOCK_WAIT", 0.0)
    with locks.hold(str(tmp_path / "home" / "lock"), 1):
        assert zac("ref") == 75


def test_trust_on_first_use_needs_somebody_who_looks(
    zone: Zone, zac: Zac, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S-52."""
    with Path(os.devnull).open() as nobody:
        monkeypatch.setattr(sys, "stdin", nobody)
        assert zac("reg", zone.servers[0].url, "--trust-on-first-use") != 0
    assert [path for _, path, _, _ in zone.heard] == ["/zac/v1/hello"]


def test_the_first_server_of_a_zone_is_adopted(
    tmp_path: Path, zac: Zac, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = ["--name", "s1", "--fqdn", "s1.zone1.test", "--address", ADDRESS, "--port", "8443"]
    assert zac("adopt", *place, "--prepare") == 0
    prepared = json.loads(capsys.readouterr().out)
    assert set(prepared["features"]) == set(refresh.list_features(Home(str(tmp_path)), PRIMARY))
    root = Root()
    chain = root.sign_csr(prepared["csr"], "s1.zone1.test", ADDRESS)
    given = RegisterResponse(
        id="s1",
        secret="00" * 32,
        epoch=1,
        zone="zone-1",
        zone_pub=Signer().zone_pub,
        time=time.time(),
        approved=True,
        trust=Trust(root.pem),
        servers=[ServerAddress("s1", "s1", "", "primary", url=f"https://{ADDRESS}:8443")],
        refresh_s=1.0,
    )
    told = tmp_path / "told.json"
    told.write_bytes(
        json_codec.dump({"registered": json.loads(json_codec.dump(given)), "chain": chain})
    )
    for _ in range(2):
        with told.open() as stream:
            monkeypatch.setattr(sys, "stdin", stream)
            assert zac("adopt", "--finish") == 0
    host = Host(Home(str(tmp_path / "home")))
    assert host.device.port == 8443
    assert pem.fingerprint(host.trust_store.current().server) == pem.fingerprint(chain)
    assert sorted(prepared["vault_keys"]) == ["ca_vault", "vault"]
    assert new_key() is not None


def test_it_stops_within_ten_seconds(zone: Zone, zac: Zac, tmp_path: Path) -> None:
    zac("reg", zone.servers[0].url, "--key", str(zone.key), "--name", "d1")
    before = len(zone.refreshes)
    process = subprocess.Popen(
        [sys.executable, "-m", "zac", "run", "--home", str(tmp_path / "home")],
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 20
        while len(zone.refreshes) == before and time.monotonic() < until:
            time.sleep(0.02)
        assert len(zone.refreshes) > before
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
    assert not (tmp_path / "home" / "wake.sock").exists()
