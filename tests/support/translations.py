"""The catalogs of translations: extract the texts of the console, merge, and compile them.

Run it with `scripts/translations`. It requires the program xgettext of GNU gettext.
"""

from __future__ import annotations

import difflib
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import polib

from tests.support import agent_texts

BASE_DIR = Path(__file__).resolve().parent.parent.parent
LOCALE = BASE_DIR / "locale"
# Packages whose texts are shown by the console.
PACKAGES = (
    *("zcc", "certificates", "systemupdates", "administrators", "notifications"),
    *("devices", "audit", "console", "pki"),
)
KEYWORDS = (
    *("gettext_noop", "gettext_lazy", "ngettext_lazy:1,2", "pgettext:1c,2", "npgettext:1c,2,3"),
    *("pgettext_lazy:1c,2", "npgettext_lazy:1c,2,3"),
)
HEADER = {
    "Project-Id-Version": "zcc",
    "MIME-Version": "1.0",
    "Content-Type": "text/plain; charset=UTF-8",
    "Content-Transfer-Encoding": "8bit",
}
WIDTH = 100


def list_catalogs() -> list[Path]:
    """Return the .po file of each language."""
    return sorted(LOCALE.glob("*/LC_MESSAGES/django.po"))


def get_key(entry: polib.POEntry) -> tuple[str | None, str, str]:
    """Return what identifies a text: its context, the text, and its plural form."""
    return entry.msgctxt, entry.msgid, entry.msgid_plural


def extract() -> polib.POFile:
    """Return all texts of the code and of the templates, in the order of the files."""
    with tempfile.TemporaryDirectory() as folder:
        names = sorted(_copy_sources(Path(folder)))
        options = ["--language=Python", "--from-code=UTF-8", "--add-location=file", "--output=-"]
        found = subprocess.run(
            ["xgettext", *options, *(f"--keyword={word}" for word in KEYWORDS), "--files-from=-"],
            input="\n".join(names),
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
    catalog = polib.pofile(found.stdout, wrapwidth=WIDTH)
    for entry in catalog:
        entry.occurrences = sorted(set(entry.occurrences))
    return catalog


def _copy_sources(folder: Path) -> Iterable[str]:
    """Copy the sources to a folder, templates as Python code; yield their names."""
    import django

    django.setup()
    from django.utils.translation.template import templatize

    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *PACKAGES, "templates"],
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        check=True,
    )
    yield from _copy_agent_texts(folder)
    for name in listing.stdout.splitlines():
        source = BASE_DIR / name
        if not source.is_file() or "/migrations/" in name:
            continue
        if source.suffix not in (".py", ".html"):
            continue
        text = source.read_text()
        copy = folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(templatize(text, origin=name) if source.suffix == ".html" else text)
        yield name


def _copy_agent_texts(folder: Path) -> Iterable[str]:
    """Write the texts that an agent can send as marked texts of its modules; yield their names."""
    for source in agent_texts.list_files(BASE_DIR):
        texts = agent_texts.list_texts(source.read_text())
        copy = folder / source.relative_to(BASE_DIR)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text("".join(f"gettext({text!r})\n" for text in texts))
        yield str(source.relative_to(BASE_DIR))


def merge(catalog: polib.POFile, texts: polib.POFile, language: str) -> polib.POFile:
    """Return a catalog with exactly these texts, and the translations that it already has."""
    known = {get_key(entry): entry for entry in catalog if not entry.obsolete}
    merged = polib.POFile(wrapwidth=WIDTH)
    merged.metadata = {
        **HEADER,
        "Language": language,
        "Plural-Forms": catalog.metadata["Plural-Forms"],
    }
    for text in texts:
        old = known.get(get_key(text))
        text.msgstr = old.msgstr if old is not None else ""
        if text.msgid_plural:
            text.msgstr_plural = dict(old.msgstr_plural) if old is not None else {0: "", 1: ""}
        merged.append(text)
    return merged


def main() -> int:
    """Update the catalog of each language and compile it. Report what is not translated yet."""
    texts = extract()
    found: list[str] = []
    for path in list_catalogs():
        catalog = polib.pofile(str(path))
        merged = merge(catalog, texts, path.parent.parent.name)
        merged.save(str(path))
        merged.save_as_mofile(str(path.with_suffix(".mo")))
        found += list_missing(path, catalog, merged)
    for line in found:
        print(line)  # noqa: T201 - a command
    return 1 if found else 0


def list_missing(path: Path, before: polib.POFile, merged: polib.POFile) -> Iterator[str]:
    """Return the place of each text that is not translated, and a former text like it.

    `merged` is the saved catalog at the path, and `before` the one that it replaces.
    """
    kept = {get_key(entry) for entry in merged}
    dropped = [one for one in before.translated_entries() if get_key(one) not in kept]
    removed = {entry.msgid: entry.msgstr for entry in dropped}
    name = path.relative_to(BASE_DIR)
    for entry in polib.pofile(str(path)).untranslated_entries():
        context = f" ({entry.msgctxt})" if entry.msgctxt else ""
        yield f"{name}:{entry.linenum}: not translated{context}: {entry.msgid}"
        for text in difflib.get_close_matches(entry.msgid, removed, n=1):
            yield f"    Before: {text}\n    = {removed[text]}"


if __name__ == "__main__":
    sys.exit(main())
