"""Audit entries as sentences, with links to the objects that still exist."""

import string

import pytest
from django.test import Client
from django.utils import translation

from audit.chain.action_labels import LABELS
from audit.chain.actor import Actor, acting_as
from audit.entries.changes import list_changes
from audit.entries.sentences import SENTENCES, get_sentence
from audit.entries.subjects import build_rows, describe_entry
from audit.models import Entry
from certificates.models import Authority
from tests.support import factories

PLACEHOLDERS = {"actor", "subject", "before", "after"}


def test_every_action_has_a_sentence():
    assert set(LABELS) <= set(SENTENCES)


@pytest.mark.parametrize("action", [*SENTENCES, "ask-backup", "something-{new}"])
def test_a_sentence_uses_known_placeholders_only(action):
    sentence = get_sentence(action)
    assert {name for _, name, _, _ in string.Formatter().parse(sentence) if name} <= PLACEHOLDERS
    assert sentence[0] in "{" + string.ascii_uppercase


@pytest.mark.django_db
def test_a_link_leads_to_the_object_and_text_is_escaped():
    device = factories.device("pc-<b>")
    entry = Entry.objects.record("release", f"devices.Device:{device.pk}")
    link = f'<a href="/devices/{device.pk}/">device pc-&lt;b&gt;</a>'
    assert build_rows([entry])[0].linked_sentence == f"The system released {link} for re-imaging."


@pytest.mark.django_db
def test_the_user_is_linked(zone):
    admin = factories.admin("chief")
    client = Client()
    client.force_login(admin)
    device = factories.device("pc-1")
    client.post(f"/devices/{device.pk}/release/")
    entry = Entry.objects.get(action="release")
    link = f'<a href="/configuration/administrators/{admin.pk}/">chief</a> released'
    assert build_rows([entry])[0].linked_sentence.startswith(link)


@pytest.mark.django_db
def test_an_entry_of_version_0_1_shows_the_current_name(zone):
    device = factories.device("pc-1")
    entry = Entry.objects.record("release", f"devices.Device:{device.pk}")
    entry.names = None
    assert "device pc-1" in build_rows([entry])[0].sentence
    assert str(device.pk) in describe_entry(entry).sentence


@pytest.mark.parametrize(
    ("detail", "changes"),
    [
        ({"before": {"a": 1, "b": 2}, "after": {"a": 1, "b": 3}}, [("b", "2", "3")]),
        ({"a": {"before": [1, 2], "after": []}}, [("a", "1, 2", "")]),
        ({"before": "10:00", "after": "11:00"}, [("value", "10:00", "11:00")]),
        ({"before": {"on": True}, "after": {"on": False}}, [("on", "yes", "no")]),
        ({"devices": 4}, []),
        ([], []),
    ],
)
def test_values_before_and_after(detail, changes):
    found = [(change.name, change.before, change.after) for change in list_changes(detail)]
    assert found == changes


@pytest.mark.django_db
def test_pages_show_the_history_to_those_who_may_view_the_audit_log(zone):
    admin = factories.admin("chief")
    server = factories.server("ps-07")
    authority = Authority.objects.get(state="current")
    subjects = {
        f"/devices/{server.pk}/": f"devices.Device:{server.pk}",
        f"/configuration/administrators/{admin.pk}/": f"auth.User:{admin.pk}",
        "/configuration/certificates/": f"certificates.Authority:{authority.pk}",
    }
    client = Client()
    client.force_login(admin)
    for path, subject in subjects.items():
        entry = Entry.objects.record("test-history", subject, note="a remarkable note")
        page = client.get(path).content.decode()
        history = page.split('id="history-pane"')[1]
        assert f'href="/audit/{entry.seq}/"' in history
        assert "a remarkable note" in history
        assert f"?subject={subject.replace(':', '%3A')}" in history
    reader = Client()
    reader.force_login(factories.user("reader"))
    for path in (f"/devices/{server.pk}/", "/configuration/certificates/"):
        response = reader.get(path)
        assert response.status_code == 200
        assert "history-pane" not in response.content.decode()


@pytest.mark.django_db
def test_the_export_is_streamed_in_parts(zone, monkeypatch):
    monkeypatch.setattr("audit.entries.tables.CHUNK_SIZE", 4)
    for number in range(10):
        Entry.objects.record("test", f"x:{number}")
    client = Client()
    client.force_login(factories.user("auditor", "ledger.view_entry"))
    response = client.get("/audit/?action=test&export=json")
    assert response.streaming
    rows = response.getvalue().decode()
    subjects = [f"x:{number}" for number in range(9, -1, -1)]
    assert [row.split('"')[0] for row in rows.split('"subject": "')[1:]] == subjects
    assert client.get("/audit/?action=none&export=json").getvalue()


def test_a_device_that_acts_is_named_in_the_language_of_the_user(db):
    with acting_as(Actor("device as-01")):
        entry = Entry.objects.record("activate-administrator", "auth.User:1")
    assert str(build_rows([entry])[0].linked_sentence).startswith("Device as-01")
    with translation.override("de"):
        assert "Gerät as-01" in str(build_rows([entry])[0].linked_sentence)
