"""Replication: a content server downloads and deletes content as the zone requests.

See: D-34
"""

from __future__ import annotations

from typing import List, Sequence

from wire.update_messages import ReplicaProgress, ReplicationRequest
from zac.content import content
from zac.host import files
from zac.host.host import Host
from zac.network.tls import MAX_RESPONSE_BYTES

MAX_BYTES = MAX_RESPONSE_BYTES
# A slow network must not block the other tasks of the agent; the next refresh resumes.
SECONDS_PER_REFRESH = 20.0


def replicate(host: Host, requests: Sequence[ReplicationRequest], withdrawn: Sequence[str]) -> bool:
    """Download and delete content; return True if there is a change to report."""
    stored, progress = content.list_stored(host), list_progress(host, requests)
    files.make_folder(host.home.path_to("content"))
    host.replication_errors = {}
    for request in requests:
        if request.sha256 not in stored and request.size <= MAX_BYTES:
            _download(host, request)
    for digest in withdrawn:
        if content.is_digest(digest):
            files.remove(host.home.path_to("content", digest))
    content.delete_partial(host, [request.sha256 for request in requests])
    host.pending_replicas = list(requests)
    return content.list_stored(host) != stored or list_progress(host, requests) != progress


def list_progress(host: Host, requests: Sequence[ReplicationRequest]) -> List[ReplicaProgress]:
    """Return the progress and the last error of each incomplete download."""
    stored = content.list_stored(host)
    return [
        ReplicaProgress(
            request.sha256,
            content.received_bytes(host, request.sha256),
            host.replication_errors.get(request.sha256, ""),
        )
        for request in requests
        if request.sha256 not in stored and content.is_digest(request.sha256)
    ]


def _download(host: Host, request: ReplicationRequest) -> None:
    limit = content.RateLimit(request.rate, SECONDS_PER_REFRESH)
    try:
        data = content.fetch(host, request.sha256, request.size, request.sources, limit)
    except content.DownloadPaused as fault:
        host.log_warning("replicate: %s" % fault.explanation)
        return
    except content.ContentMissing as fault:
        host.log_warning("replicate: %s" % fault.explanation)
        host.replication_errors[request.sha256] = fault.explanation
        return
    files.write(host.home.path_to("content", request.sha256), data)
    host.log_event("replicated", update=request.update, sha256=request.sha256)
