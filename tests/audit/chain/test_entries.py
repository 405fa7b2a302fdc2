"""What an entry says: visible characters alone, what changed, who was denied what (S-40, S-43)."""

import json
from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from audit.chain import verification
from audit.chain.actor import Actor, acting_as
from audit.models import Entry
from tests.support import factories

pytestmark = pytest.mark.django_db
EVIL = "a\r\n2026-11-24 root deleted\x00 \u202egnp.exe \u2028 <img src=x onerror=1>"


@pytest.fixture
def auditor():
    factories.zone()
    client = Client()
    client.force_login(factories.user("auditor", "ledger.view_entry"))
    return client


def test_control_and_direction_characters_are_spelled_out():
    with acting_as(Actor(EVIL[:60])):
        Entry.objects.record("test", f"x:{EVIL}", note=EVIL, detail={EVIL: [EVIL, {"a": EVIL}]})
    kept = json.dumps(Entry.objects.values().get(), default=str, ensure_ascii=False)
    assert not any(character in kept for character in "\r\n\x00\u202e\u2028")
    assert Entry.objects.get().note.startswith("a\\u000d\\u000a2026")
    assert verification.verify_chain().finding is None


def test_letters_of_every_script_stay_as_they_are():
    Entry.objects.record("test", "x", note="Zürich 北京 مدينة 🙂")
    assert Entry.objects.get().note == "Zürich 北京 مدينة 🙂"


def test_the_page_shows_what_changed_and_nothing_is_markup(auditor):
    detail = {
        "before": {"roles": ["viewer"], "active": True, "same": 1},
        "after": {"roles": ["viewer", EVIL], "active": False, "same": 1},
    }
    entry = Entry.objects.record("set-roles", f"x:{EVIL}", note=EVIL, detail=detail)
    for page in ("/audit/", f"/audit/{entry.seq}/", f"/audit/?q={entry.note[:20]}"):
        shown = auditor.get(page).content.decode()
        assert "<img src=x" not in shown
        assert "&lt;img src=x onerror=1&gt;" in shown
    table = shown_changes(auditor, entry)
    assert "roles" in table
    assert ">yes<" in table
    assert ">no<" in table
    assert "same" not in table


def shown_changes(client, entry):
    return (
        client.get(f"/audit/{entry.seq}/")
        .content.decode()
        .split("e-changes")[2]
        .split("</table>")[0]
    )


def test_before_and_after_by_name_are_shown_too(auditor):
    detail = {"grace_seconds": {"before": 30, "after": 60}}
    entry = Entry.objects.record("zone-settings", "devices.Zone:1", detail=detail)
    table = shown_changes(auditor, entry)
    assert "grace_seconds" in table
    assert ">60<" in table


def test_an_act_without_before_and_after_shows_no_such_table(auditor):
    entry = Entry.objects.record("login", "auth.User:1")
    assert "e-changes" not in auditor.get(f"/audit/{entry.seq}/").content.decode()


def test_the_export_as_json_holds_what_the_digests_cover(auditor):
    Entry.objects.record("test", "x", note="one", detail={"a": 1})
    Entry.objects.record("other", "x", note="two")
    answer = auditor.get("/audit/?action=test&export=json")
    assert answer.headers["Content-Disposition"].endswith('.json"')
    assert answer.headers["Cache-Control"] == "no-store"
    rows = json.loads(answer.getvalue())["entries"]
    assert [row["note"] for row in rows] == ["one"]
    assert rows[0].pop("sentence")
    again = Entry(**{**rows[0], "at": datetime.fromisoformat(rows[0]["at"])})
    assert again.compute_digest() == rows[0]["digest"]


@pytest.mark.parametrize("wanted", ["actor=chief", "action=test", "subject=x:1", "q=needle"])
def test_the_filter_leaves_who_what_and_object(auditor, wanted):
    with acting_as(Actor("chief")):
        Entry.objects.record("test", "x:1", note="a needle here")
    Entry.objects.record("other", "y:2", note="hay")
    page = auditor.get(f"/audit/?{wanted}").content.decode()
    assert "a needle here" in page
    assert ">hay<" not in page


def test_a_denied_attempt_leaves_one_line_a_minute():
    factories.zone()
    client = Client()
    client.force_login(factories.user("reader"))
    for _ in range(3):
        assert client.post("/configuration/certificates/remint-ca/").status_code == 403
    line = Entry.objects.get(action="denied")
    assert (line.actor, line.subject) == ("reader", "POST /configuration/certificates/remint-ca/")
    assert line.address == "127.0.0.1"
    client.get("/audit/")
    assert Entry.objects.filter(action="denied").count() == 2


def test_a_token_that_is_too_narrow_is_written_down_with_its_name():
    from administrators.api_tokens import tokens

    factories.zone()
    _token, text = tokens.create_token(factories.admin(), "nightly", rights=[], expires_at=None)
    bearer = {"Authorization": f"Bearer {text}"}
    assert Client().get("/api/v1/audit-entries", headers=bearer).status_code == 403
    assert "nightly" in Entry.objects.get(action="denied").session


def test_the_time_filter_takes_the_users_zone(auditor):
    Entry.objects.record("test", "x", note="just now")
    tomorrow = (timezone.now() + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    assert "just now" not in auditor.get(f"/audit/?since={tomorrow}").content.decode()
