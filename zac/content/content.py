"""Download of content by digest, from this host, a bundle, or any content server.

The digest is checked, so it does not matter which server responds or whether TLS can be verified.
Partial downloads are kept, and are resumed with the next server or at the next refresh.
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
from zac.network.errors import CertificateRejected, Unreachable

HEX_LENGTH = 64
DIGITS = set("0123456789abcdef")
PARTS = "parts"


class ContentMissing(Fault):
    """No content server has an intact copy of the content."""

    action = "Wait for the content to replicate, then redeploy the update to this device."


class DownloadPaused(Fault):
    """The time limit was reached. The download is resumed at the next refresh."""

    kind = Kind.UNAVAILABLE


class RateLimit:
    """Limits of a download: bytes per second and duration in seconds; 0 means no limit."""

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
        self._started, self._received = clock(), 0

    def add(self, count: int) -> None:
        """Count received bytes, and sleep to keep the rate; raises DownloadPaused at the limit."""
        self._received += count
        if self._rate:
            ahead = self._started + self._received / self._rate - self._clock()
            if ahead > 0:
                self._sleep(ahead)
        if self._seconds and self._clock() - self._started > self._seconds:
            raise DownloadPaused("The remaining content will be downloaded at the next contact.")


def fetch(
    host: Host,
    digest: str,
    size: int,
    sources: Sequence[str] = (),
    limit: Optional[RateLimit] = None,
) -> bytes:
    """Return the content with a digest and size; raises ContentMissing, DownloadPaused."""
    if not is_digest(digest):
        raise ContentMissing("%s is not a valid digest." % digest[:12])
    for data in (host.bundled_content(digest), files.read(host.home.path_to("content", digest))):
        if data is not None and len(data) == size and sha256(data) == digest:
            return data
    reason = ""
    urls = dict.fromkeys([*sources, *_urls(host, digest)])
    for url in sorted(urls, key=host.is_unreachable):
        try:
            data = _fetch_from(host, url, digest, size, limit or RateLimit())
        except (Unreachable, CertificateRejected) as fault:
            reason = fault.explanation
            host.log_warning("content: %s" % reason)
            if isinstance(fault, Unreachable):
                host.record_unreachable(url)
            continue
        if data is not None:
            return data
    text = "Content %s... is not available on any content server. %s" % (digest[:12], reason)
    raise ContentMissing(text.strip())


def is_digest(text: str) -> bool:
    """Return True if a text is a SHA-256 digest, so that it is safe as a file name."""
    return len(text) == HEX_LENGTH and set(text) <= DIGITS


def list_stored(host: Host) -> List[str]:
    """Return the digests of the content that this host serves."""
    return [name for name in files.list_names(host.home.path_to("content")) if is_digest(name)]


def received_bytes(host: Host, digest: str) -> int:
    """Return the number of bytes of a partial download."""
    path = host.home.path_to(PARTS, digest)
    return os.path.getsize(path) if os.path.exists(path) else 0


def delete_partial(host: Host, wanted: Sequence[str]) -> None:
    """Delete partial downloads of content that is no longer required."""
    for name in files.list_names(host.home.path_to(PARTS)):
        if name not in wanted:
            files.remove(host.home.path_to(PARTS, name))


def list_nearest_servers(host: Host) -> List[ServerAddress]:
    """Return the servers in order: parent, registered server, content servers, others."""
    device = host.device

    def rank(server: ServerAddress) -> Tuple[bool, bool, bool]:
        return (
            device.parent not in (server.id, server.name) or not device.parent,
            server.url != device.url,
            not server.content_url,
        )

    return sorted(host.home.zone_cache().servers, key=rank)


def _urls(host: Host, digest: str) -> Iterator[str]:
    for server in list_nearest_servers(host):
        for base in (server.content_url, server.url):
            if base:
                yield "%s/content/%s" % (base.rstrip("/"), digest)


def _fetch_from(host: Host, url: str, digest: str, size: int, limit: RateLimit) -> Optional[bytes]:
    """Download from one server, resuming a partial download; restart once if it is damaged."""
    path = host.home.path_to(PARTS, digest)
    if received_bytes(host, digest) > size:
        files.remove(path)
    is_resumed = received_bytes(host, digest) > 0
    while True:
        if received_bytes(host, digest) < size and not _download(host, url, path, size, limit):
            return None
        data = files.read(path) or b""
        if len(data) < size:
            raise Unreachable("The connection to %s was interrupted." % url)
        files.remove(path)
        if sha256(data) == digest and len(data) == size:
            return data
        if not is_resumed:
            host.log_warning("content: %s sent data that does not match the digest" % url)
            return None
        is_resumed = False


def _download(host: Host, url: str, path: str, size: int, limit: RateLimit) -> bool:
    """Append the response of a server to a file; return False if it does not have the content."""
    files.make_folder(os.path.dirname(path))
    begin = os.path.getsize(path) if os.path.exists(path) else 0

    def store(offset: int, data: bytes) -> None:
        if offset == 0:
            files.remove(path)
        files.append(path, data, flush=False)
        limit.add(len(data))

    with host.transport.unverified(url) as connection:
        status = connection.download("", begin, size, store)
    return status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT)
