"""Each text of each page and dialog can be translated (docs/decisions.md D-238)."""

import json
import re

import pytest
from django.apps import apps
from django.urls import reverse

from tests.console.access.test_rights import MATRIX
from tests.support import clients, factories, pseudo_locale

pytestmark = pytest.mark.django_db
# Names, abbreviations, and fingerprints, which are the same in each language.
NAMES = re.compile(
    r"(?:[0-9A-F]{2}:)+[0-9A-F]{2}"
    r"|[A-Z]\w+(?:/[\w+-]+)+|Zone Control Center|English|Longer English|UTC|OpenID Connect"
    r"|EC P-\d+|RSA|JSON|\bACME\b|\bEST\b|\bOCSP\b|Linux|Debian|Ubuntu|RHEL|SUSE"
    r"|\bSlack\b|\bMicrosoft Teams\b|\bMattermost\b|\bntfy\b|\bPagerDuty\b|\b(?:START)?TLS\b"
)
WORDS = re.compile(r"[^\W\d_]{2,}")


@pytest.fixture
def translated(tmp_path, settings):
    """Make the language of tests the one that the browser prefers."""
    pseudo_locale.install(tmp_path / "locale", settings)
    return {"Accept-Language": pseudo_locale.CODE}


def read_data():
    """Return each text of the database: a page shows it as it is."""
    found = set()

    def add(value):
        if isinstance(value, dict):
            for name, one in value.items():
                add(name)
                add(one)
        elif isinstance(value, list | tuple):
            for one in value:
                add(one)
        else:
            found.update(WORDS.findall(str(value)))

    for model in apps.get_models():
        for row in model._default_manager.values():
            add(row)
    return found


def list_words(response):
    html = response.content.decode()
    if response.headers.get("Content-Type", "").startswith("text/html"):
        yield from pseudo_locale.list_untranslated(html)
    events = json.loads(response.headers.get("HX-Trigger", "{}"))
    for event in events.values():
        for text in event.values():
            yield from pseudo_locale.list_untranslated(str(text))


def check(response, where, found):
    texts = {text: set(WORDS.findall(NAMES.sub("", text))) for text in list_words(response)}
    data = read_data() if any(texts.values()) else set()
    for text, words in texts.items():
        if words - data:
            found.setdefault(text, where)


def test_every_page_and_dialog_can_be_translated(things, translated):
    found: dict[str, str] = {}
    person = clients.log_in(factories.admin())
    for name, (parts, methods) in MATRIX.items():
        if name == "api:openapi-view":
            continue
        there = reverse(name, args=[things[part] for part in parts])
        for method, right in methods.items():
            if right is None or name == "administrators:logout":
                continue
            for htmx in ({}, {"HX-Request": "true"}):
                response = person.generic(method, there, headers={**translated, **htmx})
                if not response.streaming:
                    check(response, f"{method} {name}", found)
    report = "\n".join(f"{where}: {text}" for text, where in found.items())
    assert not found, report
