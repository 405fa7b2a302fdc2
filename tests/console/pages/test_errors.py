"""How faults and bugs leave the console (security rules S-85, S-93; RFC 9457)."""

import json

import pytest
from django.test import Client, RequestFactory, override_settings
from django.urls import path

from console.pages.errors import STATUS, fault_response
from faults import Conflict, Kind
from tests.support import factories


def explode(request):
    raise RuntimeError("secret-detail")


def conflict(request):
    raise Conflict("Somebody was faster.", action="Reload.")


urlpatterns = [path("boom/", explode), path("zac/boom/", explode), path("conflict/", conflict)]
elsewhere = override_settings(ROOT_URLCONF=__name__)


@pytest.fixture
def client(admin_client):
    with elsewhere:
        yield admin_client


@pytest.mark.parametrize("path", ["/boom/", "/zac/boom/"])
def test_a_bug_shows_a_reference_and_no_detail(client, caplog, path):
    client.raise_request_exception = False
    response = client.get(path)
    assert response.status_code == 500
    text = response.content.decode()
    assert "secret-detail" not in text
    assert "RuntimeError" not in text
    reference = next(r.args[0] for r in caplog.records if r.name == "zcc.errors")
    assert reference in text


def test_a_fault_is_a_page_with_what_to_do(client):
    response = client.get("/conflict/")
    assert response.status_code == 409
    assert b"Somebody was faster." in response.content
    assert b"Reload." in response.content


def test_a_fault_is_an_event_for_htmx_and_swaps_nothing(client):
    response = client.get("/conflict/", HTTP_HX_REQUEST="true")
    assert response.status_code == 409
    assert response.content == b""
    told = json.loads(response.headers["HX-Trigger"])["zcc:fault"]
    assert told == {"explanation": "Somebody was faster.", "action": "Reload."}


def test_programs_get_problem_documents():
    request = RequestFactory().get("/api/v1/x")
    response = fault_response(request, Conflict("Taken.", action="Wait."))
    assert response.headers["Content-Type"] == "application/problem+json"
    assert json.loads(response.content) == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "detail": "Taken.",
        "action": "Wait.",
    }


def test_every_kind_of_fault_has_its_status():
    assert set(STATUS) == set(Kind)
    assert STATUS[Kind.NOT_FOUND] == 404
    assert STATUS[Kind.FORBIDDEN] == 403


@pytest.mark.django_db
def test_answers_vary_by_htmx_and_forbid_everything_inline():
    factories.zone()
    response = Client().get("/login/")
    assert "HX-Request" in response.headers["Vary"]
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    text = response.content.decode()
    assert "style=" not in text
    assert "<script>" not in text
    assert " on" + "click=" not in text


@pytest.mark.django_db
def test_a_console_without_a_zone_says_what_to_do(admin_client):
    response = admin_client.get("/")
    assert response.status_code == 404
    assert b"manage.py create_zone" in response.content
