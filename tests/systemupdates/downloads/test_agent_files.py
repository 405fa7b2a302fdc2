"""What a Primary Server offers of the agent."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from certificates.trust import second_key
from devices.identity import zone_keys
from systemupdates.downloads import agent, agent_files, publication
from tests.support.zone import TestZone
from wire.envelope import Envelope, NotSigned, PublicKeys, build_envelope
from wire.metadata import AGENT, REMINT_TOOL, sha256

DEB = "zcc-agent_1.0_all.deb"


@pytest.fixture
def dist(tmp_path: Path, settings: Any) -> Path:
    """Return the directory that `make packages` writes to."""
    settings.BASE_DIR = tmp_path
    folder = tmp_path / "dist"
    folder.mkdir()
    return folder


def public_key(zone: TestZone) -> PublicKeys:
    return zone_keys.get_public_keys(zone.zone)


def index(folder: Path, *, version: str, **files: bytes) -> None:
    for name, data in files.items():
        (folder / name).write_bytes(data)
    digests = {name: sha256(data) for name, data in files.items()}
    text = json.dumps({"agent": version, "files": digests})
    (folder / agent.INDEX).write_text(text)


def test_the_agent_is_offered_with_digest_and_signature(
    zone: TestZone, client: Client, dist: Path
) -> None:
    assert agent_files.publish_agent_files() == [agent.NAME]
    sent: Any = client.get(f"/zenworks-setup/{agent.NAME}", secure=True)
    data = b"".join(sent.streaming_content)
    assert data == agent.build_agent()
    file = agent_files.list_agent_files()[0]
    assert file.sha256 == sha256(data)
    envelope = build_envelope(AGENT, data, base64.b64decode(file.signature))
    assert envelope.verify(public_key(zone), AGENT) == data
    page = client.get("/zenworks-setup/", secure=True).content.decode()
    assert file.sha256 in page
    for suffix in (".sha256", ".sig"):
        sent = client.get(f"/zenworks-setup/{agent.NAME}{suffix}", secure=True)
        assert b"".join(sent.streaming_content)


def test_a_signature_of_the_agent_is_not_one_of_a_tool(zone: TestZone, dist: Path) -> None:
    agent_files.publish_agent_files()
    signature = base64.b64decode(agent_files.list_agent_files()[0].signature)
    envelope = build_envelope(REMINT_TOOL, agent.build_agent(), signature)
    with pytest.raises(NotSigned):
        envelope.verify(public_key(zone), REMINT_TOOL)


def test_nothing_is_written_if_nothing_has_changed(zone: TestZone, dist: Path) -> None:
    agent_files.publish_agent_files()
    path = publication.get_folder() / agent.NAME
    before = path.stat().st_ino
    assert agent_files.publish_agent_files() == []
    assert path.stat().st_ino == before


def test_a_damaged_file_is_published_again(zone: TestZone, dist: Path) -> None:
    agent_files.publish_agent_files()
    path = publication.get_folder() / agent.NAME
    path.write_bytes(b"damaged")
    assert agent_files.publish_agent_files() == [agent.NAME]
    assert path.read_bytes() == agent.build_agent()


def test_packages_of_this_version_are_offered(zone: TestZone, dist: Path) -> None:
    index(dist, version=agent.get_version(), **{DEB: b"package"})
    assert agent_files.publish_agent_files() == [agent.NAME, DEB]
    assert [file.name for file in agent_files.list_agent_files()] == [agent.NAME, DEB]


def test_packages_of_another_version_are_withdrawn(zone: TestZone, dist: Path) -> None:
    index(dist, version=agent.get_version(), **{DEB: b"package"})
    agent_files.publish_agent_files()
    index(dist, version="1.0.0+0123456789ab", **{DEB: b"package"})
    assert agent_files.publish_agent_files() == [DEB]
    assert [name for name in agent_files.list_file_names() if name.startswith("zcc")] == []


def test_a_damaged_package_is_not_offered(zone: TestZone, dist: Path) -> None:
    index(dist, version=agent.get_version(), **{DEB: b"package"})
    (dist / DEB).write_bytes(b"other bytes")
    assert agent_files.publish_agent_files() == [agent.NAME]


def test_the_agent_gets_the_second_signature_when_the_zone_has_the_key(
    zone: TestZone, dist: Path
) -> None:
    agent_files.publish_agent_files()
    second = publication.get_folder() / f"{agent.NAME}.sig2"
    assert not second.exists()
    for _ in range(2):
        second_key.introduce(now=timezone.now())
    assert agent_files.publish_agent_files() == [agent.NAME]
    signatures = [
        (publication.get_folder() / f"{agent.NAME}{suffix}").read_text().strip()
        for suffix in (".sig", ".sig2")
    ]
    data = base64.b64encode(agent.build_agent()).decode()
    Envelope(AGENT, data, *signatures).verify(public_key(zone), AGENT)
    assert agent_files.publish_agent_files() == []
