"""Settings of the tests: quick passwords, plain static files, the rest as in production."""

from tests import postgres
from zcc.settings import *  # noqa: F403 - a settings file extends another one

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
SECRET_KEY = "tests-" + "x" * 50
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_AUTOREFRESH = True
if postgres.wanted():
    DATABASES = {"default": postgres.database()}
