"""Messages between agents and the console: requests and responses of the calls below /zac/v1/.

Times are seconds since 1970-01-01 UTC. Certificates and keys are PEM text, digests are lower-case
hexadecimal SHA-256. Unknown fields are ignored, so either side can be newer. `json_names` lists
fields that have another name in JSON (see docs/wire.md). wire.limits has the limits of requests.
"""

from __future__ import annotations

import re
from typing import ClassVar, Dict, List, Optional

from wire.envelope import Envelope
from wire.host_messages import HostReport
from wire.records import Record, field
from wire.update_messages import (
    AgentOffer,
    AgentUpgradeResult,
    ReplicaProgress,
    ReplicationRequest,
    UpdateStatus,
)

PROTOCOL = 1
# Limits of the numbers in audit checkpoints.
MAX_BRANCH, MAX_ENTRIES = 2**31 - 1, 2**63 - 1
HEX_DIGEST = re.compile(r"[0-9a-f]{64}\Z")

PRIMARY = "primary"
AUTHENTICATION_SATELLITE = "authentication-satellite"
CONTENT_SATELLITE = "content-satellite"
MANAGED = "managed"
ROLES = (PRIMARY, AUTHENTICATION_SATELLITE, CONTENT_SATELLITE, MANAGED)
CERTIFIED_ROLES = (PRIMARY, AUTHENTICATION_SATELLITE)
CONTENT_ROLES = (PRIMARY, CONTENT_SATELLITE)

# Features of an agent, reported at registration and refresh (D-49 of docs/decisions.md).
FEATURE_CSR = "csr"
FEATURE_PREFLIGHT = "rehearsal"
FEATURE_RECOVERY = "recovery"
FEATURE_CONTENT_SERVER = "depot"
FEATURE_AGENT_UPGRADE = "agent-upgrade"
"""An agent that the console can upgrade (D-220)."""
FEATURE_DEB, FEATURE_RPM = "installed-deb", "installed-rpm"
"""An agent that a package manager has installed."""
FEATURE_ROW_MACS = "row-macs"
"""A Primary Server whose console writes MACs of database rows (D-170)."""
FEATURE_SECOND_FACTOR_MACS = "second-factor-macs"
"""A Primary Server whose console writes MACs of second factors (D-210)."""
FEATURE_PASSKEYS = "passkeys"
"""A Primary Server whose console knows passkeys (D-254)."""
FEATURE_SECOND_KEY = "second-key"
"""A Primary Server whose console signs documents with both zone keys (D-175)."""
CONSOLE_FEATURES = (
    *(FEATURE_ROW_MACS, FEATURE_SECOND_FACTOR_MACS, FEATURE_PASSKEYS, FEATURE_SECOND_KEY),
)

# States of an update on a device (D-33). Agents report these values, the console shows labels.
DOWNLOADING = "downloading"
APPLYING = "applying"
APPLIED = "applied"
ACTIVATING = "activating"
ACTIVATED = "activated"
FAILED = "failed"
CANCELED = "canceled"
REPORTED_STATES = (DOWNLOADING, APPLYING, APPLIED, ACTIVATING, ACTIVATED, FAILED, CANCELED)


class Trust(Record):
    """Trusted roots: the current one, those in their grace period, and announced ones (D-28)."""

    current: str
    in_grace: List[str] = field(default_factory=list)
    pending: List[str] = field(default_factory=list)


class ServerAddress(Record):
    """Addresses of one server: TLS, content, preflight checks. One that it does not have is ""."""

    json_names: ClassVar[Dict[str, str]] = {"preflight_url": "rehearsal_url"}

    id: str
    name: str
    fqdn: str
    role: str
    url: str = ""
    content_url: str = ""
    preflight_url: str = ""


class Problem(Record):
    """Error response (RFC 9457, application/problem+json)."""

    title: str
    status: int
    detail: str = ""
    action: str = ""
    type: str = "about:blank"


class ZoneInfo(Record):
    """GET /zac/v1/zone: public information about the zone."""

    zone: str
    name: str
    time: float
    ca_pem: str
    ca_sha256: str
    zone_pub: str
    protocol: int = PROTOCOL


class HelloRequest(Record):
    """POST /zac/v1/hello: request an identity statement. `nonce` is 32 random bytes, hex."""

    nonce: str
    host: str


class HelloResponse(Record):
    """The zone's public key and a signed wire.metadata.IdentityStatement."""

    zone_pub: str
    statement: Envelope


class VaultKeys(Record):
    """Public halves of a Primary Server's vault keys (HPKE, Base64 of the raw X25519 point)."""

    vault: str
    ca_vault: str


class RegisterRequest(Record):
    """POST /zac/v1/register: register a device in the zone.

    `key` is the secret part of a registration key, without its pin. Servers with a certificate
    send `csr`; Primary Servers send `vault_keys`. The ports are those of the agent's listeners.
    A device that registers again sends its previous ID as `device`.
    """

    json_names: ClassVar[Dict[str, str]] = {"preflight_port": "rehearsal_port"}

    name: str
    role: str
    agent: str
    addresses: List[str]
    fqdn: str = ""
    os: str = ""
    key: Optional[str] = None
    csr: Optional[str] = None
    vault_keys: Optional[VaultKeys] = None
    features: List[str] = field(default_factory=list)
    port: int = 0
    content_port: int = 0
    preflight_port: int = 0
    parent: str = ""
    device: str = ""
    protocol: int = PROTOCOL


class RegisterResponse(Record):
    """Identity, secret and trusted roots of a registered device.

    `epoch` is the generation of the secret, `trust_epoch` that of the current CA: the device
    rejects older CA updates. `server_id` is the ID of the responding server. A server that is not
    `approved` by an administrator yet receives nothing but its status. `trust_list` is a signed
    wire.metadata.TrustList. `trust` and `servers` are for agents that do not know it.
    """

    id: str
    secret: str
    epoch: int
    zone: str
    zone_pub: str
    time: float
    approved: bool
    trust: Trust
    servers: List[ServerAddress]
    refresh_s: float
    server_id: str = ""
    trust_epoch: int = 0
    zone_name: str = ""
    trust_list: Optional[Envelope] = None


class AuditCheckpoint(Record):
    """Number and digest of the last entry of the audit log. A device only keeps it (D-135).

    `branch` is the number of times that an administrator accepted a loss of entries. `mac` is a
    MAC that only Primary Servers can verify, so that no device can invent a checkpoint.
    """

    branch: int
    seq: int
    digest: str
    mac: str

    def is_newer_than(self, other: Optional[AuditCheckpoint]) -> bool:
        """Return True if a device should keep this checkpoint instead of another one."""
        if not (0 <= self.branch <= MAX_BRANCH and 0 <= self.seq <= MAX_ENTRIES):
            return False
        if not all(HEX_DIGEST.match(text) for text in (self.digest, self.mac)):
            return False
        return other is None or (self.branch, self.seq) > (other.branch, other.seq)


class RefreshRequest(Record):
    """POST /zac/v1/refresh: status of a device.

    `generation` is the agent's current generation of trust, key and certificate. `root_sha256` is
    its current root, `anchored_sha256` the root that verified this connection ("" if unknown).
    `skew` is the error of its clock in seconds. `contacts` is the number of connections since the
    previous refresh, `rejected_contacts` the number of those with a rejected certificate.
    `rejected_documents` says why signed documents were rejected. `trust_version` is the version of
    the trust list in use, 0 to request it, None for an agent that does not know trust lists.
    `audit_checkpoint` is the newest one of all responses. `updates` are the open updates and the
    last closed ones. `remint_repository` is a folder of a server, where it reads its certificate.
    `agent_upgrade` is the result of the last upgrade of the agent, `host_report` that of hooks.
    """

    json_names: ClassVar[Dict[str, str]] = {
        "time": "t",
        "rejected_contacts": "refused",
        "stored_content": "holds",
        "rejected_documents": "distrusted",
        "replicas": "copies",
    }

    time: float
    agent: str
    generation: str = ""
    root_sha256: str = ""
    anchored_sha256: str = ""
    skew: float = 0.0
    fqdn: str = ""
    addresses: List[str] = field(default_factory=list)
    features: List[str] = field(default_factory=list)
    contacts: int = 0
    rejected_contacts: int = 0
    server_certificate_sha256: str = ""
    trusted_sha256: List[str] = field(default_factory=list)
    stored_content: List[str] = field(default_factory=list)
    rejected_documents: List[str] = field(default_factory=list)
    replicas: List[ReplicaProgress] = field(default_factory=list)
    audit_checkpoint: Optional[AuditCheckpoint] = None
    protocol: int = PROTOCOL
    trust_version: Optional[int] = None
    updates: List[UpdateStatus] = field(default_factory=list)
    remint_repository: str = ""
    agent_upgrade: Optional[AgentUpgradeResult] = None
    host_report: Optional[HostReport] = None


class RefreshResponse(Record):
    """Everything that is pending for a device.

    `updates` are signed manifests, `notices` signed activation orders and trust notices, `ignored`
    and `redeploy` IDs of updates to ignore or to retry. Content servers download `replicate` and
    delete `withdraw` (digests). `certificate_pending`: GET /zac/v1/certificate has something.
    `trust_list` is a signed wire.metadata.TrustList, None if the device has its version. `trust`
    and `servers` are for agents that do not know trust lists. `send_certificates`: IDs of updates
    whose new certificate the server must send again; "first" stands for the certificate in use.
    `new_csrs`: IDs of updates whose new certificate the server must replace.
    `agent_upgrade` is another version of the agent that the device has to install.
    """

    json_names: ClassVar[Dict[str, str]] = {"certificate_pending": "certificate"}

    time: float
    approved: bool
    refresh_s: float
    trust: Optional[Trust] = None
    servers: List[ServerAddress] = field(default_factory=list)
    server_id: str = ""
    updates: List[Envelope] = field(default_factory=list)
    notices: List[Envelope] = field(default_factory=list)
    ignored: List[str] = field(default_factory=list)
    redeploy: List[str] = field(default_factory=list)
    replicate: List[ReplicationRequest] = field(default_factory=list)
    withdraw: List[str] = field(default_factory=list)
    certificate_pending: bool = False
    zone_name: str = ""
    trust_list: Optional[Envelope] = None
    audit_checkpoint: Optional[AuditCheckpoint] = None
    send_certificates: List[str] = field(default_factory=list)
    new_csrs: List[str] = field(default_factory=list)
    agent_upgrade: Optional[AgentOffer] = None


class StatusReport(Record):
    """POST /zac/v1/updates/<id>/status: state of an update. Idempotent by (state, attempt)."""

    state: str
    step: str
    attempt: int
    at: float
    revision: int = 0
    detail: str = ""
    action: str = ""
