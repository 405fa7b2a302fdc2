"""Settings of the tests: quick passwords, plain static files, the rest as in production."""

import os
import tempfile
from pathlib import Path

from tests.support import postgres
from zcc import settings as own
from zcc.installation import database
from zcc.settings import *  # noqa: F403 - a settings file extends another one

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
SECRET_KEY = "tests-" + "x" * 50
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_AUTOREFRESH = True
# Not the data of a demo zone that runs in this checkout.
ZCC_HOME = Path(tempfile.gettempdir()) / f"zcc-test-{os.getpid()}"
SERVER_HOME = ZCC_HOME / "servers" / "ps-01"
# Zones of tests run on this machine, as a demo zone does.
ALLOW_LOOPBACK = True
# Tests have their own time. The database does not.
COMPARE_CLOCKS = False
if postgres.wanted():
    DATABASES = {"default": postgres.database()}
else:
    # A file, as in production: one shared in memory locks whole tables and never waits.
    place = Path(tempfile.gettempdir()) / f"zcc-test-{os.getpid()}.sqlite3"
    demo = database.get_demo_url(own.ZCC_HOME)
    DATABASES = {"default": database.get_settings(demo, own.ZCC_HOME)}
    DATABASES["default"]["TEST"] = {"NAME": str(place)}
