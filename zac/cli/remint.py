"""Commands that read a Certificate Remint Tool as data: none of its code is run.

The signed update in the file is verified with the zone key that this device stored at registration.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
from http import HTTPStatus
from typing import Iterator
from urllib.parse import urlsplit

from faults import Fault
from wire.envelope import NotSigned, build_envelope
from wire.metadata import AGENT, REMINT_TOOL, sha256
from zac import remint_tool
from zac.cli import exit_codes
from zac.host import files, locks
from zac.host.home import Device
from zac.host.host import Host
from zac.network.errors import Unreachable
from zac.updates import notices

DOWNLOADED = "remint-tool.bin"
SIGNATURE_SUFFIX = ".sig"
SECOND_SIGNATURE_SUFFIX = ".sig2"
LOCK_WAIT = 30.0


class NoSignature(Fault):
    """A signature file next to the tool is missing."""

    action = (
        "Download the files with the same name and .sig and .sig2, too. Or run: zac remint FILE. "
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
    data = _read(host, args.tool)
    signature = _read_signature(host, args.tool + SIGNATURE_SUFFIX)
    second = b""
    if device.second_pub:
        second = _read_signature(host, args.tool + SECOND_SIGNATURE_SUFFIX)
    try:
        _verify(AGENT, device, data, signature, second)
        kind = "agent"
    except NotSigned:
        _verify(REMINT_TOOL, device, data, signature, second)
        kind = "tool"
    print("The %s is signed with the key of this device's zone." % kind)
    print("SHA-256  %s" % sha256(data))
    return exit_codes.OK


def _verify(
    payload_type: str, device: Device, data: bytes, signature: bytes, second: bytes
) -> None:
    envelope = build_envelope(payload_type, data, signature, second)
    envelope.verify(device.zone_keys, payload_type)


def _read(host: Host, tool: str) -> bytes:
    data = _download(host, tool) if _is_url(tool) else files.read(tool)
    if data is None:
        raise remint_tool.DamagedTool("Cannot read %s." % tool)
    return data


def _read_signature(host: Host, path: str) -> bytes:
    signature = _download(host, path) if _is_url(path) else files.read(path)
    if signature is None:
        raise NoSignature("%s does not exist." % path)
    try:
        return base64.b64decode(signature.strip(), validate=True)
    except ValueError:
        return b""


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
