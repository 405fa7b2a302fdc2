"""Versions of the agent: their order, and the version of a file.

The order is that of PEP 440 for releases such as 1.0.0 and 1.0.0rc1. The build after the "+" has
no order. The package `packaging` is not part of the standard library.

See: D-200; PEP 440
"""

from __future__ import annotations

import io
import re
import zipfile
from typing import Tuple

from faults import Fault, Kind
from zac import BUILD_FILE

RELEASE = re.compile(r"(\d{1,9}(?:\.\d{1,9}){0,3})(?:(a|b|rc)(\d{1,9}))?(?:\+[a-z0-9.]+)?\Z")
IN_SOURCE = re.compile(r'^RELEASE = "([^"]+)"$', re.MULTILINE)
PARTS = 4
FINAL = "z"


class InvalidAgent(Fault):
    """The file is not an agent that this device can install."""

    kind = Kind.REFUSED
    action = "The installed version of the agent stays in use."


def is_newer(version: str, other: str) -> bool:
    """Return True if the release of a version is later than that of another; raise InvalidAgent."""
    return _get_order(version) > _get_order(other)


def read_version(data: bytes) -> str:
    """Return the version of an agent in a zip application; raise InvalidAgent."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            source = archive.read("zac/__init__.py").decode()
            build = archive.read("zac/%s" % BUILD_FILE).decode()
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise InvalidAgent("The file is not an agent of a zone.") from error
    found = IN_SOURCE.search(source)
    version = "%s+%s" % (found.group(1), build) if found else ""
    _get_order(version)
    return version


def _get_order(version: str) -> Tuple[Tuple[int, ...], str, int]:
    found = RELEASE.match(version)
    if found is None:
        raise InvalidAgent("%s is not a version of the agent." % version[:40])
    numbers = [int(part) for part in found.group(1).split(".")]
    numbers += [0] * (PARTS - len(numbers))
    return tuple(numbers), found.group(2) or FINAL, int(found.group(3) or 0)
