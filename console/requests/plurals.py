"""The texts of a catalog that have a singular and a plural form.

Django keeps only the singular forms of a catalog in memory, so the compiled file is read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.utils.translation import to_locale

LITTLE_ENDIAN = b"\xde\x12\x04\x95"
# Where the number of texts and the offset of their table are, and the size of a row of it.
HEADER_OFFSET, ROW_SIZE = 8, 8


@lru_cache(maxsize=8)
def list_plurals(language: str) -> tuple[tuple[str, str], ...]:
    """Return the English texts with two forms, without those with a context."""
    files = [
        Path(folder) / to_locale(language) / "LC_MESSAGES" / "django.mo"
        for folder in settings.LOCALE_PATHS
    ]
    return tuple(pair for file in files if file.is_file() for pair in _read(file.read_bytes()))


def _read(data: bytes) -> Iterator[tuple[str, str]]:
    """Yield the pairs of a compiled catalog, in the format of GNU gettext."""
    order = "<" if data.startswith(LITTLE_ENDIAN) else ">"
    count, table = struct.unpack_from(f"{order}II", data, HEADER_OFFSET)
    for number in range(count):
        length, start = struct.unpack_from(f"{order}II", data, table + ROW_SIZE * number)
        singular, separator, plural = data[start : start + length].decode().partition("\0")
        if separator and "\x04" not in singular:
            yield singular, plural
