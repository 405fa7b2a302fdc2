"""A content server copies what it shall hold: by digest, checked, whole or not at all (D-34)."""

from __future__ import annotations

from typing import List, Sequence

from wire.messages import Copy, Replicate
from zac.content import content
from zac.host import files
from zac.host.host import Host
from zac.network.tls import MOST_BYTES

LARGEST = MOST_BYTES
# A slow line must not keep the agent from its other work; the next pass goes on behind it.
SECONDS_PER_PASS = 20.0


def replicate(host: Host, wanted: Sequence[Replicate], withdrawn: Sequence[str]) -> bool:
    """Fetch what is missing and drop what is withdrawn; True if there is anything to report."""
    before, said = content.held(host), copies(host, wanted)
    files.make_folder(host.home.at("content"))
    host.troubles = {}
    for one in wanted:
        if one.sha256 not in before and one.size <= LARGEST:
            _copy(host, one)
    for digest in withdrawn:
        if content.is_digest(digest):
            files.remove(host.home.at("content", digest))
    content.forget(host, [one.sha256 for one in wanted])
    host.wanted = list(wanted)
    return content.held(host) != before or copies(host, wanted) != said


def copies(host: Host, wanted: Sequence[Replicate]) -> List[Copy]:
    """Return how far the files are that have not come yet, and what stands in their way."""
    held = content.held(host)
    return [
        Copy(one.sha256, content.got(host, one.sha256), host.troubles.get(one.sha256, ""))
        for one in wanted
        if one.sha256 not in held and content.is_digest(one.sha256)
    ]


def _copy(host: Host, one: Replicate) -> None:
    pace = content.Pace(one.rate, SECONDS_PER_PASS)
    try:
        data = content.fetch(host, one.sha256, one.size, one.sources, pace)
    except content.Paused as fault:
        host.log("replicate: %s" % fault.explanation)
        return
    except content.ContentMissing as fault:
        host.log("replicate: %s" % fault.explanation)
        host.troubles[one.sha256] = fault.explanation
        return
    files.write(host.home.at("content", one.sha256), data)
    host.note("replicated", update=one.update, sha256=one.sha256)
