"""Settings of the benchmarks: as in production, with a bare view for comparison."""

from tests.support import postgres
from zcc.installation import database
from zcc.settings import *  # noqa: F403 - a settings file extends another one

SECRET_KEY = "bench-" + "x" * 50
ROOT_URLCONF = "bench.urls"
ALLOW_LOOPBACK = True
if postgres.wanted():
    DATABASES = {"default": postgres.database()}
else:
    DATABASES = {"default": database.get_settings(database.get_demo_url(ZCC_HOME), ZCC_HOME)}  # noqa: F405 - as above
