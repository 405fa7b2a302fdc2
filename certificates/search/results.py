"""The results of the search, and the text that is searched for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.http import urlencode

from console.pages import formatting

MIN_LENGTH = 2
MAX_OF_KIND = 5
# Shorter texts of hexadecimal digits are more often parts of names.
MIN_DIGITS = 4
HEXADECIMAL = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True)
class Found:
    """A search result: its name, what it is, and its page."""

    name: str
    detail: str
    url: str


@dataclass(frozen=True)
class Group:
    """The results of one kind. `more_url` is the page with all of them, "" if all are listed."""

    label: str
    results: list[Found]
    more_url: str = ""


@dataclass(frozen=True)
class Text:
    """A search text. `digits` are its hexadecimal digits, "" if there are others."""

    raw: str
    digits: str
    guid: UUID | None

    @classmethod
    def parse(cls, raw: str) -> Text:
        """Return a search text. Fingerprints can contain colons and spaces."""
        plain = re.sub(r"[\s:]", "", raw).lower()
        is_number = len(plain) >= MIN_DIGITS and HEXADECIMAL.fullmatch(plain) is not None
        try:
            guid = UUID(raw)
        except ValueError:
            guid = None
        return cls(raw, plain if is_number else "", guid)

    @property
    def colons(self) -> str:
        """Return the digits in pairs, as SHA-1 and MD5 fingerprints are stored."""
        return ":".join(self.digits[i : i + 2] for i in range(0, len(self.digits), 2)).upper()


def build_group(
    label: str,
    rows: Iterable[Any],
    build: Callable[[Any], Found],
    *,
    page: str = "",
    text: Text | None = None,
) -> Group:
    """Return the first results. `page` is the URL name of the table in which the rest is found."""
    listed = list(rows)
    more = ""
    if len(listed) > MAX_OF_KIND and page:
        more = f"{reverse(page)}?{urlencode({'q': text.raw if text else ''})}"
    return Group(label, [build(row) for row in listed[:MAX_OF_KIND]], more)


def shorten(digest: str) -> str:
    """Return the beginning of a fingerprint."""
    return f"{formatting.format_fingerprint(digest[:16])}…"


def get_first(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Return one row more than is listed."""
    return rows[: MAX_OF_KIND + 1]
