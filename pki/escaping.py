"""Texts from certificates without invisible and misleading characters."""

from __future__ import annotations

import unicodedata

_LAST_OF_PLANE_0 = 0xFFFF


def escape_text(text: str, limit: int = 1024) -> str:
    r"""Return text from a certificate with invisible and misleading characters escaped.

    Control characters, BiDi overrides, and unassigned code points become `\uXXXX`.
    """
    clear = "".join(
        char if unicodedata.category(char)[0] not in "CZ" or char == " " else _escape(char)
        for char in text[:limit]
    )
    return clear + ("..." if len(text) > limit else "")


def _escape(char: str) -> str:
    point = ord(char)
    return f"\\u{point:04x}" if point <= _LAST_OF_PLANE_0 else f"\\U{point:08x}"
