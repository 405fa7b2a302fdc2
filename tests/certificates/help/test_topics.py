"""Help topics for every page and dialog, and the manual's Appendix A."""

import re

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from certificates.help import TOPICS
from certificates.help.appendix import APPENDIX
from tests.support import factories
from zcc.runtime.components import BASE_DIR

pytestmark = pytest.mark.django_db
EXPLAINED = {address for topic in TOPICS for address in topic.url_names}


@pytest.fixture
def admin():
    client = Client()
    client.force_login(factories.admin())
    server = factories.server("ps-01")
    factories.zone()
    factories.certificate(server, factories.authority(server))
    return client


def addresses(resolver=None, space=""):
    for pattern in (resolver or get_resolver()).url_patterns:
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern, pattern.namespace or space)
        elif isinstance(pattern, URLPattern) and pattern.name:
            yield f"{space}:{pattern.name}"


def test_every_explained_url_exists():
    assert set(addresses()) >= EXPLAINED


def test_every_certificates_page_and_dialog_has_help():
    found = {name for name in addresses() if name.startswith("certificates:")}
    assert found - EXPLAINED <= {"certificates:help"}, "add a help topic"


def test_the_page_contains_the_ten_entries_of_the_appendix(admin):
    page = admin.get(reverse("certificates:help")).content.decode()
    assert len(APPENDIX) == 10
    assert re.findall(r'<article id="(a-\d+)">', page) == [f"a-{n}" for n in range(1, 11)]
    assert "zac reg https://&lt;server_IP&gt;:&lt;port&gt;" in page


@pytest.mark.parametrize("name", ["certificates:page", "certificates:home", "devices:list"])
def test_a_page_links_to_its_own_help(admin, name):
    page = admin.get(reverse(name)).content.decode()
    anchor = name.replace(":", "-")
    assert f'href="{reverse("certificates:help")}#{anchor}"' in page
    assert f'id="{anchor}"' in admin.get(reverse("certificates:help")).content.decode()


DIALOGS = ["certificates:remint_ca", "certificates:backup_ca", "certificates:view_certificate"]


@pytest.mark.parametrize("name", DIALOGS)
@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
def test_a_dialog_links_to_its_own_help(admin, name, headers):
    page = admin.get(reverse(name), headers=headers).content.decode()
    assert f"#{name.replace(':', '-')}" in page
    assert "Help for this dialog" in page


def test_every_dialog_has_a_help_text():
    """Each dialog template contains a sentence of help, or a field with help text.

    wizard.html is the base of other dialogs and has no text of its own.
    """
    folder = BASE_DIR / "templates" / "certificates" / "dialogs"
    without_text = [
        path.name
        for path in folder.glob("*.html")
        if path.name != "wizard.html"
        and "extends" in (text := path.read_text())
        and not re.search(r"<p\b|form\.\w+ %|<dl|uploaded_root", text)
    ]
    assert without_text == []
