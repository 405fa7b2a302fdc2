"""How the agent was installed, and what it reports about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from wire.messages import FEATURE_AGENT_UPGRADE, FEATURE_DEB, FEATURE_RPM
from zac import archive
from zac.host.home import Home
from zac.upgrades import installation


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "package"
    monkeypatch.setattr(installation, "PACKAGE_FILE", str(path))
    return path


def test_a_checkout_is_not_upgraded(tmp_path: Path) -> None:
    assert installation.find_installation() == installation.CHECKOUT
    assert installation.list_features(Home(str(tmp_path))) == []


@pytest.mark.parametrize(
    ("path", "text", "feature"),
    [
        ("/usr/local/bin/zac", "", FEATURE_AGENT_UPGRADE),
        ("/usr/local/bin/zac", "deb\n", FEATURE_AGENT_UPGRADE),
        ("/usr/bin/zac", "deb\n", FEATURE_DEB),
        ("/usr/bin/zac", "rpm\n", FEATURE_RPM),
        ("/usr/bin/zac", "other\n", FEATURE_AGENT_UPGRADE),
        ("/usr/bin/zac", "", FEATURE_AGENT_UPGRADE),
    ],
)
def test_the_file_of_a_package_belongs_to_the_package_manager(
    tmp_path: Path,
    package: Path,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    text: str,
    feature: str,
) -> None:
    monkeypatch.setattr(archive, "find_path", lambda: path)
    if text:
        package.write_text(text)
    (tmp_path / installation.OPT_IN).touch()
    assert installation.list_features(Home(str(tmp_path))) == [feature]


def test_a_host_that_does_not_allow_upgrades_does_not_report_that_it_accepts_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "find_path", lambda: "/usr/local/bin/zac")
    assert installation.list_features(Home(str(tmp_path))) == []
