"""Console, agent, and zman have one version number."""

import tomllib

from django.conf import settings

import zac
import zman
from zcc.runtime.components import BASE_DIR


def test_there_is_one_version():
    project = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]
    assert {project["version"], zac.RELEASE, zman.VERSION, settings.VERSION} == {zac.RELEASE}
