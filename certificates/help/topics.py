"""A help topic, which is linked from the pages that it explains."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise

Text = str | Promise


@dataclass(frozen=True)
class Topic:
    """A help topic: the URL names that it explains, its title, and its paragraphs."""

    url_names: tuple[str, ...]
    title: Text
    paragraphs: tuple[Text, ...]

    @property
    def text(self) -> str:
        """Return the title and the paragraphs in lower case, for the search."""
        return " ".join(str(part) for part in (self.title, *self.paragraphs)).lower()

    def anchors(self) -> list[str]:
        """Return the anchors of this topic."""
        return [get_anchor(name) for name in self.url_names]


@dataclass(frozen=True)
class Section:
    """A section of the help page: its anchor, its title, and its topics."""

    anchor: str
    title: Text
    topics: tuple[Topic, ...]


def get_anchor(url_name: str) -> str:
    """Return the help anchor of a URL name. The help link of each page uses it."""
    return url_name.replace(":", "-")
