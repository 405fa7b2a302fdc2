"""Agents that are older than the console."""

from __future__ import annotations

import pytest
from django.test import Client

from devices.inventory import agent_versions
from devices.models import Device
from tests.support import clients, factories
from zac import RELEASE


@pytest.mark.parametrize(
    ("version", "older"),
    [
        ("1.9.0", True),
        ("1.9.9+0123456789ab", True),
        ("0.10.0", True),
        ("1.9", True),
        ("1.9.0rc1", True),
        ("1.10.0rc1", True),
        ("1.10.0rc1+0123456789ab", True),
        ("1.10.0", False),
        ("1.10.0+0123456789ab", False),
        ("1.11.0", False),
        ("1.11.0rc1", False),
        ("2.0.0", False),
        ("", False),
        ("newest", False),
        ('1.0.0"} 1', False),
        ("9" * 40, False),
    ],
)
def test_releases_are_compared_by_number(settings, version, older):
    settings.VERSION = "1.10.0"
    assert agent_versions.is_older(version) is older


@pytest.mark.parametrize(
    ("console", "agent", "older"),
    [
        # Builds before the first release said 1.0.0 and 1.1.0 (D-200).
        ("1.0.0rc1", "1.0.0", True),
        ("1.0.0rc1", "1.1.0+0123456789ab", True),
        ("1.0.0rc1", "1.0.0rc1", False),
        ("1.0.0rc1", "1.0.0rc2", False),
        ("1.0.0", "1.0.0rc1", True),
        ("1.0.0", "1.0.0", False),
        ("1.0.0", "1.1.0", True),
        ("1.0.0", "1.2.0", False),
        ("1.1.0", "1.0.0", True),
        ("1.1.0", "1.1.0", False),
        ("2.0.0", "1.1.0", True),
    ],
)
def test_agents_built_before_the_first_release_are_older(settings, console, agent, older):
    settings.VERSION = console
    assert agent_versions.is_older(agent) is older


@pytest.fixture
def client(db: None) -> Client:
    factories.zone()
    server = factories.server("ps-1")
    factories.certificate(server, factories.authority(server))
    factories.device("pc-new")
    factories.device("pc-old", version="1.0.0")
    factories.device("pc-gone", version="1.0.0", state="retired")
    return clients.log_in(factories.admin())


def test_the_list_marks_and_filters_them(client):
    response = client.get("/devices/?state=older-agent")
    assert [device.name for device in response.context["page"]] == ["pc-old"]
    assert "older than the console" in response.content.decode()
    chips = {chip["key"]: chip["n"] for chip in response.context["chips"]}
    assert chips["older-agent"] == 1
    assert "older than the console" not in client.get("/devices/?q=pc-new").content.decode()
    page = client.get(f"/devices/{Device.objects.get(name='pc-old').pk}/").content.decode()
    assert "older than the console" in page


def test_home_counts_them_until_they_are_upgraded(client):
    text = "The agent of 1 device is older than the console."
    assert text in client.get("/").content.decode()
    Device.objects.filter(name="pc-old").update(version=f"{RELEASE}+0123456789ab")
    assert text not in client.get("/").content.decode()
