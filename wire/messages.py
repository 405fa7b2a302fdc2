"""What an agent and the console say to each other (the calls under /zac/v1/).

Times are seconds since 1970-01-01 UTC. Certificates and keys travel as PEM text, digests as
lower-case hexadecimal SHA-256. Unknown fields are ignored, so either side may be newer.
"""

from __future__ import annotations

from typing import List, Optional

from wire.envelope import Envelope
from wire.values import Value, field

PROTOCOL = 1

PRIMARY = "primary"
AUTHENTICATION_SATELLITE = "authentication-satellite"
CONTENT_SATELLITE = "content-satellite"
MANAGED = "managed"
ROLES = (PRIMARY, AUTHENTICATION_SATELLITE, CONTENT_SATELLITE, MANAGED)
CERTIFIED_ROLES = (PRIMARY, AUTHENTICATION_SATELLITE)
CONTENT_ROLES = (PRIMARY, CONTENT_SATELLITE)

# What an agent can do, reported at registration and refresh (D-49 of docs/decisions.md).
FEATURE_CSR = "csr"
FEATURE_REHEARSAL = "rehearsal"
FEATURE_RECOVERY = "recovery"
FEATURE_DEPOT = "depot"

# Device states of an update (D-33). The agent reports these words, the console shows labels.
DOWNLOADING = "downloading"
APPLYING = "applying"
APPLIED = "applied"
ACTIVATING = "activating"
ACTIVATED = "activated"
FAILED = "failed"
CANCELED = "canceled"
REPORTED_STATES = (DOWNLOADING, APPLYING, APPLIED, ACTIVATING, ACTIVATED, FAILED, CANCELED)


class Trust(Value):
    """Which roots to trust: the current one, older ones in grace, announced ones (D-28)."""

    current: str
    in_grace: List[str] = field(default_factory=list)
    pending: List[str] = field(default_factory=list)


class ServerAddress(Value):
    """One server of the zone and where it answers.

    `url` is its TLS address (empty for a Content Satellite), `content_url` where content is
    served by digest, `rehearsal_url` where it shows its future certificate.
    """

    id: str
    name: str
    fqdn: str
    role: str
    url: str = ""
    content_url: str = ""
    rehearsal_url: str = ""


class Problem(Value):
    """An error answer (RFC 9457, application/problem+json)."""

    title: str
    status: int
    detail: str = ""
    action: str = ""
    type: str = "about:blank"


class Zone(Value):
    """GET /zac/v1/zone: what anybody may know of the zone."""

    zone: str
    name: str
    time: float
    ca_pem: str
    ca_sha256: str
    zone_pub: str
    protocol: int = PROTOCOL


class Hello(Value):
    """POST /zac/v1/hello: prove that you belong to the zone. `nonce`: 32 random bytes, hex."""

    nonce: str
    host: str


class HelloAnswer(Value):
    """The zone's public key and its signed statement (payload: wire.metadata.Statement)."""

    zone_pub: str
    statement: Envelope


class VaultKeys(Value):
    """Public halves of a Primary Server's vault keys (HPKE, base64 of the raw X25519 point)."""

    vault: str
    ca_vault: str


class Register(Value):
    """POST /zac/v1/register: an agent asks to belong to the zone.

    `key` is the secret part of a registration key, never its pin. Servers of a certified role
    add `csr`; Primary Servers add `vault_keys`. `port`, `content_port` and `rehearsal_port` are
    where its listeners answer. A returning device names its old `device` id.
    """

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
    rehearsal_port: int = 0
    parent: str = ""
    device: str = ""
    protocol: int = PROTOCOL


class Registered(Value):
    """The answer to Register: identity, secret and everything a new device must trust.

    `epoch` is that of the secret; `trust_epoch` is that of the current CA, and older CA updates
    are refused from then on. `server_id` names the server that answers. `approved` is False while
    an administrator has yet to let the server in; such a device gets nothing but its state.
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


class Refresh(Value):
    """POST /zac/v1/refresh: I am here, this is how I stand.

    `generation` names the agent's current generation, `root_sha256` the root it holds as current,
    `anchored_sha256` the root that verified this very connection ("" if it cannot tell),
    `skew` the seconds its clock is off, `contacts` and `refused` count since the last refresh.
    `distrusted` tells why signed documents that came in were not believed.
    """

    t: float
    agent: str
    generation: str = ""
    root_sha256: str = ""
    anchored_sha256: str = ""
    skew: float = 0.0
    fqdn: str = ""
    addresses: List[str] = field(default_factory=list)
    features: List[str] = field(default_factory=list)
    contacts: int = 0
    refused: int = 0
    server_certificate_sha256: str = ""
    trusted_sha256: List[str] = field(default_factory=list)
    holds: List[str] = field(default_factory=list)
    distrusted: List[str] = field(default_factory=list)
    copies: List["Copy"] = field(default_factory=list)
    protocol: int = PROTOCOL


class Copy(Value):
    """Content that a content server is still fetching: how much is here, what stands in the way."""

    sha256: str
    got: int = 0
    error: str = ""


class Replicate(Value):
    """Content that a content server shall hold: fetch each digest, then report what it holds.

    `sources` are tried in their order; `rate` is bytes per second at most, 0 is no limit.
    """

    update: str
    sha256: str
    size: int
    sources: List[str] = field(default_factory=list)
    rate: int = 0


class Refreshed(Value):
    """The answer to Refresh.

    `updates` are signed manifests to apply, `notices` signed go, cancel and activated notices,
    `ignored` ids of updates this device shall leave alone, `redeploy` ids to try again after a
    failure. `replicate` is for content servers, `withdraw` names digests they may drop.
    `certificate` is True when a first or replacement certificate waits at /zac/v1/certificate.
    """

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
    replicate: List[Replicate] = field(default_factory=list)
    withdraw: List[str] = field(default_factory=list)
    certificate: bool = False
    names: List[str] = field(default_factory=list)


class StatusReport(Value):
    """POST /zac/v1/updates/<id>/status: how far this device is. Idempotent by (state, attempt)."""

    state: str
    step: str
    attempt: int
    at: float
    revision: int = 0
    detail: str = ""
    action: str = ""


class CsrRequest(Value):
    """POST /zac/v1/updates/<id>/csr (and /zac/v1/certificate for a first certificate).

    `error` says why no request could be made, instead of `csr`. With `chain` the server hands in
    a certificate it found in its remint repository (D-17).
    """

    csr: str = ""
    error: str = ""
    chain: str = ""
    generation: int = 0


class CertificateAnswer(Value):
    """GET of the same path: `chain` (leaf first, no root) once there, else what it waits for.

    `order` is what to ask for (subject, key length, names), None while an administrator makes the
    request by hand. A greater `generation` than the one last sent asks for a fresh key and CSR.
    """

    state: str
    chain: str = ""
    order: Optional["CsrOrder"] = None
    generation: int = 0
    reason: str = ""


class CsrOrder(Value):
    """Subject, names and key length that the console wants in the request of a server."""

    common_name: str
    key_length: int
    organization: str = ""
    organizational_unit: str = ""
    locality: str = ""
    state: str = ""
    country: str = ""
    dns_names: List[str] = field(default_factory=list)
    addresses: List[str] = field(default_factory=list)
