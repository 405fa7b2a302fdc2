"""The sections of the help, with all topics."""

from __future__ import annotations

from certificates.acme.account_keys import help as acme_help
from certificates.acme.host_certificates import help as host_help
from certificates.authority import help as authority_help
from certificates.help import dialogs, pages
from certificates.help.topics import Section
from certificates.operations.presentation import help as presentation_help
from certificates.pilot import help as pilot_help
from certificates.windows import help as windows_help

SECTIONS = (
    Section(
        "pages",
        pages.TITLE,
        (
            *(*pages.TOPICS, *windows_help.TOPICS, *pilot_help.TOPICS),
            *(*acme_help.TOPICS, *host_help.TOPICS),
        ),
    ),
    Section("authority", authority_help.TITLE, authority_help.TOPICS),
    Section("operations", presentation_help.TITLE, presentation_help.TOPICS),
    Section("devices", dialogs.DEVICES_TITLE, dialogs.DEVICES),
    Section("updates", dialogs.UPDATES_TITLE, dialogs.UPDATES),
    Section("administration", dialogs.ADMINISTRATION_TITLE, dialogs.ADMINISTRATION),
)
TOPICS = tuple(topic for section in SECTIONS for topic in section.topics)
