"""Stored texts in the language of the user: reasons of operations, and what agents have sent.

They are stored in English (D-237). A text with names or numbers is recognized as one of the texts
of the catalog that have placeholders, also as its plural form, and is translated with the same
values. A text that is not known is shown as it is.

See: D-287
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings
from django.utils import translation
from django.utils.translation import trans_real

from console.requests.plurals import list_plurals

PLACEHOLDER = re.compile(r"%(?:\((\w+)\))?([sd])")
SENTENCE_END = re.compile(r"(?<=[.!?]) (?=[A-Z])")
# With fewer letters, a text such as "%s: %s" would fit almost everything.
MIN_LETTERS = 8
NUMBER = re.compile(r"[0-9]{1,12}")
MAX_LENGTH, MAX_DEPTH = 600, 4
CACHE_SIZE = 2048


@dataclass(frozen=True)
class Template:
    """A text of the catalog with placeholders. `part` is its longest part without one.

    `forms` are the singular and the plural form of which it is one. None if it has only one form.
    """

    text: str
    part: str
    forms: tuple[str, str] | None = None

    def translate(self, number: int) -> str:
        """Return the translation, with the form for a number, and with %s for each value."""
        found = (
            translation.ngettext(self.forms[0], self.forms[1], number)
            if self.forms
            else translation.gettext(self.text)
        )
        return PLACEHOLDER.sub(lambda part: f"%({part[1]})s" if part[1] else "%s", found)


def translate_stored(text: str) -> str:
    """Return a text of the database in the language of the user, or unchanged if it is unknown."""
    language = translation.get_language() or settings.LANGUAGE_CODE
    if not text or len(text) > MAX_LENGTH or language == settings.LANGUAGE_CODE:
        return text
    return _translate(text, language, 0)


@lru_cache(maxsize=CACHE_SIZE)
def _translate(text: str, language: str, depth: int) -> str:
    """Translate a text, or each of its sentences. `depth` is that of a value in another text."""
    found = _translate_whole(text, language, depth)
    if found is not None:
        return found
    sentences = SENTENCE_END.split(text)
    for end in range(len(sentences) - 1, 0, -1):
        first = _translate_whole(" ".join(sentences[:end]), language, depth)
        if first is not None or end == 1:
            rest = _translate(" ".join(sentences[end:]), language, depth)
            return f"{sentences[0] if first is None else first} {rest}"
    return text


def _translate_whole(text: str, language: str, depth: int) -> str | None:
    """Return the translation of a text of the catalog, None if it is not in the catalog."""
    translated = translation.gettext(text)
    if translated != text:
        return translated
    for template in _get_templates(language):
        match = template.part in text and _compile(template.text).fullmatch(text)
        found = _fill(template, match, language, depth) if match else None
        if found is not None:
            return found
    return None


def _fill(template: Template, match: re.Match[str], language: str, depth: int) -> str | None:
    """Return the translation of a template with the values that a text has in it.

    None if the translation has a value that the English text does not have.
    """
    values = [value or "" for value in match.groups()]
    if depth < MAX_DEPTH:
        # A name of one word is data, although the catalog may have the same word.
        values = [
            _translate(value, language, depth + 1) if " " in value else value for value in values
        ]
    names = [name for name, _kind in PLACEHOLDER.findall(template.text)]
    translated = template.translate(_get_number(template, values))
    given = dict(zip(names, values, strict=True)) if names[0] else tuple(values)
    try:
        return (translated % given).strip()
    except (KeyError, TypeError):
        return None


def _get_number(template: Template, values: list[str]) -> int:
    """Return the number that decides about the form: 1 for the singular, else the first number."""
    if template.forms and template.text == template.forms[0]:
        return 1
    numbers = (value.replace(",", "") for value in values)
    return next((int(number) for number in numbers if NUMBER.fullmatch(number)), 2)


@lru_cache(maxsize=8)
def _get_templates(language: str) -> tuple[Template, ...]:
    """Return the texts with placeholders, those with most letters outside of placeholders first."""
    texts: list[tuple[str, tuple[str, str] | None]] = [
        (text, None) for text in _list_texts(language)
    ]
    texts += [(text, forms) for forms in list_plurals(language) for text in forms]
    found = []
    for text, forms in texts:
        parts = PLACEHOLDER.split(text)[::3]
        letters = sum(character.isalpha() for part in parts for character in part)
        # After the placeholders are removed, "%" is part of a percentage or of another placeholder.
        if len(parts) > 1 and letters >= MIN_LETTERS and "%" not in "".join(parts):
            found.append((letters, Template(text, max(parts, key=len).strip(), forms)))
    return tuple(template for _letters, template in sorted(found, key=lambda one: -one[0]))


def _list_texts(language: str) -> Iterator[str]:
    """Return the English texts of a catalog, except those with a context or a plural form."""
    # Django has no other way to list them.
    catalog = vars(trans_real.translation(language))["_catalog"]
    for key in catalog.keys():  # noqa: SIM118 - it is not a dictionary
        if isinstance(key, str) and "\x04" not in key:
            yield key


@lru_cache(maxsize=CACHE_SIZE)
def _compile(template: str) -> re.Pattern[str]:
    """Return the pattern of a template.

    A value contains no end of a sentence, unless it is after the last sentence of the template.
    """
    pieces = PLACEHOLDER.split(template)
    pattern = re.escape(pieces[0])
    for index in range(1, len(pieces), 3):
        kind, literal = pieces[index + 1], pieces[index + 2]
        is_last = not literal and pieces[index - 1].endswith(". ")
        if is_last:
            # The agent leaves the space out if there is no value.
            pattern = pattern[: -len(re.escape(" "))] + r"(?: (.*))?"
        else:
            pattern += r"(-?\d+)" if kind == "d" else r"((?:(?!\. [A-Z]).)+?)"
            pattern += re.escape(literal)
    return re.compile(pattern, re.DOTALL)
