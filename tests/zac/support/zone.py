"""A zone in the test's own process: real TLS, real signatures, the wire's messages, no database."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pki.protection import second_key
from tests.zac.support.certificates import Root, now
from tests.zac.support.listener import ADDRESS, Server
from wire import (
    authentication,
    json_codec,
    messages,
    metadata,
    records,
    registration_key,
    update_messages,
)
from wire.envelope import (
    Envelope,
    PublicKeys,
    build_envelope,
    pre_authentication_encoding,
)
from wire.messages import RefreshResponse, RegisterResponse, ServerAddress, StatusReport, Trust
from wire.metadata import (
    ActivationNotice,
    ActivationOrder,
    Cancellation,
    Manifest,
    ManifestFile,
    RecoveryNotices,
    Retirement,
    Rollback,
    sha256,
)
from wire.update_messages import PreflightReport


class Signer:
    """The keys of a zone. `second` is "" for a zone without a second key."""

    def __init__(self, second: str = "") -> None:
        self.key = ed25519.Ed25519PrivateKey.generate()
        self.public = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.zone_pub = base64.b64encode(self.public).decode()
        self.second = second
        self.second_pub = second_key.get_public_key(second) if second else ""

    @property
    def keys(self) -> PublicKeys:
        return PublicKeys(self.zone_pub, self.second_pub)

    def sign(self, kind: str, thing: Any) -> Envelope:
        payload = json_codec.dump(thing)
        encoded = pre_authentication_encoding(kind, payload)
        second = b""
        if self.second and kind in metadata.SIGNED_TWICE:
            second = second_key.sign(self.second, encoded)
        return build_envelope(kind, payload, self.key.sign(encoded), second)


@dataclasses.dataclass
class Member:
    """What the zone knows of a device."""

    id: str
    secret: str
    counter: int = 0
    csr: str | None = None


class Zone:
    """The console's side of the wire. Tests set its fields and read what it heard."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.id = "zone-1"
        self.name = ""
        self.signer = Signer()
        self.root = Root("Zone CA 1")
        self.trust = Trust(current=self.root.pem)
        self.key = registration_key.create(self.signer.public)
        self.epoch = 0
        self.shift = 0.0
        self.approved = True
        self.refresh_s = 1.0
        self.signs_trust_lists = True
        self.signs_responses = True
        self.listed: dict[str, Any] = {}
        self.members: dict[str, Member] = {}
        self.former: dict[str, Member] = {}
        self.offer = RefreshResponse(time=0, approved=True, refresh_s=1)
        self.content: dict[str, bytes] = {}
        self.recovery: list[Envelope] = []
        self.orders: dict[str, Envelope] = {}
        self.paths = {"order": "activation-order", "preflight": "preflight"}
        self.answers: dict[str, update_messages.CertificateResponse] = {}
        self.requests: list[tuple[str, update_messages.CsrRequest]] = []
        self.refreshes: list[messages.RefreshRequest] = []
        self.registers: list[messages.RegisterRequest] = []
        self.reports: list[tuple[str, StatusReport]] = []
        self.preflight_reports: list[PreflightReport] = []
        self.heard: list[tuple[str, str, str, bytes]] = []
        self.lies: dict[str, Any] = {}
        self.servers: list[Server] = []
        self.others: list[ServerAddress] = []

    def use_previous_paths(self) -> None:
        """Know only the paths of the previous version of the console."""
        self.paths = {"order": "go", "preflight": "rehearsal"}

    def now(self) -> float:
        return now() + self.shift

    def use_previous_answers(self) -> None:
        """Answer like the previous version of the console: without trust list and MAC."""
        self.signs_trust_lists = self.signs_responses = False

    def build_trust_list(self, **changes: Any) -> Envelope:
        """Return a signed trust list of what the zone trusts now."""
        now = int(self.now())
        document = metadata.TrustList(
            zone=self.id,
            version=int(self.now() * 1000),
            epoch=self.epoch,
            issued_at=now,
            expires_at=now + 7 * 86400,
            trust=self.trust,
            servers=self.addresses(),
            refresh_s=self.refresh_s,
            second_key=self.signer.second_pub,
        )
        return self.sign(metadata.TRUST_LIST, records.replace(document, **self.listed, **changes))

    def sign_response(self, headers: Any, status: int, body: bytes) -> str:
        member = None
        if self.signs_responses and "Authorization" in headers:
            credentials = authentication.parse_header(headers["Authorization"])
            member = self.members.get(credentials.device)
        if member is None:
            return ""
        return authentication.sign_response(
            member.secret, credentials.mac, status=status, body=body
        )

    def addresses(self) -> list[ServerAddress]:
        return [*(server.address() for server in self.servers), *self.others]

    def words(self) -> list[str]:
        """Return the states that devices reported, in their order."""
        return [report.state for _, report in self.reports]

    def update(self, root: Root, **changes: Any) -> Manifest:
        """Announce a change to another root; returns the manifest, its content is stored."""
        files = {
            metadata.ROOT_FILE: root.pem,
            metadata.NEW_WITH_OLD: self.root.bridge(root),
            metadata.OLD_WITH_NEW: root.bridge(self.root),
        }
        made = Manifest(
            id="update-1",
            zone=self.id,
            kind=metadata.REMINT_CA,
            name="Remint CA",
            epoch=self.epoch + 1,
            revision=1,
            created=int(self.now()),
            activate_at=int(self.now()) + 3600,
            grace_until=int(self.now()) + 30 * 86400,
            root_sha256=root.sha256,
            old_root_sha256=self.root.sha256,
            files=[self.store(name, text.encode()) for name, text in files.items()],
        )
        made = records.replace(made, **changes)
        self.offer = records.replace(self.offer, updates=[self.sign(metadata.MANIFEST, made)])
        return made

    def store(self, name: str, data: bytes) -> ManifestFile:
        self.content[sha256(data)] = data
        return ManifestFile(name, sha256(data), len(data))

    def sign(self, kind: str, thing: Any) -> Envelope:
        return self.signer.sign(kind, thing)

    def notify(self, thing: Any) -> Envelope:
        """Sign a notice and put it into every refresh from now on."""
        kinds = {
            ActivationOrder: metadata.ACTIVATION_ORDER,
            Cancellation: metadata.CANCELLATION,
            ActivationNotice: metadata.ACTIVATION_NOTICE,
            Retirement: metadata.RETIREMENT,
            Rollback: metadata.ROLLBACK,
        }
        envelope = self.sign(kinds[type(thing)], thing)
        self.offer = records.replace(self.offer, notices=[*self.offer.notices, envelope])
        return envelope

    # The calls.

    def answer(
        self, server: Server, method: str, path: str, body: bytes, headers: Any
    ) -> tuple[int, Any]:
        self.heard.append((method, path, headers.get("Authorization", ""), body))
        if path in self.lies:
            told: tuple[int, Any] = self.lies[path]
            return told
        public = self.public(server, path, body, headers)
        if public is not None:
            return public
        member = self.authenticated(method, path, body, headers)
        if isinstance(member, messages.Problem):
            return 401, member
        return self.call(member, method, path, body)

    def public(
        self, server: Server, path: str, body: bytes, headers: Any
    ) -> tuple[int, Any] | None:
        if path.startswith("/content/"):
            data = self.content.get(path[9:])
            return (404, None) if data is None else (200, data)
        if path == "/zac/v1/hello":
            return 200, self.greet(server, json_codec.load(messages.HelloRequest, body))
        if path == "/zac/v1/register":
            returning = (
                self.authenticated("POST", path, body, headers)
                if "Authorization" in headers
                else None
            )
            return self.register(json_codec.load(messages.RegisterRequest, body), returning)
        plain = {"/contact": {}, "/recovery": RecoveryNotices(self.id, self.recovery)}
        return (200, plain[path]) if path in plain else None

    def greet(self, server: Server, hello: messages.HelloRequest) -> messages.HelloResponse:
        statement = metadata.IdentityStatement(
            zone=self.id,
            nonce=hello.nonce,
            host=hello.host,
            certificate_sha256=server.certificate,
            roots=[self.trust.current, *self.trust.in_grace, *self.trust.pending],
            time=self.now(),
            trust_version=int(self.now() * 1000) if self.signs_trust_lists else 0,
        )
        signed = self.sign(metadata.IDENTITY_STATEMENT, statement)
        return messages.HelloResponse(self.signer.zone_pub, signed)

    def register(self, asked: messages.RegisterRequest, returning: object) -> tuple[int, Any]:
        self.registers.append(asked)
        if asked.key != self.key.secret and not isinstance(returning, Member):
            return 403, messages.Problem("Forbidden", 403, "The key is not valid.")
        known = returning.id if isinstance(returning, Member) else ""
        member = Member(known or f"device-{len(self.members) + 1}", "", csr=asked.csr)
        member.secret = secrets.token_hex(32)
        self.members[member.id] = member
        return 201, RegisterResponse(
            id=member.id,
            secret=member.secret,
            epoch=7,
            trust_epoch=self.epoch,
            zone=self.id,
            zone_name=self.name,
            zone_pub=self.signer.zone_pub,
            time=self.now(),
            approved=self.approved,
            trust=self.trust,
            servers=self.addresses(),
            refresh_s=self.refresh_s,
            server_id="id-s1",
            trust_list=self.build_trust_list() if self.signs_trust_lists else None,
        )

    def authenticated(
        self, method: str, path: str, body: bytes, headers: Any
    ) -> Member | messages.Problem:
        credentials = authentication.parse_header(headers.get("Authorization", ""))
        known = self.members
        if path == "/zac/v1/register":
            known = {**self.former, **known}
        member = known.get(credentials.device)
        if member is None:
            return messages.Problem("Unauthorized", 401, "The device is unknown.")
        if not authentication.verify(
            credentials, member.secret, method=method, path=path, body=body
        ):
            return messages.Problem("Unauthorized", 401, "The signature is wrong.")
        if credentials.counter <= member.counter:
            return messages.Problem("Unauthorized", 401, "Replayed.", type="counter")
        member.counter = credentials.counter
        return member

    def call(self, member: Member, method: str, path: str, body: bytes) -> tuple[int, Any]:
        parts = path.split("/")
        if path == "/zac/v1/refresh":
            self.refreshes.append(json_codec.load(messages.RefreshRequest, body))
            return 200, records.replace(
                self.offer,
                time=self.now(),
                approved=self.approved,
                refresh_s=self.refresh_s,
                trust=self.trust,
                servers=self.addresses(),
                server_id="id-s1",
                trust_list=self.build_trust_list() if self.signs_trust_lists else None,
            )
        if path == "/zac/v1/unregister":
            self.former[member.id] = self.members.pop(member.id)
            return 204, None
        if parts[-1] in ("csr", "certificate"):
            return self.certificate(parts[-2], method, body)
        if parts[-1] == self.paths["order"] and parts[-2] in self.orders:
            return 200, self.orders[parts[-2]]
        return self.store_report(parts[-2], parts[-1], body)

    def store_report(self, update: str, kind: str, body: bytes) -> tuple[int, Any]:
        if kind == "status":
            self.reports.append((update, json_codec.load(StatusReport, body)))
        elif kind == self.paths["preflight"]:
            self.preflight_reports.append(json_codec.load(PreflightReport, body))
        else:
            return 404, None
        return 204, None

    def certificate(self, update: str, method: str, body: bytes) -> tuple[int, Any]:
        if method == "POST":
            self.requests.append((update, json_codec.load(update_messages.CsrRequest, body)))
            return 202, {}
        found = self.answers.get(update)
        return (404, None) if found is None else (200, found)


@contextlib.contextmanager
def running(folder: Path, *names: str) -> Iterator[Zone]:
    """Run a zone with one Primary Server per name."""
    zone = Zone(folder)
    zone.servers = [Server(zone, folder, name) for name in names or ("s1",)]
    try:
        yield zone
    finally:
        for server in zone.servers:
            server.close()


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a journal."""
    return [json.loads(line) for line in path.read_text().splitlines()]


__all__ = ["ADDRESS", "Server", "Signer", "Zone", "read_lines", "running"]
