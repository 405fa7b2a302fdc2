"""Commands that read a Certificate Remint Tool as data: none of its code is run.

The signed update in the file is verified with the zone key that this device stored at registration.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
from http import HTTPStatus
from typing import Iterator, Tuple
from urllib.parse import urlsplit

from faults import Fault
from wire.envelope import NotSigned, build_envelope
from wire.metadata import AGENT, REMINT_TOOL, sha256
from zac import remint_tool
from zac.cli import exit_codes
from zac.host import files, locks
from zac.host.host import Host
from zac.network.tls import Unreachable
from zac.updates import notices

DOWNLOADED = "remint-tool.bin"
SIGNATURE_SUFFIX = ".sig"
LOCK_WAIT = 30.0


class NoSignature(Fault):
    """There is no signature file next to the tool."""

    action = (
        "Download the file with the same name and .sig, too. Or run: zac remint FILE. "
        "It reads the file as data and runs none of its code."
    )


def remint(host: Host, args: argparse.Namespace) -> int:
    """Apply the update in a tool, which can be a file or a URL."""
    host.home.device()
    with locks.hold(host.home.path_to("lock"), LOCK_WAIT), _local_copy(host, args.tool) as path:
        contents = remint_tool.read_tool(path)
        manifest = notices.verify_manifest(host, contents.envelope)
        return remint_tool.apply(host, contents, manifest)


def verify_tool(host: Host, args: argparse.Namespace) -> int:
    """Verify the signature over a complete file, code included; exit with 6 if it is not valid.

    The file is a tool, or the agent as a zip application or package.
    """
    device = host.home.device()
    data, signature = _read_signed(host, args.tool)
    try:
        _verify(AGENT, device.zone_pub, data, signature)
        kind = "agent"
    except NotSigned:
        _verify(REMINT_TOOL, device.zone_pub, data, signature)
        kind = "tool"
    print("The %s is signed with the key of this device's zone." % kind)
    print("SHA-256  %s" % sha256(data))
    return exit_codes.OK


def _verify(payload_type: str, zone_pub: str, data: bytes, signature: bytes) -> None:
    build_envelope(payload_type, data, _decode(signature)).verify(zone_pub, payload_type)


def _decode(signature: bytes) -> bytes:
    try:
        return base64.b64decode(signature.strip(), validate=True)
    except ValueError:
        return b""


def _read_signed(host: Host, tool: str) -> Tuple[bytes, bytes]:
    if _is_url(tool):
        return _download(host, tool), _download(host, tool + SIGNATURE_SUFFIX)
    data, signature = files.read(tool), files.read(tool + SIGNATURE_SUFFIX)
    if data is None:
        raise remint_tool.DamagedTool("Cannot read %s." % tool)
    if signature is None:
        raise NoSignature("%s%s does not exist." % (tool, SIGNATURE_SUFFIX))
    return data, signature


@contextlib.contextmanager
def _local_copy(host: Host, tool: str) -> Iterator[str]:
    """Yield the path of a tool; a downloaded one is deleted afterward."""
    if not _is_url(tool):
        yield tool
        return
    path = host.home.path_to(DOWNLOADED)
    files.write(path, _download(host, tool))
    try:
        yield path
    finally:
        files.remove(path)


def _is_url(tool: str) -> bool:
    return urlsplit(tool).scheme in ("http", "https")


def _download(host: Host, url: str) -> bytes:
    # Neither HTTP nor TLS needs to be trusted, because the contents are signed.
    with host.transport.unverified(url) as connection:
        response = connection.send("GET", "")
    if response.status != HTTPStatus.OK:
        raise Unreachable("%s was not found (HTTP status %d)." % (url, response.status))
    return response.body
