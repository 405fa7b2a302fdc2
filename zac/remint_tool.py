"""The Certificate Remint Tool: applies the update that the file contains to this device.

The file is a zip application whose entry point is `main`. In addition to the packages `faults`,
`wire` and `zac` it contains

- `update/manifest.json`: the signed manifest (wire.envelope.Envelope),
- `update/notices.json`: the signed notices (wire.metadata.RecoveryNotices), optional,
- `update/files/<sha256>`: the files that the manifest lists.

The contents are accepted because the key of this device's zone signed them, no matter how the file
reached the device (D-41 of docs/decisions.md). `zac remint` uses the functions of this module with
a downloaded file as data. Exit codes: see CODES and zac.cli.exit_codes.
"""

from __future__ import annotations

import base64
import os
import sys
import zipfile
import zlib
from typing import List, Optional

from faults import Fault, Invalid
from wire import json_codec, metadata
from wire.envelope import Envelope
from wire.messages import Trust
from wire.metadata import ActivationNotice, Manifest, RecoveryNotices, sha256, verify_document
from wire.records import Record
from zac import service, wakeup
from zac.cli import exit_codes
from zac.cli.arguments import Parser
from zac.host import files, locks, state
from zac.host.home import DEFAULT
from zac.host.host import Host
from zac.network import calls
from zac.network.errors import CertificateRejected
from zac.trust import pem, recovery, store
from zac.trust.store import Generation
from zac.updates import notices as updates_notices
from zac.updates import refresh, state_machine

CODES = (
    "Exit codes: 0 success, 3 device not registered, 4 no server reachable, 5 "
    "no server could be verified, 6 file damaged or not signed by this "
    "device's zone, 7 update staged until its activation time (--check: not "
    "active yet), 10 update failed, 64 usage error, 69 Python not found, 75 "
    "agent busy."
)
LOCK_WAIT = 30.0
MAX_FILE_BYTES = 1 << 20
NOTHING_APPLIED = "Nothing was changed. Specify the file with the CA certificate of the zone."
MISMATCH = (
    "CA certificate subject from the CA Certificate chain does not match server certificate issuer."
)


class DamagedTool(Fault):
    """The downloaded file is incomplete or was altered."""

    action = (
        "Download the tool again, and compare its SHA-256 digest with the digest in the console."
    )


class IssuerMismatch(CertificateRejected):
    """A server's certificate does not lead to the CA of this tool (manual, A.5)."""

    action = (
        "Download the tool from the registered Primary Server or from the "
        "server with the longest certificate chain, or specify the CA "
        "certificate with -p FILE."
    )


class ToolContents(Record):
    """The update in the file."""

    path: str
    envelope: Envelope
    notices: List[Envelope]

    def file(self, digest: str) -> Optional[bytes]:
        """Return the file with a digest, None if there is none."""
        data = _member(self.path, "update/files/" + digest)
        return data if data is not None and sha256(data) == digest else None


def main(arguments: Optional[List[str]] = None, archive: str = "") -> int:
    """Run the tool; return the exit code."""
    os.umask(0o077)
    options = _parser().parse_args(arguments)
    try:
        contents = read_tool(archive or sys.argv[0])
        host = service.open_host(options.home)
        if options.info and host.home.device_or_none() is None:
            print("The signature was not verified, because this device is not registered.")
            print(_printable(_describe(_read_manifest(contents), contents)))
            return exit_codes.OK
        manifest = updates_notices.verify_manifest(host, contents.envelope)
        if options.info:
            print(_describe(manifest, contents))
            return exit_codes.OK
        if options.check:
            return _check(host, manifest)
        if options.ca:
            host.extra_roots = _read_roots(options.ca)
        with locks.hold(host.home.path_to("lock"), LOCK_WAIT):
            return apply(host, contents, manifest)
    except Fault as fault:
        print("%s" % fault.explanation, file=sys.stderr)
        print(fault.action, file=sys.stderr)
        return (
            exit_codes.exit_code_of(fault)
            if not isinstance(fault, DamagedTool)
            else exit_codes.BAD_CONTENT
        )


def read_tool(path: str) -> ToolContents:
    """Return the contents of a tool; raises DamagedTool."""
    envelope = _member(path, "update/manifest.json")
    if envelope is None:
        raise DamagedTool("This file does not contain an update.")
    notices = _member(path, "update/notices.json")
    try:
        known = json_codec.load(RecoveryNotices, notices).notices if notices else []
        return ToolContents(path, json_codec.load(Envelope, envelope), known)
    except json_codec.Malformed as error:
        raise DamagedTool("The update in this file is invalid.") from error


def apply(host: Host, contents: ToolContents, manifest: Manifest) -> int:
    """Apply the update up to its activation, or including it if it is due; return the exit code."""
    host.bundled_content = contents.file
    if is_applied(host, manifest):
        print("The update has already been applied.")
        return _confirm(host)
    _restore_trust_store(host, contents, manifest)
    notice = _activation_notice(host, contents, manifest)
    if notice is not None and manifest.epoch > host.state.load().epoch:
        recovery.apply_notice(host, notice)
    else:
        updates_notices.store_manifest(host, manifest, contents.envelope)
    state_machine.retry(host, manifest.id)
    state_machine.advance(host, manifest.id)
    record = host.state.get(manifest.id)
    if record is not None and record.failure:
        print("The update failed: %s" % record.failure, file=sys.stderr)
        return exit_codes.FAILED
    code = _confirm(host)
    wakeup.wake(host.home.path)
    if code == exit_codes.OK and not is_applied(host, manifest):
        print("The update is staged and will be activated at the scheduled time.")
        return exit_codes.PENDING
    return code


def is_applied(host: Host, manifest: Manifest) -> bool:
    """Return True if the update is active on this device."""
    record = host.state.get(manifest.id)
    if record is not None and record.step in (state.ACTIVATED, state.CONFIRMED):
        return True
    if not manifest.changes_ca or not host.trust_store.exists() or host.is_certified:
        return False
    return pem.fingerprint(host.trust_store.current().trust.current) == manifest.root_sha256


def _confirm(host: Host) -> int:
    """Refresh over verified TLS, which proves that the device trusts its servers again."""
    if host.extra_roots:
        own = store.roots(host.trust_store.current().trust)
        host.extra_roots = [*own, *host.extra_roots]
    try:
        refresh.refresh(host)
    except calls.NoTrustedServer as error:
        raise IssuerMismatch("%s %s" % (MISMATCH, error.explanation)) from error
    except calls.NoServer as fault:
        print("Done, but no server is responding: %s" % fault.explanation)
        return exit_codes.OK
    print("Done. Connected to the zone over verified TLS.")
    return exit_codes.OK


def _restore_trust_store(host: Host, contents: ToolContents, manifest: Manifest) -> None:
    """Create a missing trust store with the root of the signed update."""
    try:
        host.trust_store.current()
    except Fault:
        roots = list(host.extra_roots) or _root_of(contents, manifest)
        host.trust_store.activate(Generation(_trust_of(roots), ""))


def _trust_of(roots: List[str]) -> Trust:
    return Trust(current=roots[0], pending=roots[1:])


def _root_of(contents: ToolContents, manifest: Manifest) -> List[str]:
    for file in manifest.files:
        data = contents.file(file.sha256) if file.name == metadata.ROOT_FILE else None
        if data is not None:
            return pem.split(data.decode())
    raise DamagedTool("This file does not contain a CA certificate.")


def _activation_notice(
    host: Host, contents: ToolContents, manifest: Manifest
) -> Optional[ActivationNotice]:
    for envelope in contents.notices:
        if envelope.payload_type != metadata.ACTIVATION_NOTICE:
            continue
        notice = verify_document(
            ActivationNotice, metadata.ACTIVATION_NOTICE, envelope, host.device.zone_keys
        )
        if notice.id == manifest.id:
            return notice
    return None


def _check(host: Host, manifest: Manifest) -> int:
    if is_applied(host, manifest):
        print("The update has been applied on this device.")
        return exit_codes.OK
    print("The update is not active on this device yet.")
    return exit_codes.PENDING


def _read_manifest(contents: ToolContents) -> Manifest:
    """Return the manifest without verifying it; raises DamagedTool."""
    try:
        payload = base64.b64decode(contents.envelope.payload, validate=True)
        return json_codec.load(Manifest, payload)
    except (ValueError, json_codec.Malformed) as error:
        raise DamagedTool("The update in this file is invalid.") from error


def _printable(text: str) -> str:
    """Return text without control characters, which could write anything to a terminal."""
    return "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in text)


def _describe(manifest: Manifest, contents: ToolContents) -> str:
    lines = ["%s (%s), revision %d" % (manifest.name, manifest.kind, manifest.revision)]
    lines.append("Zone %s, root %s" % (manifest.zone, manifest.root_sha256))
    lines += ["%s  %s" % (file.sha256, file.name) for file in manifest.files]
    lines.append("SHA-256 digest of this file: %s" % sha256(files.read(contents.path) or b""))
    return "\n".join(lines)


def _read_roots(path: str) -> List[str]:
    data = files.read(path)
    if data is None:
        raise Invalid("%s does not exist." % path, action=NOTHING_APPLIED)
    roots = pem.split(data.decode("latin-1"))
    if not roots:
        text = "%s does not contain a CA certificate in PEM format." % path
        raise Invalid(text, action=NOTHING_APPLIED)
    return roots


def _member(path: str, name: str) -> Optional[bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            if name not in archive.namelist():
                return None
            if archive.getinfo(name).file_size > MAX_FILE_BYTES:
                raise DamagedTool("Part of this file exceeds the maximum update size.")
            return archive.read(name)
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DamagedTool("This file is damaged: %s." % error) from error


def _parser() -> Parser:
    parser = Parser(
        prog="zac-remint",
        description="Apply a certificate update to this device.",
        epilog=CODES,
    )
    parser.add_argument(
        "--home",
        metavar="DIR",
        default=os.environ.get("ZAC_HOME", DEFAULT),
        help="data directory of the agent (default: $ZAC_HOME or %s)" % DEFAULT,
    )
    parser.add_argument(
        "-p",
        dest="ca",
        metavar="FILE",
        default="",
        help="trust this CA certificate for this run only",
    )
    parser.add_argument("--check", action="store_true", help="check only; make no changes")
    parser.add_argument("--info", action="store_true", help="show the contents of the file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
