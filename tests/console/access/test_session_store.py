"""A session key that somebody reads in the database opens no session (D-173)."""

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client

from console.access import session_store
from tests.support import clients, factories

pytestmark = pytest.mark.django_db


def enter(key):
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = key
    return client.get("/preferences/security/").status_code


def test_what_the_database_contains_is_not_a_session_key():
    factories.zone()
    client = clients.log_in(factories.admin())
    key = client.cookies[settings.SESSION_COOKIE_NAME].value
    stored = Session.objects.get().session_key
    assert key not in (stored, "")
    assert enter(key) == 200
    assert enter(stored) == 302


def test_a_session_is_found_kept_and_deleted_by_its_key():
    store = session_store.SessionStore()
    store["who"] = "chief"
    store.save()
    key = store.session_key
    assert store.exists(key)
    assert not store.exists(Session.objects.get().session_key)
    assert session_store.SessionStore(key)["who"] == "chief"
    store["who"] = "deputy"
    store.save()
    assert Session.objects.count() == 1
    store.cycle_key()
    assert Session.objects.count() == 1
    assert session_store.SessionStore(store.session_key)["who"] == "deputy"
    store.flush()
    assert Session.objects.count() == 0
