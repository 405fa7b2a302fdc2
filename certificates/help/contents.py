"""The contents of the help page, and the search in it."""

from __future__ import annotations

from collections.abc import Iterable

from certificates.help.topics import Topic


def find_topics(topics: Iterable[Topic], text: str) -> list[Topic]:
    """Return the topics that contain all words of a text, those with a word in the title first."""
    words = text.lower().split()
    found = [topic for topic in topics if all(word in topic.text for word in words)]
    return sorted(found, key=lambda topic: not any(w in str(topic.title).lower() for w in words))
