"""The search: a page and a dialog with the same results."""

import pytest
from django.test import Client

from tests.support import clients, factories

pytestmark = pytest.mark.django_db
SEARCH = "/search/"


def test_the_page_works_without_javascript(ca):
    page = clients.log_in(factories.admin()).get(SEARCH, {"q": "ps-01"}).content.decode()
    assert '<form role="search" id="search-form" action="/search/">' in page
    assert f'href="/devices/{ca.certificate_server_id}/"' in page
    assert "<h1" in page


def test_the_dialog_is_a_fragment_with_the_number_of_results(ca):
    client = clients.log_in(factories.admin(), htmx=True)
    dialog = client.get(SEARCH, {"q": "ps-01"}).content.decode()
    assert "<html" not in dialog
    assert 'role="status">Devices and Servers: 1' in dialog


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Type at least 2 characters of a name, address, fingerprint, or serial number."),
        ("p", "Type at least 2"),
        ("zzz", "Nothing matches “zzz”"),
    ],
)
def test_a_search_without_results_says_why(ca, text, message):
    client = clients.log_in(factories.user("reader"))
    assert message in client.get(SEARCH, {"q": text}).content.decode()


def test_the_search_text_is_shown_escaped(ca):
    client = clients.log_in(factories.user("reader"))
    page = client.get(SEARCH, {"q": "<img src=x>"}).content.decode()
    assert "<img src=x>" not in page
    assert "&lt;img src=x&gt;" in page


def test_help_topics_are_found_by_all_words_of_the_text(ca):
    client = clients.log_in(factories.user("reader"))
    page = client.get(SEARCH, {"q": "passphrase backup"}).content.decode()
    assert 'href="/help/#certificates-backup_ca">Backup CA' in page
    page = client.get(SEARCH, {"q": "certificate"}).content.decode()
    assert 'href="/help/?q=certificate"' in page


def test_users_without_a_session_find_nothing(ca):
    response = Client().get(SEARCH, {"q": "ps-01"})
    assert response.status_code == 302
    assert response.headers["Location"].startswith("/login/")
