"""URLs that contain a secret: the secret is in no log line and in no row of the database."""

from __future__ import annotations

import logging
import secrets
from uuid import UUID

import pytest
from axes.models import AccessAttempt, AccessLog
from django.test import Client, RequestFactory
from django.urls import resolve

from audit.models import Entry
from console.requests import logs
from tests.support import factories

pytestmark = pytest.mark.django_db
JOB = f"/configuration/certificates/jobs/{UUID(int=7)}/"
# Every URL whose path can contain a secret, also mistyped and with a secret where none belongs.
PATHS = (
    "/setup-link/{s}/",
    "/setup-link/{s}",
    "/set-up/{s}/",
    "/set-up/{s}",
    f"{JOB}{{s}}.zip",
    f"{JOB}{{s}}.zip/",
    "/login/code/{s}/",
    "/api/v1/tokens/{s}/revoke",
    "/zac/v1/content/{s}",
    "/{s}",
)


@pytest.fixture
def written():
    """Return what is logged, as it is written in both formats."""
    found: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record):
            found.append(logs.LineFormatter("%(name)s %(message)s").format(record))
            found.append(logs.JsonFormatter().format(record))

    handler, root = Keep(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield found
    root.removeHandler(handler)
    root.setLevel(level)


def stored():
    return str([list(kind.objects.values()) for kind in (Entry, AccessAttempt, AccessLog)])


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("user", [None, "admin", "nobody"])
def test_the_secret_of_a_url_is_neither_logged_nor_stored(written, zone, path, method, user):
    secret = secrets.token_urlsafe(32)
    client = Client(raise_request_exception=False, enforce_csrf_checks=True)
    if user is not None:
        client.force_login(factories.admin() if user == "admin" else factories.user("nobody"))
    getattr(client, method)(path.format(s=secret))
    text = "\n".join(written)
    assert secret not in text
    assert "zcc.requests" in text
    assert secret not in stored()


def test_a_secret_in_the_path_of_a_failed_login_is_not_stored(written, zone):
    """The log lines and the rows of axes contain the path of the request."""
    from django.contrib.auth import authenticate

    factories.user("person")
    secret = secrets.token_urlsafe(32)
    request = RequestFactory().post(f"/set-up/{secret}/")
    request.resolver_match = resolve(request.path)
    client = Client()
    client.get("/login/")
    request.session = client.session
    assert authenticate(request, username="person", password="wrong") is None
    assert any("axes" in line for line in written)
    assert secret not in "\n".join(written)
    assert secret not in stored()


@pytest.mark.parametrize(
    "path",
    [
        "/configuration/certificates/",
        f"/configuration/certificates/operations/{UUID(int=7)}/cancel/",
        "/configuration/administrators/12/reset-second-factor/",
        "/api/v1/operations/0b7a1d4e-6c1f-4f56-9a39-0a4d0e4c5b1a",
        "/api/v1/administrators/7",
        "/zac/v1/updates/0b7a1d4e-6c1f-4f56-9a39-0a4d0e4c5b1a/status",
    ],
)
def test_a_path_without_a_secret_is_logged_as_it_is(path):
    request = RequestFactory().get(path)
    request.resolver_match = resolve(path)
    assert logs.describe_path(request) == path


def test_a_path_with_a_secret_is_logged_as_its_route():
    request = RequestFactory().get(f"{JOB}{secrets.token_urlsafe(16)}.zip")
    request.resolver_match = resolve(request.path)
    assert logs.describe_path(request).endswith("jobs/<uuid:pk>/<slug:ticket>.zip")
