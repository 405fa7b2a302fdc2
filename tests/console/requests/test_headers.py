"""Headers, cookies and forms of every answer (security rules S-80, S-81, S-85 to S-89)."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from certificates.models import ServerCertificate
from console.access.session_store import compute_digest
from console.middleware import LIFETIME_SECONDS
from tests.console.access.test_rights import MATRIX, address
from tests.support import factories
from zcc.runtime.components import BASE_DIR

pytestmark = pytest.mark.django_db
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "object-src": "'none'",
    "frame-ancestors": "'none'",
}
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
EVIL = "<img src=x onerror=alert(1)>\u202egnp.exe"


def check_deploy(tmp_path, **environment):
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=BASE_DIR,
        env={
            "PATH": os.environ["PATH"],
            "ZCC_HOME": str(tmp_path),
            "ZCC_SECRET_KEY": "k3-" + "aB9" * 20,
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "environment",
    [{}, {"ZCC_BEHIND_PROXY": "true", "ZCC_HSTS_SECONDS": "31536000"}],
    ids=["alone", "behind a proxy"],
)
def test_the_settings_of_production_pass_the_check_for_deployment(tmp_path, environment):
    done = check_deploy(tmp_path, **environment)
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout + done.stderr


def test_the_check_for_deployment_would_find_something(tmp_path):
    assert check_deploy(tmp_path, ZCC_DEBUG="true").returncode != 0
    assert "HSTS" in check_deploy(tmp_path, ZCC_HSTS_SECONDS="forever").stderr


def policy(response):
    parts = response.headers["Content-Security-Policy"].split("; ")
    return dict(part.split(" ", 1) for part in parts)


def protected(response):
    assert policy(response) == POLICY
    assert {name: response.headers.get(name) for name in HEADERS} == HEADERS
    assert "Server" not in response.headers
    return True


def test_every_answer_of_every_address_is_protected(things):
    client = Client()
    client.force_login(factories.admin())
    for name in MATRIX:
        for method in ("GET", "POST"):
            assert protected(client.generic(method, address(name, things))), name
    public = ("/livez", "/readyz", "/healthz", "/roots.pem", "/crl/00.crl", "/ocsp")
    for path in ("/nowhere", "/api/v1/zone", "/api/v1/nowhere", "/api/v1/docs", *public):
        assert protected(client.get(path)), path
    assert protected(Client().get("/"))


def test_a_page_brings_no_script_or_style_of_its_own_and_htmx_evaluates_nothing(things):
    client = Client()
    client.force_login(factories.admin())
    for name in ("certificates:home", "certificates:page", "devices:list", "audit:audit"):
        text = client.get(address(name, things)).content.decode()
        assert "style=" not in text, name
        assert "<style" not in text, name
        assert "javascript:" not in text, name
        assert "http://" not in text.replace("http://www.w3.org/", ""), name
        for word in ('"allowEval": false', '"selfRequestsOnly": true', '"allowScriptTags": false'):
            assert word.replace(" ", "") in text.replace("&quot;", '"').replace(" ", ""), (
                *(name, word),
            )


def test_cookies_stay_with_this_host_over_tls_and_away_from_scripts():
    factories.zone()
    factories.user("somebody")
    client = Client()
    first = client.get("/login/")
    csrf = first.cookies["__Host-csrf"]
    answer = client.post("/login/", {"username": "somebody", "password": factories.PASSWORD})
    session = answer.cookies["__Host-session"]
    for cookie in (csrf, session):
        assert cookie["secure"]
        assert cookie["httponly"]
        assert cookie["samesite"] == "Lax"
        assert cookie["path"] == "/"
        assert cookie["domain"] == ""
    assert int(session["max-age"]) == LIFETIME_SECONDS


def test_a_session_is_a_new_one_at_login_and_gone_at_logout():
    factories.zone()
    factories.user("somebody")
    client = Client()
    client.cookies["__Host-session"] = "x" * 32
    answer = client.post("/login/", {"username": "somebody", "password": factories.PASSWORD})
    key = answer.cookies["__Host-session"].value
    assert key != "x" * 32
    assert Session.objects.filter(session_key=compute_digest(key)).exists()
    thief = Client()
    thief.cookies["__Host-session"] = key
    assert thief.get("/").status_code == 200
    client.post("/logout/")
    assert not Session.objects.filter(session_key=compute_digest(key)).exists()
    assert thief.get("/").status_code == 302


def test_another_password_ends_every_session():
    factories.zone()
    user = factories.user("somebody")
    client = Client()
    client.force_login(user)
    assert client.get("/").status_code == 200
    user.set_password("another long battery")
    user.save()
    assert client.get("/").status_code == 302


POSTS = [name for name, (_, methods) in MATRIX.items() if methods.get("POST") is not None]


@pytest.mark.parametrize("name", POSTS)
def test_no_form_is_taken_without_its_token_or_from_another_site(things, name):
    there = address(name, things)
    client = Client(enforce_csrf_checks=True)
    client.force_login(factories.admin())
    assert client.post(there).status_code == 403
    token = client.get("/preferences/").cookies["__Host-csrf"].value
    foreign: dict[str, Any] = {"HTTP_ORIGIN": "https://evil.example", "HTTP_X_CSRFTOKEN": token}
    assert client.post(there, secure=True, **foreign).status_code == 403


def test_texts_of_certificates_and_devices_are_shown_as_text(things):
    client = Client()
    client.force_login(factories.admin())
    device = ServerCertificate.objects.get().device
    ServerCertificate.objects.update(subject=EVIL, issuer=EVIL)
    type(device).objects.update(name=EVIL, fqdn=EVIL[:200], os=EVIL)
    for path in (
        "/configuration/certificates/",
        "/devices/",
        reverse("certificates:server", args=[device.pk]),
        reverse("devices:device", args=[device.pk]),
        "/system-updates/",
    ):
        response = client.get(path)
        assert response.status_code == 200, path
        assert b"<img src=x" not in response.content, path


def test_a_download_is_a_file_and_is_kept_nowhere(things):
    client = Client()
    client.force_login(factories.admin())
    for name in ("certificates:ca_pem", "certificates:server_pem", "certificates:future_pem"):
        response = client.get(address(name, things))
        assert response.headers["Content-Disposition"].startswith("attachment; filename="), name
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "no-store" in response.headers["Cache-Control"]
        assert "html" not in response.headers["Content-Type"]
    audit = client.get("/audit/?export=csv")
    assert audit.headers["Content-Disposition"].startswith("attachment; filename=")
