"""The menu: it reaches every page that needs no object, and marks the page that is shown."""

import re

import pytest
from django.urls import reverse

from tests.console.access.test_rights import MATRIX
from tests.support import clients, factories

pytestmark = pytest.mark.django_db
# Pages that are a step of another page, or that the header opens.
STEPS = {
    *("administrators:password", "administrators:second_factor", "administrators:recovery_codes"),
    "administrators:add_passkey",
    *("certificates:search", "api:openapi-view", "administrators:redeem_setup_link"),
}


@pytest.fixture
def client():
    factories.zone()
    server = factories.server("ps-01")
    factories.certificate(server, factories.authority(server))
    return clients.log_in(factories.admin())


def test_the_menu_reaches_every_page_and_marks_it(client):
    menu = re.compile(r'<nav class="side".*?</nav>', re.DOTALL)
    reached = set(re.findall(r'href="([^"]+)"', menu.search(client.get("/").content.decode())[0]))
    for name, (parts, methods) in MATRIX.items():
        if parts or methods["GET"] is None or name in STEPS:
            continue
        page = client.get(reverse(name))
        text = page.content.decode()
        if page.status_code != 200 or 'class="side"' not in text or "pane alone" in text:
            continue
        assert reverse(name) in reached, name
        marked = re.findall(r'<a href="([^"]+)" aria-current="page">', menu.search(text)[0])
        assert marked == [reverse(name)], name
