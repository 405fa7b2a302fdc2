"""Documents signed with the zone key: manifests, orders, trust notices, and the trust list.

The payload types and the names in the signed JSON are part of the protocol and do not change.
"""

from __future__ import annotations

import hashlib
import re
from typing import ClassVar, Dict, List, Type, TypeVar

from faults import Fault
from wire import json_codec
from wire.envelope import Envelope, PublicKeys
from wire.messages import ServerAddress, Trust
from wire.records import Record, field

MANIFEST = "application/vnd.zcc.manifest+json"
IDENTITY_STATEMENT = "application/vnd.zcc.statement+json"
ACTIVATION_ORDER = "application/vnd.zcc.go+json"
CANCELLATION = "application/vnd.zcc.cancel+json"
ACTIVATION_NOTICE = "application/vnd.zcc.activated+json"
RETIREMENT = "application/vnd.zcc.retire+json"
ROLLBACK = "application/vnd.zcc.rollback+json"
TRUST_LIST = "application/vnd.zcc.trust-list+json"
REMINT_TOOL = "application/vnd.zcc.remint-tool"
AGENT = "application/vnd.zcc.agent"
REPORT = "application/vnd.zcc.report+json"
KEY_RECORD = "application/vnd.zcc.key-record+json"

# Documents for devices that both zone keys sign (D-175). An identity statement is not one:
# strangers can request it, and a signature with the second key is expensive.
SIGNED_TWICE = frozenset(
    {
        *(MANIFEST, ACTIVATION_ORDER, CANCELLATION, ACTIVATION_NOTICE),
        *(RETIREMENT, ROLLBACK, TRUST_LIST, REMINT_TOOL, AGENT),
    }
)

REMINT_CA = "remint-ca"
CHANGE_CA = "change-ca"
REMINT_SERVER = "remint-server"
KINDS = (REMINT_CA, CHANGE_CA, REMINT_SERVER)

# Files that an update can contain. A manifest with any other file is rejected.
ROOT_FILE = "ca.cert"
NEW_WITH_OLD = "new-with-old.pem"
OLD_WITH_NEW = "old-with-new.pem"
FILE_NAMES = (ROOT_FILE, NEW_WITH_OLD, OLD_WITH_NEW)
LARGEST_FILE = 1 << 20
HEX_LENGTH = 64


T = TypeVar("T")

# The update ID is used as a folder name on the device.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")


class InvalidManifest(Fault):
    """The manifest is signed but contains something that agents do not accept."""


class ManifestFile(Record):
    """One file of an update. `name` contains no path."""

    name: str
    sha256: str
    size: int


class Manifest(Record):
    """Description of one update.

    `epoch` increases with each CA change: a CA manifest is rejected unless its epoch is greater
    than that of the active CA. `revision` increases with each change of the same update (D-166).
    `activate_at` is 0 for immediate activation. `servers` are the IDs of the servers whose
    certificate is replaced ([] for all servers in a CA change). `root_sha256` and
    `old_root_sha256` are the digests of the roots after and before activation.
    """

    json_names: ClassVar[Dict[str, str]] = {"preflight": "rehearse"}

    id: str
    zone: str
    kind: str
    name: str
    epoch: int
    revision: int
    created: int
    activate_at: int
    grace_until: int
    root_sha256: str
    old_root_sha256: str
    files: List[ManifestFile]
    servers: List[str] = field(default_factory=list)
    manual_csr: bool = False
    preflight: bool = True
    immediate: bool = False
    protocol: int = 1

    @property
    def changes_ca(self) -> bool:
        """Return True if the update replaces the root of the zone."""
        return self.kind in (REMINT_CA, CHANGE_CA)

    def validate(self, zone: str) -> None:
        """Raise InvalidManifest if the manifest belongs to another zone or is not acceptable."""
        if not _ID.match(self.id):
            raise InvalidManifest("The update ID is invalid.")
        if self.zone != zone:
            raise InvalidManifest("The update belongs to a different zone.")
        if self.kind not in KINDS:
            raise InvalidManifest("Unknown update type: %s." % self.kind)
        if self.protocol != 1:
            raise InvalidManifest(
                "The update requires a newer agent version.", action="Update the agent."
            )
        for file in self.files:
            _check_file(file)
        if len({file.name for file in self.files}) != len(self.files):
            raise InvalidManifest("The update lists the same file twice.")


def _check_file(file: ManifestFile) -> None:
    if file.name not in FILE_NAMES or not 0 < file.size <= LARGEST_FILE:
        raise InvalidManifest("The update lists a file that is not allowed: %s." % file.name)
    if len(file.sha256) != HEX_LENGTH or set(file.sha256) - set("0123456789abcdef"):
        raise InvalidManifest("The update contains an invalid digest: %s." % file.name)


class IdentityStatement(Record):
    """Proof of identity of a server at first contact, for the nonce of the request.

    `trust_version` is the version of the zone's trust list, 0 for a console that has none.
    """

    zone: str
    nonce: str
    host: str
    certificate_sha256: str
    roots: List[str]
    time: float
    trust_version: int = 0


class ActivationOrder(Record):
    """Permission for servers to use their new certificates from `activate_at` on (D-26)."""

    id: str
    zone: str
    revision: int
    activate_at: int


class Cancellation(Record):
    """Notice that an update was canceled; devices delete everything prepared for it (D-25)."""

    id: str
    zone: str
    revision: int


class ActivationNotice(Record):
    """Notice that an update was activated.

    A device that cannot verify TLS recovers only with this notice.
    """

    id: str
    zone: str
    epoch: int
    ca_sha256: str
    manifest: Envelope


class Retirement(Record):
    """Notice that roots are retired: devices stop trusting them."""

    zone: str
    epoch: int
    roots_sha256: List[str]


class TrustList(Record):
    """The roots and servers that devices trust (D-150). A list replaces the one before it.

    `version` increases with each change. Devices reject a lower version and an expired list, so
    an old list cannot be replayed or kept in force. `epoch` is that of the last activated CA,
    `refresh_s` the longest refresh interval in seconds. `second_key` is the public part of the
    second zone key (Base64), "" in zones without one. A device that has none stores it (D-175).
    `revoked` are the digests of revoked server certificates, see zac.trust.signed_part (D-264),
    `revoked_until` the times at which they expire. A device keeps them until then (D-282).
    `system_trust`: devices that allow it install the roots in their operating system (D-272).
    """

    zone: str
    version: int
    epoch: int
    issued_at: int
    expires_at: int
    trust: Trust
    servers: List[ServerAddress]
    refresh_s: float
    second_key: str = ""
    revoked: List[str] = field(default_factory=list)
    system_trust: bool = False
    revoked_until: List[int] = field(default_factory=list)


class Rollback(Record):
    """Notice that an activated update was rolled back: the old root is current again."""

    id: str
    zone: str
    revision: int


class RecoveryNotices(Record):
    """Response of GET /recovery: notices that need no trusted TLS connection, newest last."""

    zone: str
    notices: List[Envelope]


def verify_document(
    record_type: Type[T], payload_type: str, envelope: Envelope, keys: PublicKeys
) -> T:
    """Verify the signatures of an envelope, then parse its payload; raises NotSigned, Malformed."""
    return json_codec.load(record_type, envelope.verify(keys, payload_type))


def sha256(data: bytes) -> str:
    """Return the SHA-256 digest of some bytes, lower-case hexadecimal."""
    return hashlib.sha256(data).hexdigest()
