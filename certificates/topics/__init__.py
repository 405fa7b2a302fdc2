"""Help: what each page and dialog is for."""

from __future__ import annotations

from certificates.topics import authority, operations, pages

TOPICS = (*pages.TOPICS, *authority.TOPICS, *operations.TOPICS)
