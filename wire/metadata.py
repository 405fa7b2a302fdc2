"""What an update contains and what the console announces, signed by the zone key."""

from __future__ import annotations

import hashlib
import re
from typing import List, Type, TypeVar

from faults import Fault
from wire import json_codec
from wire.envelope import Envelope
from wire.values import Value, field

MANIFEST = "application/vnd.zcc.manifest+json"
STATEMENT = "application/vnd.zcc.statement+json"
GO = "application/vnd.zcc.go+json"
CANCEL = "application/vnd.zcc.cancel+json"
ACTIVATED = "application/vnd.zcc.activated+json"
RETIRE = "application/vnd.zcc.retire+json"
ROLLBACK = "application/vnd.zcc.rollback+json"
REPORT = "application/vnd.zcc.report+json"

REMINT_CA = "remint-ca"
CHANGE_CA = "change-ca"
REMINT_SERVER = "remint-server"
KINDS = (REMINT_CA, CHANGE_CA, REMINT_SERVER)

# Names of the files an update may contain. Anything else in a manifest is refused.
ROOT_FILE = "ca.cert"
NEW_WITH_OLD = "new-with-old.pem"
OLD_WITH_NEW = "old-with-new.pem"
FILE_NAMES = (ROOT_FILE, NEW_WITH_OLD, OLD_WITH_NEW)
LARGEST_FILE = 1 << 20
HEX_LENGTH = 64

T = TypeVar("T")

# An update's id becomes the name of a folder on the device.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")


class BadManifest(Fault):
    """A signed manifest asks for something that no agent may do."""


class File(Value):
    """One file of an update, by digest. `name` has no path in it."""

    name: str
    sha256: str
    size: int


class Manifest(Value):
    """The orders of one update.

    `epoch` counts activated CA changes; a CA manifest whose epoch is not above the activated one
    is refused. `revision` grows with each change of the same update. `activate_at` 0 means at
    once (Immediate). `servers` are the ids whose certificate is replaced ([] for a CA change:
    all). `root_sha256` is the root after activation, `old_root_sha256` the one before.
    """

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
    files: List[File]
    servers: List[str] = field(default_factory=list)
    manual_csr: bool = False
    rehearse: bool = True
    immediate: bool = False
    protocol: int = 1

    @property
    def changes_ca(self) -> bool:
        """Tell whether the zone's root changes."""
        return self.kind in (REMINT_CA, CHANGE_CA)

    def check(self, zone: str) -> None:
        """Refuse what does not fit this zone or names files it may not name."""
        if not _ID.match(self.id):
            raise BadManifest("The update has an id that is none.")
        if self.zone != zone:
            raise BadManifest("The update belongs to another zone.")
        if self.kind not in KINDS:
            raise BadManifest("The update is of an unknown kind: %s." % self.kind)
        if self.protocol != 1:
            raise BadManifest("The update needs a newer agent.", action="Update the agent.")
        for file in self.files:
            _check_file(file)
        if len({file.name for file in self.files}) != len(self.files):
            raise BadManifest("The update names a file twice.")


def _check_file(file: File) -> None:
    if file.name not in FILE_NAMES or not 0 < file.size <= LARGEST_FILE:
        raise BadManifest("The update names a file that is not allowed: %s." % file.name)
    if len(file.sha256) != HEX_LENGTH or set(file.sha256) - set("0123456789abcdef"):
        raise BadManifest("The update has a digest that is none: %s." % file.name)


class Statement(Value):
    """Zone key's word for a host at first contact: this nonce, this certificate, these roots."""

    zone: str
    nonce: str
    host: str
    certificate_sha256: str
    roots: List[str]
    time: float


class Go(Value):
    """Servers may swap to their future certificate at `activate_at` (D-26)."""

    id: str
    zone: str
    revision: int
    activate_at: int


class Cancel(Value):
    """The update is cancelled for good; what was staged for it is dropped (D-25)."""

    id: str
    zone: str
    revision: int


class Activated(Value):
    """The update took place. Only with this may a device that cannot verify TLS recover (B-10)."""

    id: str
    zone: str
    epoch: int
    ca_sha256: str
    manifest: Envelope


class Retire(Value):
    """These roots are to be trusted no longer."""

    zone: str
    epoch: int
    roots_sha256: List[str]


class Rollback(Value):
    """The activated update is undone: the old root is current again (B-5)."""

    id: str
    zone: str
    revision: int


class Recovery(Value):
    """GET /recovery: the notices a device may check without trusting TLS, newest last."""

    zone: str
    notices: List[Envelope]


def open_as(shape: Type[T], payload_type: str, envelope: Envelope, zone_pub: str) -> T:
    """Check an envelope's signature and read its payload; verify before parse."""
    return json_codec.load(shape, envelope.open(zone_pub, payload_type))


def sha256(data: bytes) -> str:
    """Return the lower-case hexadecimal SHA-256 of some bytes."""
    return hashlib.sha256(data).hexdigest()
