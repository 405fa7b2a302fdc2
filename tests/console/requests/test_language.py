"""The language of pages, and English for programs (docs/decisions.md D-236)."""

import re

import pytest
from django.test import Client
from django.utils import translation

from console.models import Preferences
from console.requests import language
from faults import Fault
from pki import names
from pki.formats import bundles
from tests.support import clients, factories, pseudo_locale

pytestmark = pytest.mark.django_db
PREFERENCES = "/preferences/"
GERMAN = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}


def get_language(response):
    return re.search(r'<html lang="([\w-]+)"', response.content.decode())[1]


@pytest.fixture
def browser():
    factories.zone()
    return clients.log_in(factories.admin())


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        ("de", "de"),
        ("de-CH, en;q=0.8", "de"),
        ("fr, de;q=0.8, en;q=0.5", "de"),
        ("en-US, de;q=0.5", "en"),
        ("fr", "en"),
        ("", "en"),
        ("*", "en"),
        ("de;q=x, ../../de", "en"),
    ],
)
def test_the_login_page_is_in_the_language_of_the_browser(header, shown):
    factories.zone()
    response = Client().get("/login/", headers={"Accept-Language": header})
    assert get_language(response) == shown
    assert "Accept-Language" in response.headers["Vary"]


def test_a_page_is_in_the_language_of_the_browser_without_a_selection(browser):
    assert get_language(browser.get("/", headers=GERMAN)) == "de"
    assert get_language(browser.get("/")) == "en"


def test_the_selected_language_goes_before_the_browser(browser):
    page = browser.get(PREFERENCES).content.decode()
    assert '<option value="de">Deutsch</option>' in page
    response = browser.post(PREFERENCES, {"language": "en", "time_zone": ""}, headers=GERMAN)
    assert response.status_code == 302
    assert get_language(browser.get("/", headers=GERMAN)) == "en"
    browser.post(PREFERENCES, {"language": "de", "time_zone": ""})
    assert get_language(browser.get("/")) == "de"
    browser.post(PREFERENCES, {"language": "", "time_zone": ""})
    assert get_language(browser.get("/")) == "en"


@pytest.mark.parametrize("name", ["xx", "fr", "../de", "DE"])
def test_an_unknown_language_is_rejected_and_ignored(browser, name):
    data = {"language": name, "time_zone": ""}
    assert browser.post(PREFERENCES, data).status_code == 422
    assert not Preferences.objects.exists()


def test_a_stored_language_that_the_console_no_longer_has_is_ignored(browser):
    browser.post(PREFERENCES, {"language": "de", "time_zone": ""})
    Preferences.objects.update(language="fr")
    assert get_language(browser.get("/")) == "en"


def test_the_language_ends_with_the_request(browser):
    browser.get("/", headers=GERMAN)
    assert translation.get_language() == "en"


def test_programs_get_english(browser, tmp_path, settings):
    pseudo_locale.install(tmp_path / "locale", settings)
    browser.post(PREFERENCES, {"language": pseudo_locale.CODE, "time_zone": ""})
    sent = {"Accept-Language": pseudo_locale.CODE}
    assert pseudo_locale.OPEN in browser.get("/nowhere/", headers=sent).content.decode()
    for path in (
        *("/api/v1/nowhere", "/api/v1/devices", "/api/v1/devices/1", "/api/v1/openapi.json"),
        *("/zac/v1/nowhere", "/healthz", "/readyz", "/metrics", "/roots.pem"),
    ):
        response = browser.get(path, headers=sent, secure=True)
        assert pseudo_locale.OPEN not in response.content.decode(), path
    problem = browser.post("/api/v1/devices", headers=sent, secure=True)
    assert problem.status_code == 405
    assert pseudo_locale.OPEN not in problem.content.decode()


def test_a_label_that_is_stored_is_in_english(tmp_path, settings):
    pseudo_locale.install(tmp_path / "locale", settings)
    with translation.override(pseudo_locale.CODE):
        label = translation.gettext_lazy("Remint CA")
        assert str(label) != "Remint CA"
        assert language.in_english(label) == "Remint CA"


@pytest.mark.parametrize(
    ("cause", "german", "action"),
    [
        (lambda: bundles.parse_certificates(b""), "Die Datei", "Wählen"),
        (lambda: names.check_dns_name("a_b.example"), 'Der DNS-Name "a_b.example" enthält', ""),
        (lambda: names.Subject(common_name="a", country="USA"), "Das Land muss", ""),
    ],
)
def test_faults_of_packages_without_django_are_translated(cause, german, action):
    with translation.override("de"), pytest.raises(Fault) as caught:
        cause()
    assert caught.value.explanation.startswith(german)
    assert caught.value.action.startswith(action)
    with pytest.raises(Fault) as caught:
        cause()
    assert str(caught.value).startswith(("The file is empty.", "The DNS name", "The country"))
