"""The commands on the page Add Devices."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from certificates.installation import commands
from certificates.installation.commands import Source, System
from devices.models import Role
from systemupdates.downloads.publication import PublishedFile
from tests.support import factories
from wire.metadata import sha256

pytestmark = pytest.mark.django_db
NAMES = (
    *("zac.pyz", "zcc-agent_1.0.0~rc1-1_all.deb", "zcc-agent-server_1.0.0~rc1-1_all.deb"),
    *("zcc-agent-1.0.0~rc1-1.noarch.rpm", "zcc-agent-server-1.0.0~rc1-1.noarch.rpm"),
)
FILES = [PublishedFile(name, sha256(name.encode()), "signature", 1) for name in NAMES]
SOURCE = Source("https://10.0.0.1:8443", "a" * 64, FILES)


def text(system: str, role: str, key: str = "KEY") -> str:
    return "\n".join(step.text for step in commands.list_steps(system, role, key, SOURCE))


def test_only_offered_systems_can_be_selected() -> None:
    assert commands.list_systems(Role.MANAGED, FILES[:1]) == [System.LINUX]
    assert commands.list_systems(Role.MANAGED, FILES) == list(System)
    assert commands.list_systems(Role.MANAGED, []) == []


def test_the_download_is_verified_with_the_roots_and_the_digest() -> None:
    step = commands.list_steps(System.LINUX, Role.MANAGED, "KEY", SOURCE)[0]
    assert step.commands == (
        "curl -fsSk -o zone-ca.pem https://10.0.0.1:8443/roots.pem",
        f"echo '{'a' * 64}  zone-ca.pem' | sha256sum -c -",
        "curl -fsS --cacert zone-ca.pem -O https://10.0.0.1:8443/zenworks-setup/zac.pyz",
        f"echo '{FILES[0].sha256}  zac.pyz' | sha256sum -c -",
    )


def test_a_command_runs_only_after_the_one_before_it_succeeded(tmp_path: Path) -> None:
    step = commands.Step("Title", ("false", "touch reached"))
    done = subprocess.run(["/bin/sh", "-c", step.text], cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert not (tmp_path / "reached").exists()


@pytest.mark.parametrize(
    ("system", "role", "packages"),
    [
        (System.DEBIAN, Role.MANAGED, NAMES[1:2]),
        (System.DEBIAN, Role.CONTENT_SATELLITE, NAMES[1:2]),
        (System.DEBIAN, Role.AUTHENTICATION_SATELLITE, NAMES[1:3]),
        (System.RED_HAT, Role.MANAGED, NAMES[3:4]),
        (System.RED_HAT, Role.AUTHENTICATION_SATELLITE, NAMES[3:]),
    ],
)
def test_a_role_gets_the_packages_that_it_needs(
    system: str, role: str, packages: tuple[str, ...]
) -> None:
    commands_text = text(system, role)
    assert [name for name in NAMES if f"/{name}" in commands_text] == list(packages)


def test_a_key_that_is_not_known_is_read_by_the_command() -> None:
    factories.zone()
    factories.server("ps-01")
    step = commands.list_steps(System.LINUX, Role.MANAGED, "", SOURCE)[2]
    assert step.text.endswith(" --key -")
    assert "Paste it" in step.note


def test_a_satellite_names_its_role_and_ports() -> None:
    factories.zone()
    factories.server("ps-01")
    register = commands.list_steps(System.DEBIAN, Role.AUTHENTICATION_SATELLITE, "KEY", SOURCE)[2]
    assert register.text.startswith("sudo zac register https://")
    assert "--key KEY --role authentication-satellite --fqdn FQDN" in register.text
    assert "--parent ps-01" in register.text


def test_only_a_server_with_a_certificate_needs_a_library() -> None:
    assert "pip install" not in text(System.LINUX, Role.MANAGED)
    assert "pip install" not in text(System.LINUX, Role.CONTENT_SATELLITE)
    assert "pip install 'cryptography>=43'" in text(System.LINUX, Role.AUTHENTICATION_SATELLITE)


def test_a_server_on_debian_needs_the_package_of_venv() -> None:
    install = commands.list_steps(System.LINUX, Role.AUTHENTICATION_SATELLITE, "KEY", SOURCE)[1]
    assert "python3-venv" in install.note


def test_a_primary_server_joins_with_its_own_program() -> None:
    (step,) = commands.list_steps("", Role.PRIMARY, "KEY", SOURCE)
    assert step.text.startswith(
        "echo KEY | docker compose run --rm -T zac python -m zcc.start join"
    )
    # What replaces it with systemd, as in docs/deployment.md.
    assert "sudo zcc-manage instead of docker compose run --rm -T zac python -m zcc.start" in (
        step.note
    )
