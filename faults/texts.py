"""Translation of the texts of packages that do not import Django.

The console sets the function that translates to the language of the user. Agents and commands set
none, and show English.
"""

from __future__ import annotations

from collections.abc import Callable

_translators: list[Callable[[str], str]] = []


def set_translator(translate: Callable[[str], str]) -> None:
    """Use a function that returns a text in the language of the user."""
    _translators[:] = [translate]


def gettext(text: str) -> str:
    """Return a text in the language of the user, or unchanged if there is no translator."""
    for translate in _translators:
        return translate(text)
    return text


def gettext_noop(text: str) -> str:
    """Mark a text that is translated when it is used."""
    return text
