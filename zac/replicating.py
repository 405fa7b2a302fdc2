"""A content server copies what it shall hold: by digest, checked, whole or not at all (D-34)."""

from __future__ import annotations

from typing import Sequence

from wire.messages import Replicate
from zac import content, store
from zac.host import Host
from zac.transport import MOST_BYTES

LARGEST = MOST_BYTES


def replicate(host: Host, wanted: Sequence[Replicate], withdrawn: Sequence[str]) -> bool:
    """Fetch what is missing and drop what is withdrawn; True if anything changed."""
    before = content.held(host)
    store.make_folder(host.home.at("content"))
    for one in wanted:
        if one.sha256 not in before and one.size <= LARGEST:
            _copy(host, one)
    for digest in withdrawn:
        if content.is_digest(digest):
            store.remove(host.home.at("content", digest))
    return content.held(host) != before


def _copy(host: Host, one: Replicate) -> None:
    try:
        data = content.fetch(host, one.sha256, one.size, one.sources)
    except content.ContentMissing as fault:
        host.log("replicate: %s" % fault.explanation)
        return
    store.write(host.home.at("content", one.sha256), data)
    host.note("replicated", update=one.update, sha256=one.sha256)
