"""The Certificate Remint Tool: one signed update in one file (D-40 to D-42; manual, A.5, A.8)."""

from __future__ import annotations

import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from systemupdates.downloads.archive import build_archive, read_sources
from systemupdates.remint_tool import build as published
from tests.zac.support.certificates import Root
from tests.zac.support.zone import ADDRESS, Signer, Zone
from wire import json_codec, metadata
from wire.envelope import Envelope
from wire.messages import Trust
from wire.metadata import ActivationNotice, Manifest, RecoveryNotices
from zac import remint_tool
from zac.host import locks
from zac.host.host import Host
from zac.trust import pem, store
from zac.updates import refresh

Build = Callable[..., str]


@pytest.fixture
def build(tmp_path: Path, zone: Zone) -> Build:
    """Return a maker of tools for the update that the zone has announced."""

    def make(made: Manifest, *, activated: bool = True, signer: Signer | None = None) -> str:
        path = tmp_path / "tool.bin"
        key = signer or zone.signer
        envelope = key.sign(metadata.MANIFEST, made)
        notice = ActivationNotice(made.id, zone.id, made.epoch, made.root_sha256, envelope)
        notices = [key.sign(metadata.ACTIVATION_NOTICE, notice)] if activated else []
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("update/manifest.json", json_codec.dump(envelope))
            carried = json_codec.dump(RecoveryNotices(zone.id, notices))
            archive.writestr("update/notices.json", carried)
            for file in made.files:
                archive.writestr(f"update/files/{file.sha256}", zone.content[file.sha256])
        data = path.read_bytes()
        path.write_bytes(b'#!/bin/sh\nexec python3 "$0" "$@"\n' + data)
        return str(path)

    return make


def change(zone: Zone, **changes: object) -> tuple[Root, Manifest]:
    """Let the zone change its CA without a bridge; the device knows nothing of it."""
    future = Root("Zone CA 2")
    made = zone.update(future, **{"activate_at": int(zone.now()) - 60, **changes})
    zone.trust = Trust(future.pem, in_grace=[zone.root.pem])
    zone.servers[0].show(future.server(ADDRESS))
    return future, made


def run(host: Host, path: str, *options: str) -> int:
    return remint_tool.main(["--home", host.home.path, *options], path)


def current(host: Host) -> str:
    return pem.fingerprint(host.trust_store.current().trust.current)


@pytest.mark.manual("R043")
def test_it_brings_a_device_back_that_was_cut_off(zone: Zone, device: Host, build: Build) -> None:
    future, made = change(zone)
    assert run(device, build(made)) == 0
    assert current(device) == future.sha256
    refresh.refresh(Host(device.home))
    assert zone.words()[-1] == "activated"


def test_it_needs_no_content_server(zone: Zone, device: Host, build: Build) -> None:
    future, made = change(zone)
    path = build(made)
    zone.content.clear()
    assert run(device, path) == 0
    assert current(device) == future.sha256


def test_a_second_run_says_that_nothing_is_left_to_do(
    zone: Zone, device: Host, build: Build, capsys: pytest.CaptureFixture[str]
) -> None:
    _, made = change(zone)
    path = build(made)
    run(device, path)
    assert run(device, path) == 0
    assert "already been applied" in capsys.readouterr().out


def test_before_its_time_it_stages_only(zone: Zone, device: Host, build: Build) -> None:
    future = Root("Zone CA 2")
    made = zone.update(future)
    assert run(device, build(made, activated=False)) == 7
    assert current(device) == zone.root.sha256
    assert future.sha256 in store.digests(device.trust_store.current().trust)


def test_a_stranger_s_tool_changes_nothing(
    zone: Zone, device: Host, build: Build, capsys: pytest.CaptureFixture[str]
) -> None:
    _, made = change(zone)
    assert run(device, build(made, signer=Signer())) == 6
    assert "not signed with the key of this device's zone" in capsys.readouterr().err
    assert current(device) == zone.root.sha256


@pytest.mark.parametrize("keep", [0.2, 0.6, 0.95])
def test_a_damaged_tool_changes_nothing(
    zone: Zone, device: Host, build: Build, keep: float
) -> None:
    _, made = change(zone)
    path = Path(build(made))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    assert run(device, str(path)) == 6
    assert current(device) == zone.root.sha256


@pytest.mark.manual("R223")
def test_a_changed_ca_file_is_found_out(zone: Zone, device: Host, build: Build) -> None:
    future, made = change(zone)
    path = Path(build(made))
    data = path.read_bytes()
    at = data.index(future.pem.encode()[100:140])
    path.write_bytes(data[:at] + b"A" * 40 + data[at + 40 :])
    zone.content.clear()
    assert run(device, str(path)) == 6
    assert current(device) == zone.root.sha256


def test_a_device_of_no_zone_is_told_so(
    new_host: Callable[..., Host], zone: Zone, build: Build
) -> None:
    _, made = change(zone)
    assert run(new_host("nobody"), build(made)) == 3


def test_it_waits_for_nobody_who_holds_the_lock(
    zone: Zone, device: Host, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, made = change(zone)
    monkeypatch.setattr(remint_tool, "LOCK_WAIT", 0.0)
    with locks.hold(device.home.path_to("lock"), 1):
        assert run(device, build(made)) == 75


def test_check_reports_and_changes_nothing(zone: Zone, device: Host, build: Build) -> None:
    _, made = change(zone)
    path = build(made)
    assert run(device, path, "--check") == 7
    assert current(device) == zone.root.sha256
    run(device, path)
    assert run(device, path, "--check") == 0


def test_info_shows_what_it_carries(
    zone: Zone, device: Host, build: Build, capsys: pytest.CaptureFixture[str]
) -> None:
    future, made = change(zone)
    assert run(device, build(made), "--info") == 0
    assert future.sha256 in capsys.readouterr().out


def test_info_works_on_a_device_of_no_zone_and_says_that_nothing_was_verified(
    new_host: Callable[..., Host], zone: Zone, build: Build, capsys: pytest.CaptureFixture[str]
) -> None:
    future, made = change(zone, name="Remint \x1b[31mCA")
    assert run(new_host("nobody"), build(made), "--info") == 0
    told = capsys.readouterr().out
    assert future.sha256 in told
    assert told.startswith("The signature was not verified")
    assert "\x1b" not in told


@pytest.mark.parametrize("file", ["missing.pem", "passwd"])
def test_a_ca_file_that_cannot_be_used_is_a_wrong_command_line(
    zone: Zone,
    device: Host,
    build: Build,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    file: str,
) -> None:
    (tmp_path / "passwd").write_text("root:x:0:0:root:/root:/bin/bash\n")
    _, made = change(zone)
    assert run(device, build(made), "-p", str(tmp_path / file)) == 64
    told = capsys.readouterr().err
    assert file in told
    assert "Nothing was changed." in told
    assert current(device) == zone.root.sha256


def test_a_device_without_trust_store_takes_the_root_it_brings(
    zone: Zone, device: Host, build: Build
) -> None:
    future, made = change(zone)
    for path in sorted(Path(device.trust_store.path).rglob("*"), reverse=True):
        path.unlink() if path.is_symlink() or path.is_file() else path.rmdir()
    assert run(device, build(made)) == 0
    assert current(device) == future.sha256


@pytest.mark.manual("R217")
def test_a_server_of_another_chain_gives_the_manual_s_error(
    zone: Zone, device: Host, build: Build, capsys: pytest.CaptureFixture[str]
) -> None:
    """A.5, and -p as the way out."""
    _, made = change(zone)
    third = Root("Zone CA 3")
    zone.servers[0].show(third.server(ADDRESS))
    path = build(made)
    assert run(device, path) == 5
    assert remint_tool.MISMATCH in capsys.readouterr().err
    ca = Path(path).with_name("ca.cert")
    ca.write_text(third.pem)
    assert run(device, path, "-p", str(ca)) == 0


def test_an_envelope_of_another_kind_is_no_update(zone: Zone, device: Host, tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("update/manifest.json", json_codec.dump(Envelope("x", "", "")))
    assert run(device, str(path)) == 6
    path.write_bytes(b"#!/bin/sh\n")
    assert run(device, str(path)) == 6


@pytest.fixture
def bare_python(tmp_path: Path) -> str:
    """Debian's own Python without any package that is installed beside it."""
    path = tmp_path / "python"
    path.write_text('#!/bin/sh\nexec /usr/bin/python3 -I -S "$@"\n')
    path.chmod(0o755)
    return str(path)


def as_published(path: str) -> str:
    """Put the agent's own sources and the shell stub around what a tool carries."""
    members = {"__main__.py": published.ENTRY, **read_sources(*published.PACKAGES)}
    with zipfile.ZipFile(path) as archive:
        members.update({name: archive.read(name) for name in archive.namelist()})
    Path(path).write_bytes(published.add_stub(build_archive(members)))
    Path(path).chmod(0o755)
    return path


def tried(host: Host, path: str, python: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", path, "--home", host.home.path, *options],
        capture_output=True,
        text=True,
        env={"ZAC_PYTHON": python, "PATH": "/usr/bin:/bin"},
        timeout=60,
        check=False,
    )


def test_the_bare_python_of_debian_brings_a_device_back(
    zone: Zone, device: Host, build: Build, bare_python: str
) -> None:
    """D-40: nothing but Python is needed; each exit code as docs/remint-tool.md says."""
    future, made = change(zone)
    path = as_published(build(made))
    shown = tried(device, path, bare_python, "--info")
    assert shown.returncode == 0
    assert made.root_sha256 in shown.stdout
    assert tried(device, path, bare_python, "--check").returncode == 7
    done = tried(device, path, bare_python)
    assert done.returncode == 0, done.stderr
    assert current(device) == future.sha256
    assert tried(device, path, bare_python, "--check").returncode == 0
    again = tried(device, path, bare_python)
    assert (again.returncode, "already been applied" in again.stdout) == (0, True)
    wrong = tried(device, path, bare_python, "--what")
    assert wrong.returncode == 64
    help_text = tried(device, path, bare_python, "--help").stdout
    for code in (
        "5 no server",
        "6 file damaged",
        "7 update staged",
        "69 Python not found",
        "75 agent",
    ):
        assert code in " ".join(help_text.split())


def test_the_bare_python_refuses_what_is_not_signed_and_says_the_manual_s_error(
    zone: Zone, device: Host, build: Build, bare_python: str, tmp_path: Path
) -> None:
    """A.5, A.8."""
    _future, made = change(zone)
    foreign = tried(device, as_published(build(made, signer=Signer())), bare_python)
    assert foreign.returncode == 6
    other = Root("Another CA")
    zone.servers[0].show(other.server(ADDRESS))
    path = as_published(build(made))
    refused = tried(device, path, bare_python)
    assert refused.returncode == 5
    assert remint_tool.MISMATCH in refused.stderr
    pinned = tmp_path / "ca.pem"
    pinned.write_text(other.pem)
    assert tried(device, path, bare_python, "-p", str(pinned)).returncode == 0


def test_the_tool_needs_no_library_at_all(bare_python: str) -> None:
    found = subprocess.run(
        [bare_python, "-c", "import cryptography"], capture_output=True, check=False
    )
    assert found.returncode != 0, "else the tests above prove nothing"
