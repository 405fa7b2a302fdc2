"""Messages about updates: CSR, certificate, preflight checks, content, and agent upgrades.

Calls about one update are below /zac/v1/updates/<id>/. A preflight check is a TLS handshake with a
new certificate before activation. See wire.messages.
"""

from __future__ import annotations

from typing import ClassVar, Dict, List, Optional

from wire.records import Record, field

PASSED, REJECTED, UNREACHABLE = "ok", "refused", "unreachable"
UPGRADED, NOT_UPGRADED = "upgraded", "not-upgraded"


class UpdateStatus(Record):
    """One update on a host, part of each refresh: what a console with an older database misses.

    `state` is the last reported state without failures, `generation` that of the last CSR (-1 for
    none), and `certificate_sha256` the new server certificate that is not in use yet, "" for none.
    """

    id: str
    state: str
    revision: int = 0
    attempt: int = 0
    generation: int = -1
    certificate_sha256: str = ""


class PreflightResult(Record):
    """Result of one device's handshake with the new certificate of one server.

    `code` is PASSED, REJECTED (the certificate was not accepted) or UNREACHABLE.
    """

    server: str
    code: str
    detail: str = ""


class StackResult(Record):
    """Result of one TLS stack of a device with the new certificate of one server.

    `stack` is its name, for example "gnutls", and `code` as in PreflightResult.
    """

    server: str
    stack: str
    code: str
    version: str = ""
    detail: str = ""


class PreflightReport(Record):
    """POST /zac/v1/updates/<id>/preflight. `stacks` are the results of other TLS stacks."""

    results: List[PreflightResult]
    at: float
    stacks: List[StackResult] = field(default_factory=list)


class CsrRequest(Record):
    """POST /zac/v1/updates/<id>/csr, and /zac/v1/certificate for an initial certificate.

    Contains a `csr`, or the `error` that prevented it, or the `chain` that an administrator
    imported on the server (D-17).
    """

    csr: str = ""
    error: str = ""
    chain: str = ""
    generation: int = 0


class CertificateResponse(Record):
    """GET of the same path: `chain` (leaf first, no root) when issued, before that its state.

    `csr_parameters` is None while an administrator creates the CSR. A `generation` greater than
    the one last submitted requests a new key and CSR.
    """

    json_names: ClassVar[Dict[str, str]] = {"csr_parameters": "order"}

    state: str
    chain: str = ""
    csr_parameters: Optional["CsrParameters"] = None
    generation: int = 0
    reason: str = ""


class CsrParameters(Record):
    """Subject, names and key length that the console requires in a server's CSR."""

    common_name: str
    key_length: int
    organization: str = ""
    organizational_unit: str = ""
    locality: str = ""
    state: str = ""
    country: str = ""
    dns_names: List[str] = field(default_factory=list)
    addresses: List[str] = field(default_factory=list)


class ReplicaProgress(Record):
    """Content that a content server is downloading: bytes received, and the last error."""

    json_names: ClassVar[Dict[str, str]] = {"received": "got"}

    sha256: str
    received: int = 0
    error: str = ""


class ReplicationRequest(Record):
    """Content to download from one of `sources`, at `rate` bytes per second (0: no limit)."""

    update: str
    sha256: str
    size: int
    sources: List[str] = field(default_factory=list)
    rate: int = 0


class AgentOffer(Record):
    """Another version of the agent. `signature` is over the whole file, as the type AGENT.

    `size` is in bytes, `time_limit` in seconds: a version that has not contacted the zone by then
    is replaced by the previous one. Signatures are Base64, `second_signature` is "" in zones
    without a second key.

    See: D-220
    """

    id: str
    version: str
    sha256: str
    size: int
    signature: str
    second_signature: str = ""
    time_limit: int = 300


class AgentUpgradeResult(Record):
    """Result of the last agent upgrade on a device, part of each refresh.

    `id` is that of the offer, `state` UPGRADED or NOT_UPGRADED. `detail` says why not.
    """

    id: str
    state: str
    detail: str = ""
