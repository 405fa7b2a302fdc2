"""The agent of every host: trust, keys and certificates of this machine are in its care alone."""

import pkgutil

RELEASE = "1.0.0rc1"
BUILD_FILE = "BUILD"


def _get_version() -> str:
    """Return the release and, in a zip application, its build: "1.0.0+0123456789ab"."""
    try:
        build = pkgutil.get_data("zac", BUILD_FILE) or b""
    except OSError:  # a checkout
        return RELEASE
    return "%s+%s" % (RELEASE, build.decode("ascii"))


VERSION = _get_version()
