"""Limits of every field that a device sends: lengths of texts and lists, and ranges of numbers.

The console decodes the requests of agents with `load`. Texts that only people read, and lists whose
first items are the important ones, are cut, because a long error text must not keep a device from
reporting. Everything else that exceeds a limit is rejected. Agents do not need this module.
"""

from __future__ import annotations

import re
from typing import Any, Dict, Type, TypeVar

from wire import json_codec
from wire.host_messages import HookReport, HookResult, HostReport, StoreReport
from wire.json_codec import Malformed
from wire.messages import (
    MAX_ENTRIES,
    AuditCheckpoint,
    HelloRequest,
    RefreshRequest,
    RegisterRequest,
    StatusReport,
    VaultKeys,
)
from wire.records import Record, json_name
from wire.update_messages import (
    AgentUpgradeResult,
    CsrRequest,
    PreflightReport,
    PreflightResult,
    ReplicaProgress,
    StackResult,
    UpdateStatus,
)

R = TypeVar("R", bound=Record)

MAX_COUNTER = 2**31 - 1
# Later than 1970 and earlier than the year 3000: every time in this range can be stored.
MAX_SECONDS = 32_503_680_000
# Versions of the trust list are milliseconds, or the previous version plus 1.
MAX_VERSION = 2**53
MAX_PEM = 16 * 1024
MAX_CHAIN = 256 * 1024
MAX_STORED_CONTENT = 4096


class Limit:
    """What a value must meet. `apply` returns it, cut if the limit allows that."""

    def apply(self, value: Any, path: str) -> Any:
        """Return the value, or raise Malformed, which names the field and its limit."""
        raise NotImplementedError


class Text(Limit):
    """A text of at most `most` characters, that matches a pattern if one is given."""

    def __init__(self, most: int, *, cut: bool = False, pattern: str = "", form: str = "") -> None:
        self.most = most
        self._cut = cut
        self._pattern = re.compile(pattern) if pattern else None
        self._form = form

    def apply(self, value: Any, path: str) -> Any:
        if self._cut:
            return value[: self.most]
        if len(value) > self.most:
            raise Malformed("%s has more than %d characters." % (path, self.most))
        if self._pattern and not self._pattern.fullmatch(value):
            raise Malformed("%s is not %s." % (path, self._form))
        return value


class Number(Limit):
    """A number from `least` to `most`."""

    def __init__(self, least: int, most: int) -> None:
        self.least = least
        self.most = most

    def apply(self, value: Any, path: str) -> Any:
        if not self.least <= value <= self.most:
            raise Malformed("%s is not between %d and %d." % (path, self.least, self.most))
        return value


class Items(Limit):
    """A list of at most `most` items, each of which meets another limit."""

    def __init__(self, most: int, each: Limit, *, cut: bool = False) -> None:
        self.most = most
        self.each = each
        self._cut = cut

    def apply(self, value: Any, path: str) -> Any:
        if len(value) > self.most and not self._cut:
            raise Malformed("%s has more than %d items." % (path, self.most))
        return [
            self.each.apply(item, "%s[%d]" % (path, number))
            for number, item in enumerate(value[: self.most])
        ]


class Nested(Limit):
    """A record, whose fields have their own limits."""

    def apply(self, value: Any, path: str) -> Any:
        return _limit_fields(value, path)


DIGEST = Text(64, pattern="[0-9a-f]{64}", form="a SHA-256 digest of 64 hexadecimal digits")
OPTIONAL_DIGEST = Text(
    64, pattern="([0-9a-f]{64})?", form="empty or a SHA-256 digest of 64 hexadecimal digits"
)
VAULT_KEY = Text(44, pattern="[A-Za-z0-9+/]{43}=", form="the Base64 text of 32 bytes")
COUNTER = Number(0, MAX_COUNTER)
ENTRY_NUMBER = Number(0, MAX_ENTRIES)
PORT = Number(0, 65_535)
SECONDS = Number(0, MAX_SECONDS)
SIGNED_SECONDS = Number(-MAX_SECONDS, MAX_SECONDS)
NAME = Text(64)
WORD = Text(32)
FQDN = Text(253)
VERSION = Text(40, cut=True)
EXPLANATION = Text(2000, cut=True)
SHORT_EXPLANATION = Text(500, cut=True)
ADDRESSES = Items(16, Text(64))
FEATURES = Items(32, WORD)
NESTED = Nested()

LIMITS: Dict[Type[Record], Dict[str, Limit]] = {
    HelloRequest: {"nonce": Text(128), "host": FQDN},
    VaultKeys: {"vault": VAULT_KEY, "ca_vault": VAULT_KEY},
    RegisterRequest: {
        "name": NAME,
        "role": WORD,
        "agent": VERSION,
        "addresses": ADDRESSES,
        "fqdn": FQDN,
        "os": Text(100, cut=True),
        "key": NAME,
        "csr": Text(MAX_PEM),
        "vault_keys": NESTED,
        "features": FEATURES,
        "port": PORT,
        "content_port": PORT,
        "preflight_port": PORT,
        "parent": NAME,
        "device": NAME,
        "protocol": COUNTER,
    },
    RefreshRequest: {
        "time": SIGNED_SECONDS,
        "agent": VERSION,
        "generation": Text(80),
        "root_sha256": OPTIONAL_DIGEST,
        "anchored_sha256": OPTIONAL_DIGEST,
        "skew": SIGNED_SECONDS,
        "fqdn": FQDN,
        "addresses": ADDRESSES,
        "features": FEATURES,
        "contacts": COUNTER,
        "rejected_contacts": COUNTER,
        "server_certificate_sha256": OPTIONAL_DIGEST,
        "trusted_sha256": Items(32, DIGEST, cut=True),
        "stored_content": Items(MAX_STORED_CONTENT, DIGEST),
        "rejected_documents": Items(10, Text(300, cut=True), cut=True),
        "replicas": Items(256, NESTED, cut=True),
        "audit_checkpoint": NESTED,
        "protocol": COUNTER,
        "trust_version": Number(0, MAX_VERSION),
        "updates": Items(64, NESTED, cut=True),
        "remint_repository": Text(200, cut=True),
        "agent_upgrade": NESTED,
        "host_report": NESTED,
    },
    HostReport: {"hooks": NESTED, "system_trust": NESTED},
    StoreReport: {
        "state": WORD,
        "store": WORD,
        "roots": COUNTER,
        "detail": SHORT_EXPLANATION,
        "at": SECONDS,
    },
    HookReport: {"at": SECONDS, "results": Items(64, NESTED, cut=True)},
    HookResult: {
        "name": NAME,
        "event": WORD,
        "state": WORD,
        "exit_code": Number(-MAX_COUNTER, MAX_COUNTER),
        "seconds": SECONDS,
        "detail": SHORT_EXPLANATION,
    },
    UpdateStatus: {
        "id": NAME,
        "state": WORD,
        "revision": COUNTER,
        "attempt": COUNTER,
        "generation": Number(-1, MAX_COUNTER),
        "certificate_sha256": OPTIONAL_DIGEST,
    },
    AuditCheckpoint: {"branch": COUNTER, "seq": ENTRY_NUMBER, "digest": DIGEST, "mac": DIGEST},
    ReplicaProgress: {"sha256": DIGEST, "received": COUNTER, "error": SHORT_EXPLANATION},
    AgentUpgradeResult: {"id": NAME, "state": WORD, "detail": SHORT_EXPLANATION},
    StatusReport: {
        "state": WORD,
        "step": Text(32, cut=True),
        "attempt": COUNTER,
        "at": SECONDS,
        "revision": COUNTER,
        "detail": EXPLANATION,
        "action": EXPLANATION,
    },
    PreflightResult: {"server": NAME, "code": WORD, "detail": SHORT_EXPLANATION},
    StackResult: {
        "server": NAME,
        "stack": WORD,
        "code": WORD,
        "version": VERSION,
        "detail": SHORT_EXPLANATION,
    },
    PreflightReport: {
        "results": Items(64, NESTED, cut=True),
        "at": SECONDS,
        "stacks": Items(64, NESTED, cut=True),
    },
    CsrRequest: {
        "csr": Text(MAX_PEM),
        "error": EXPLANATION,
        "chain": Text(MAX_CHAIN),
        "generation": COUNTER,
    },
}


def load(record_type: Type[R], data: bytes) -> R:
    """Parse the request of a device and apply the limits of its fields; raises Malformed."""
    return _limit_fields(json_codec.load(record_type, data), record_type.__name__)


def _limit_fields(record: R, path: str) -> R:
    kind = type(record)
    values = {}
    for name, limit in LIMITS[kind].items():
        value = getattr(record, name)
        if value is not None:
            value = limit.apply(value, "%s.%s" % (path, json_name(kind, name)))
        values[name] = value
    return kind(**values)
