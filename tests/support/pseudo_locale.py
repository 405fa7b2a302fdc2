"""A language for tests: each text of the console with accents, in brackets, and 40 % longer.

What a page shows outside brackets is data, or was not given to gettext. What is stored must not
contain such a bracket. The language exists in the folder of a test only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import django
import polib

from tests.support.translations import list_catalogs

CODE, FOLDER = "en-xa", "en_XA"
WORD = 8
OPEN, CLOSE = "⟦", "⟧"
ACCENTS = str.maketrans("aeioucnyAEIOUCNY", "áéíóúçñýÁÉÍÓÚÇÑÝ")
# Placeholders, tags, and entities stay as they are.
KEPT = re.compile(r"%\(\w+\)[sd]|%[sd%]|\{[^{}]*\}|<[^>]*>|&\w+;")
CONTEXTS_KEPT = ("date format",)


def translate(text: str) -> str:
    """Return a text in the language, for example ⟦Sávé~~⟧."""
    parts = KEPT.split(text)
    kept = [*KEPT.findall(text), ""]
    words = "".join(part.translate(ACCENTS) + held for part, held in zip(parts, kept, strict=True))
    length = sum(map(len, parts))
    padding = "~" * max(1, length * 2 // 5)
    # The padding breaks into lines as words do.
    parts = [padding[start : start + WORD] for start in range(0, len(padding), WORD)]
    return f"{OPEN}{words}{' '.join(parts)}{CLOSE}"


def install(folder: Path, settings: Any) -> None:
    """Create the language in a folder, and make it the second one that the console has."""
    catalog = polib.POFile()
    catalog.metadata = {
        "Content-Type": "text/plain; charset=UTF-8",
        "Plural-Forms": "nplurals=2; plural=(n != 1);",
    }
    own = list_catalogs()[0]
    libraries = Path(django.__file__).parent
    known = set()
    for path in (own, *sorted(libraries.glob("**/locale/en/LC_MESSAGES/django.po"))):
        for entry in polib.pofile(str(path)):
            key = (entry.msgctxt, entry.msgid)
            if key not in known and not entry.obsolete:
                known.add(key)
                catalog.append(_translate_entry(entry))
    there = folder / FOLDER / "LC_MESSAGES"
    there.mkdir(parents=True)
    catalog.save_as_mofile(str(there / "django.mo"))
    settings.LANGUAGES = [("en", "English"), (CODE, "Longer English")]
    settings.LOCALE_PATHS = [folder]


def _translate_entry(entry: polib.POEntry) -> polib.POEntry:
    keep = entry.msgctxt in CONTEXTS_KEPT
    values: dict[str, Any] = {"msgctxt": entry.msgctxt, "msgid": entry.msgid}
    if entry.msgid_plural:
        forms = {0: translate(entry.msgid), 1: translate(entry.msgid_plural)}
        return polib.POEntry(**values, msgid_plural=entry.msgid_plural, msgstr_plural=forms)
    return polib.POEntry(**values, msgstr=entry.msgid if keep else translate(entry.msgid))


class VisibleTexts(HTMLParser):
    """Collects the parts of the texts and of the labels of a page that are not in brackets."""

    # Their content is code, a name, or is not shown.
    SKIPPED = ("script", "style", "code", "pre")
    LABELS = ("title", "aria-label", "placeholder", "alt", "data-none", "data-some", "data-every")
    # A bracket can be open over these elements only, which are part of a sentence.
    INLINE = ("a", "b", "i", "em", "strong", "code", "span", "time", "small", "svg", "path")
    VOID = ("input", "br", "img", "meta", "link", "hr", "wbr")

    def __init__(self) -> None:
        super().__init__()
        self.outside: list[str] = []
        self._skipped, self._depth = 0, 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Read the labels of an element."""
        values = dict(attrs)
        for name in self.LABELS:
            self._read(values.get(name) or "", 0)
        if tag not in self.INLINE:
            self._depth = 0
        is_data = "mono" in (values.get("class") or "").split() or "data-copy" in values
        if tag not in self.VOID and (self._skipped or tag in self.SKIPPED or is_data):
            self._skipped += 1

    def handle_endtag(self, tag: str) -> None:
        """End an element."""
        if self._skipped and tag not in self.VOID:
            self._skipped -= 1
        if tag not in self.INLINE:
            self._depth = 0

    def handle_data(self, data: str) -> None:
        """Read a text."""
        if not self._skipped:
            self._depth = self._read(data, self._depth)

    def _read(self, text: str, depth: int) -> int:
        found = ""
        for character in text:
            if character == OPEN:
                depth += 1
                found += " "
            elif character == CLOSE:
                depth = max(0, depth - 1)
            elif not depth:
                found += character
        if any(letter.isalpha() for letter in found):
            self.outside.append(" ".join(found.split()))
        return depth


def list_untranslated(html: str) -> Iterator[str]:
    """Return the texts of a page that are not translated."""
    parser = VisibleTexts()
    parser.feed(html)
    parser.close()
    return iter(dict.fromkeys(parser.outside))
