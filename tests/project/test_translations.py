"""The catalogs of translations contain the texts of the code, and are compiled (D-239)."""

import ast
import re
from collections import Counter
from functools import lru_cache

import polib
import pytest

from tests.support import translations

PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd%]|\{[^{}]*\}")
MARKUP = re.compile(r"</?[a-z][^>]*>|&\w+;")
CATALOGS = translations.list_catalogs()


@lru_cache(maxsize=1)
def extract() -> polib.POFile:
    return translations.extract()


def test_there_is_a_catalog_for_each_language_except_english(settings):
    languages = {code for code, _name in settings.LANGUAGES} - {"en"}
    assert {path.parent.parent.name for path in CATALOGS} == languages


@pytest.mark.parametrize("path", CATALOGS, ids=str)
def test_a_catalog_contains_the_texts_of_the_code(path):
    catalog = polib.pofile(str(path))
    texts = {translations.get_key(entry) for entry in extract()}
    known = {translations.get_key(entry) for entry in catalog}
    assert len(texts) > 2000
    assert texts - known == set(), "run scripts/translations"
    assert known - texts == set(), "run scripts/translations"


def list_marked_texts() -> list[tuple[str, str]]:
    """Return the texts that calls of the gettext functions have, with the place of the call."""
    found = []
    for package in translations.PACKAGES:
        for path in (translations.BASE_DIR / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                name = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
                if isinstance(node, ast.Call) and (name == "_" or "gettext" in name):
                    text = node.args["pgettext" in name]
                    if isinstance(text, ast.Constant) and text.value:
                        found.append((f"{path}:{node.lineno}", str(text.value)))
    return found


def test_each_text_of_the_code_is_extracted():
    """xgettext ignores a text in parentheses, and one in an f-string."""
    known, found = {entry.msgid for entry in extract()}, list_marked_texts()
    assert len(found) > 1000
    assert [place for place, text in found if text not in known] == []


@pytest.mark.parametrize("path", CATALOGS, ids=str)
def test_a_catalog_is_compiled(path):
    compiled = path.with_suffix(".mo").read_bytes()
    assert compiled == polib.pofile(str(path)).to_binary(), "run scripts/translations"


def list_pairs(entry: polib.POEntry) -> list[tuple[str, str]]:
    """Return each translation with the English text whose placeholders it has."""
    if not entry.msgid_plural:
        return [(entry.msgid, entry.msgstr)]
    singular, *others = entry.msgstr_plural.values()
    return [(entry.msgid, singular), *((entry.msgid_plural, text) for text in others)]


def is_alike(text: str, translated: str) -> bool:
    """Return True if both have the same placeholders, tags, and space at the ends."""
    found = (
        Counter(pattern.findall(text)) == Counter(pattern.findall(translated))
        for pattern in (PLACEHOLDER, MARKUP)
    )
    ends = ((text.strip() == text) == (translated.strip() == translated), all(found))
    return all(ends)


@pytest.mark.parametrize("path", CATALOGS, ids=str)
def test_translations_have_the_placeholders_and_tags_of_the_text(path):
    entries = polib.pofile(str(path)).translated_entries()
    pairs = [pair for entry in entries for pair in list_pairs(entry)]
    assert [pair for pair in pairs if not is_alike(*pair)] == []


@pytest.mark.parametrize("path", CATALOGS, ids=str)
def test_a_catalog_is_complete(path):
    catalog = polib.pofile(str(path))
    missing = [f"{path}:{entry.linenum}: {entry.msgid}" for entry in catalog.untranslated_entries()]
    assert missing == [], "run scripts/translations, and translate these texts"
    assert catalog.fuzzy_entries() == []
