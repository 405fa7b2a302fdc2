"""Every press of a button in a dialog is answered on the page, with and without JavaScript."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
from django.db import transaction

from tests.console.access.test_rights import MATRIX, OPEN, address
from tests.support import clients, factories

pytestmark = pytest.mark.django_db
DIALOGS = {"console/dialog.html", "console/dialog_page.html"}
FORMS = [
    name
    for name, (_, methods) in MATRIX.items()
    if methods.get("GET") is not None and methods.get("POST") is not None and name not in OPEN
]
CSRF_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="[^"]*"')
# What an administrator types where the dialog suggests nothing.
TYPED = {
    "reason": "Planned with the network team",
    "name": "Lyon",
    "members": "",
    "username": "nina",
    "to": "nina@example.org",
    "minutes": "60",
    "host": "syslog.example.org",
    "activates_at": "2099-01-01T10:00",
    "name_again": "",
}


class FormReader(HTMLParser):
    """Read the form of a dialog as a browser sends it, with every confirmation box checked."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.values: dict[str, list[str]] = {}
        self._is_inside = False
        self._select = self._textarea = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self._is_inside |= given.get("class", "").startswith("dlg")
        if not self._is_inside:
            return
        name, value = given.get("name") or "", given.get("value") or ""
        if tag == "select":
            self._select = name
        elif tag == "textarea":
            self._textarea = name
            self.values[name] = [""]
        elif tag == "option" and self._select and ("selected" in given):
            self.values.setdefault(self._select, []).append(value)
        elif tag == "input" and name and (given.get("type") != "radio" or "checked" in given):
            is_box = given.get("type") == "checkbox"
            self.values.setdefault(name, []).append(value or ("on" if is_box else ""))

    def handle_endtag(self, tag):
        if tag == "select":
            self._select = ""
        if tag == "textarea":
            self._textarea = ""

    def handle_data(self, data):
        if self._textarea:
            self.values[self._textarea] = [self.values[self._textarea][0] + data]

    def get_values(self) -> dict[str, list[str] | str]:
        return {
            name: TYPED.get(name, values) if not any(values) else values
            for name, values in self.values.items()
        }


def is_dialog(response):
    return bool({template.name for template in response.templates} & DIALOGS)


@pytest.fixture
def opened(things):
    """Return a function that opens the dialog at an address: its client and HTML, or None."""

    def open_dialog(name, *, htmx):
        client = clients.log_in(factories.admin(), htmx=htmx)
        response = client.get(address(name, things))
        if response.status_code != 200 or not is_dialog(response):
            return None
        return client, response.content.decode()

    return open_dialog


def list_answered(opened, things, *, htmx, get_answer):
    """Return what each dialog answered, by the name of its address."""
    found = {}
    for name in FORMS:
        with transaction.atomic():
            dialog = opened(name, htmx=htmx)
            if dialog is not None:
                client, html = dialog
                values = FormReader(html).get_values()
                response = client.post(address(name, things), values)
                found[name] = get_answer(response, client) or read_dialog(response, html)
            transaction.set_rollback(True)
    return found


def read_page(response, client):
    """Return what the page after a dialog shows: the result, the next step, or nothing."""
    page = client.get(response.headers.get("Location") or response.headers["HX-Redirect"])
    if 'class="msg success"' in page.content.decode():
        return "result"
    return "step" if is_dialog(page) else "nothing"


def read_dialog(response, before):
    """Return what the dialog itself shows after its button was pressed."""
    html = response.content.decode()
    is_fault = "zcc:fault" in response.headers.get("HX-Trigger", "")
    is_error_page = "console/error.html" in {template.name for template in response.templates}
    if 'role="alert"' in html or is_fault or is_error_page:
        return "problem"
    was, now = (CSRF_TOKEN.sub("", text) for text in (before, html))
    return "step" if is_dialog(response) and now != was else "nothing"


def check(answers):
    silent = [name for name, answer in answers.items() if answer == "nothing"]
    assert silent == []
    assert list(answers.values()).count("result") > 15


def test_a_dialog_without_javascript_answers_on_the_next_page(opened, things):
    def get_answer(response, client):
        return read_page(response, client) if response.status_code == 302 else ""

    check(list_answered(opened, things, htmx=False, get_answer=get_answer))


def test_a_dialog_with_htmx_answers_on_the_page(opened, things):
    def get_answer(response, client):
        if "HX-Redirect" in response.headers:
            return read_page(response, client)
        if response.status_code != 204:
            return ""
        told = json.loads(response.headers["HX-Trigger"])["zcc:announce"]
        return "result" if told["text"] and told["is_result"] else "nothing"

    check(list_answered(opened, things, htmx=True, get_answer=get_answer))
