"""Text from outside is shown escaped on every page (security rule S-88)."""

import pytest
from django.apps import apps
from django.db import models
from django.test import Client

from certificates.models import Authority
from tests.console.access.test_rights import MATRIX, address
from tests.support import factories

pytestmark = pytest.mark.django_db
EVIL = "\"'><img src=x onerror=1>\u202e"
RAW = "<img src=x"
# What a person or a certificate may have put there: free text of every table but these columns.
OURS = {
    "state",
    "kind",
    "role",
    "digest",
    "sealed",
    "sealed_key",
    "encrypted",
    "envelope",
    "action",
    "actor",
}
APPS = ("certificates", "systemupdates", "devices", "console", "notifications", "auth")
CHOSEN = {"public_key", "time_zone", "password", "vault_key", "ca_vault_key", "codename", "event"}


def texts(kind):
    """Return the columns of a table that hold free text."""
    for field in kind._meta.concrete_fields:
        is_text = isinstance(field, models.CharField | models.TextField) and not field.choices
        named = field.name not in OURS | CHOSEN and not field.name.endswith(("_pem", "sha256"))
        if is_text and named and not field.unique and (field.max_length or 999) >= len(EVIL):
            yield field.name


@pytest.fixture
def poisoned(things):
    """Every row says something hostile wherever it can."""
    for app in APPS:
        for kind in apps.get_app_config(app).get_models():
            names = list(texts(kind))
            if names and kind._meta.model_name != "permission":
                kind._default_manager.update(**dict.fromkeys(names, EVIL[:60]))
    factories.User.objects.filter(pk=things["person"]).update(username=EVIL, email="x@y.example")
    return things


def test_the_text_reaches_the_tables(poisoned):
    assert Authority.objects.get().subject.startswith(EVIL[:20])


@pytest.mark.parametrize("name", [n for n, (_, methods) in MATRIX.items() if methods["GET"]])
def test_no_page_lets_it_through_for_a_right(poisoned, name):
    shown(poisoned, name)


@pytest.mark.parametrize("name", [n for n, (_, methods) in MATRIX.items() if methods["GET"] == ""])
def test_no_page_lets_it_through_for_everybody(poisoned, name):
    shown(poisoned, name)


def shown(poisoned, name):
    client = Client()
    client.force_login(factories.admin("chief"))
    for headers in ({}, {"HX-Request": "true"}):
        answer = client.get(address(name, poisoned), headers=headers)
        kind = answer.headers.get("Content-Type", "")
        if "html" in kind:
            assert RAW not in answer.content.decode()


def test_the_hostile_text_is_shown_escaped(poisoned):
    client = Client()
    client.force_login(factories.admin("chief"))
    for page in ("/devices/", "/configuration/certificates/", "/configuration/administrators/"):
        assert "&lt;img src=x" in client.get(page).content.decode()
