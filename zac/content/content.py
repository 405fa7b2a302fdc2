"""Content by digest: from this host, from the file that carries it, or from any content server.

The digest is checked, so it matters neither who answers nor whether TLS can be verified (S-64).
What has come of a file is kept: the next server, or the next pass, goes on behind it.
"""

from __future__ import annotations

import os
import time
from http import HTTPStatus
from typing import Callable, Iterator, List, Optional, Sequence, Tuple

from faults import Fault, Kind
from wire.messages import ServerAddress
from wire.metadata import sha256
from zac.host import files
from zac.host.host import Host
from zac.network.tls import Refused, Unreachable

HEX_LENGTH = 64
DIGITS = set("0123456789abcdef")
PARTS = "parts"


class ContentMissing(Fault):
    """No content server has a file of the update, or none hands it out intact."""

    action = "Let the content replicate, then redeploy the update to this device."


class Paused(Fault):
    """The time of this pass is used up; the rest is fetched in the next one."""

    kind = Kind.UNAVAILABLE


class Pace:
    """How fast content is fetched, and for how long in one pass; 0 is no limit."""

    def __init__(
        self,
        rate: int = 0,
        seconds: float = 0.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate, self._seconds = rate, seconds
        self._clock, self._sleep = clock, sleep
        self._begin, self._got = clock(), 0

    def took(self, count: int) -> None:
        """Rest as long as the rate wants after so many bytes; raises Paused at the end of time."""
        self._got += count
        if self._rate:
            ahead = self._begin + self._got / self._rate - self._clock()
            if ahead > 0:
                self._sleep(ahead)
        if self._seconds and self._clock() - self._begin > self._seconds:
            raise Paused("The rest of the content is fetched at the next contact.")


def fetch(
    host: Host, digest: str, size: int, sources: Sequence[str] = (), pace: Optional[Pace] = None
) -> bytes:
    """Return the content of that digest and size; raises ContentMissing, Paused."""
    if not is_digest(digest):
        raise ContentMissing("%s is no digest." % digest[:12])
    for data in (host.carried(digest), files.read(host.home.at("content", digest))):
        if data is not None and len(data) == size and sha256(data) == digest:
            return data
    why = ""
    for url in dict.fromkeys([*sources, *_urls(host, digest)]):
        try:
            found = _from(host, url, digest, size, pace or Pace())
        except (Unreachable, Refused) as fault:
            why = fault.explanation
            host.log("content: %s" % why)
            continue
        if found is not None:
            return found
    told = "The content %s... is on no content server. %s" % (digest[:12], why)
    raise ContentMissing(told.strip())


def is_digest(text: str) -> bool:
    """Tell whether a text is a SHA-256, so that it may become a file name."""
    return len(text) == HEX_LENGTH and set(text) <= DIGITS


def held(host: Host) -> List[str]:
    """Return the digests this host keeps for others."""
    return [name for name in files.names(host.home.at("content")) if is_digest(name)]


def got(host: Host, digest: str) -> int:
    """Return how many bytes of a file have come so far."""
    path = host.home.at(PARTS, digest)
    return os.path.getsize(path) if os.path.exists(path) else 0


def forget(host: Host, wanted: Sequence[str]) -> None:
    """Drop what has come of files that nobody wants any more."""
    for name in files.names(host.home.at(PARTS)):
        if name not in wanted:
            files.remove(host.home.at(PARTS, name))


def nearest(host: Host) -> List[ServerAddress]:
    """Return the servers, nearest first: parent, registered server, content servers, the rest."""
    device = host.device

    def rank(server: ServerAddress) -> Tuple[bool, bool, bool]:
        return (
            device.parent not in (server.id, server.name) or not device.parent,
            server.url != device.url,
            not server.content_url,
        )

    return sorted(host.home.known().servers, key=rank)


def _urls(host: Host, digest: str) -> Iterator[str]:
    for server in nearest(host):
        for base in (server.content_url, server.url):
            if base:
                yield "%s/content/%s" % (base.rstrip("/"), digest)


def _from(host: Host, url: str, digest: str, size: int, pace: Pace) -> Optional[bytes]:
    """Fetch from one server, behind what has come; where that turns out wrong, all of it anew."""
    part = host.home.at(PARTS, digest)
    if got(host, digest) > size:
        files.remove(part)
    resumed = got(host, digest) > 0
    while True:
        if got(host, digest) < size and not _download(host, url, part, size, pace):
            return None
        data = files.read(part) or b""
        if len(data) < size:
            raise Unreachable("%s broke off." % url)
        files.remove(part)
        if sha256(data) == digest and len(data) == size:
            return data
        if not resumed:
            host.log("content: %s hands out something else" % url)
            return None
        resumed = False


def _download(host: Host, url: str, part: str, size: int, pace: Pace) -> bool:
    """Add what a server sends to the part; False where the server does not have it."""
    files.make_folder(os.path.dirname(part))
    begin = os.path.getsize(part) if os.path.exists(part) else 0

    def take(at: int, data: bytes) -> None:
        if at == 0:
            files.remove(part)
        files.append(part, data, flush=False)
        pace.took(len(data))

    with host.transport.unverified(url) as line:
        status = line.receive("", begin, size, take)
    return status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT)
