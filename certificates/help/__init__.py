"""Help for pages and dialogs."""

from __future__ import annotations

from certificates.authority import help as authority_help
from certificates.help import pages
from certificates.operations.presentation import help as presentation_help

TOPICS = (*pages.TOPICS, *authority_help.TOPICS, *presentation_help.TOPICS)
