"""The contents of the help page, and the search in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from certificates.help.appendix import KnownIssue
from certificates.help.topics import Section, Topic
from devices.models import Device, Role

MAX_SERVERS = 20


@dataclass(frozen=True)
class Places:
    """The addresses and folders of this zone that the help names.

    `downloads` are the server, its HTTPS address, and its HTTP address under which the Certificate
    Remint Tool is found. `repositories` are a folder and the servers whose agents read it.
    """

    downloads: list[tuple[str, str, str]]
    repositories: list[tuple[str, list[str]]]


def find_topics(topics: Iterable[Topic], text: str) -> list[Topic]:
    """Return the topics that contain all words of a text, those with a word in the title first."""
    words = text.lower().split()
    found = [topic for topic in topics if all(word in topic.text for word in words)]
    return sorted(found, key=lambda topic: not any(w in str(topic.title).lower() for w in words))


def filter_sections(sections: Sequence[Section], text: str) -> list[Section]:
    """Return the sections with the topics that contain all words of a text."""
    found = [replace(one, topics=tuple(find_topics(one.topics, text))) for one in sections]
    return [section for section in found if section.topics]


def filter_issues(issues: Iterable[KnownIssue], text: str) -> list[KnownIssue]:
    """Return the issues that contain all words of a text."""
    words = text.lower().split()

    def contains_all(issue: KnownIssue) -> bool:
        content = f"{issue.title} {issue.documented_solution} {issue.behavior}".lower()
        return all(word in content for word in words)

    return [issue for issue in issues if contains_all(issue)]


def list_places() -> Places:
    """Return the download addresses of the Primary Servers, and the remint repositories."""
    fields = ("guid", "name", "role", "fqdn", "addresses", "port", "content_port")
    downloads: list[tuple[str, str, str]] = []
    repositories: dict[str, list[str]] = {}
    servers = Device.objects.certified().only(*fields, "remint_repository").order_by("name")
    for server in servers:
        if server.remint_repository:
            repositories.setdefault(server.remint_repository, []).append(server.name)
        if server.role == Role.PRIMARY and len(downloads) < MAX_SERVERS:
            https = _get_setup_url(server, server.port, "https")
            http = _get_setup_url(server, server.content_port, "http")
            downloads.append((server.name, https, http))
    return Places(downloads, list(repositories.items()))


def _get_setup_url(server: Device, port: int, scheme: str) -> str:
    url = server.get_url(port, scheme)
    return f"{url}/zenworks-setup/" if url else ""
