"""Content by digest: from this host, from the file that carries it, or from any content server.

The digest is checked, so it matters neither who answers nor whether TLS can be verified (S-64).
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Iterator, List, Optional, Sequence

from faults import Fault
from wire.manifest import sha256
from wire.messages import ServerAddress
from zac import store
from zac.host import Host
from zac.transport import Refused, Unreachable

HEX_LENGTH = 64
DIGITS = set("0123456789abcdef")


class ContentMissing(Fault):
    """No content server has a file of the update, or none hands it out intact."""

    action = "Let the content replicate, then redeploy the update to this device."


def fetch(host: Host, digest: str, size: int, sources: Sequence[str] = ()) -> bytes:
    """Return the content of that digest and size; raises ContentMissing."""
    for data in _offers(host, digest, sources):
        if data is not None and len(data) == size and sha256(data) == digest:
            return data
    raise ContentMissing("The content %s... is on no content server." % digest[:12])


def is_digest(text: str) -> bool:
    """Tell whether a text is a SHA-256, so that it may become a file name."""
    return len(text) == HEX_LENGTH and set(text) <= DIGITS


def held(host: Host) -> List[str]:
    """Return the digests this host keeps for others."""
    return [name for name in store.names(host.home.at("content")) if is_digest(name)]


def nearest(host: Host) -> List[ServerAddress]:
    """Return the servers, nearest first: parent, registered server, content servers, the rest."""
    device = host.device

    def rank(server: ServerAddress) -> object:
        return (
            device.parent not in (server.id, server.name) or not device.parent,
            server.url != device.url,
            not server.content_url,
        )

    return sorted(host.home.known().servers, key=rank)  # type: ignore[arg-type]  # tuples of bool


def _offers(host: Host, digest: str, sources: Sequence[str]) -> Iterator[Optional[bytes]]:
    if not is_digest(digest):
        return
    yield host.carried(digest)
    yield store.read(host.home.at("content", digest))
    tried = set()
    for url in [*sources, *_urls(host, digest)]:
        if url not in tried:
            tried.add(url)
            yield _download(host, url)


def _urls(host: Host, digest: str) -> Iterator[str]:
    for server in nearest(host):
        for base in (server.content_url, server.url):
            if base:
                yield "%s/content/%s" % (base.rstrip("/"), digest)


def _download(host: Host, url: str) -> Optional[bytes]:
    try:
        with host.transport.unverified(url) as line:
            answer = line.send("GET", "")
    except (Unreachable, Refused) as fault:
        host.log("content: %s" % fault.explanation)
        return None
    return answer.body if answer.status == HTTPStatus.OK else None
