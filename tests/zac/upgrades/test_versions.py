"""The order of versions, and the version of a file."""

from __future__ import annotations

import pytest
from packaging.version import Version

from tests.support.agent_programs import BUILD, build_version
from zac.upgrades import versions

ORDER = [
    "0.9",
    "0.9.1",
    "1.0.0a1",
    "1.0.0b1",
    "1.0.0rc1",
    "1.0.0rc2",
    "1.0.0",
    "1.0.1",
    "1.10",
    "2",
]


@pytest.mark.parametrize("first", ORDER)
@pytest.mark.parametrize("second", ORDER)
def test_the_order_is_that_of_pep_440(first: str, second: str) -> None:
    assert versions.is_newer(first, second) == (Version(first) > Version(second))


def test_a_build_is_not_newer_than_another_one() -> None:
    assert not versions.is_newer("1.0.0+ffffffffffff", "1.0.0+000000000000")
    assert not versions.is_newer("1.0", "1.0.0")


@pytest.mark.parametrize("text", ["", "1.0.0-1", "newest", "1.0.0+A B", "1" * 12, "1.2.3.4.5"])
def test_other_texts_are_not_versions(text: str) -> None:
    with pytest.raises(versions.InvalidAgent):
        versions.is_newer(text, "1.0.0")


def test_the_version_is_read_from_the_file() -> None:
    assert versions.read_version(build_version("1.2.3rc4")) == f"1.2.3rc4+{BUILD}"


@pytest.mark.parametrize("source", ["", "RELEASE = 1\n", 'RELEASE = "latest"\n'])
def test_a_file_without_a_version_is_rejected(source: str) -> None:
    with pytest.raises(versions.InvalidAgent):
        versions.read_version(build_version("1.0.0", **{"zac/__init__.py": source}))
