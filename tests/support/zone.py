"""A small zone in one test: real keys, real database, the agent API, and devices that use it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.test import Client
from django.utils import timezone

from certificates.authority import bootstrap
from devices.identity import zone_keys
from devices.models import Device, Zone
from devices.registration import keys as registration_keys
from devices.registration.key_limits import NO_LIMITS, KeyLimits
from pki import keys, names
from pki.formats import csr
from pki.protection import sealing
from wire import authentication, json_codec, messages, server_files, update_messages
from zac import RELEASE
from zcc.rows import stamping

ZONE_NAME = "TEST-ZONE"
# What the keys of test zones approve.
LIMITS = KeyLimits(("test.example",), ("127.0.0.0/8", "10.0.0.0/8", "2001:db8::/32"))
DEMO = {"refresh_seconds": 60, "lead_time_seconds": 60, "freeze_seconds": 30}


@dataclass
class Host:
    """A device with identity, key, and counter; it signs its requests."""

    name: str
    role: str
    address: str
    key_pem: str = ""
    id: str = ""
    secret: str = ""
    counter: int = 0
    answer: dict[str, Any] = field(default_factory=dict)
    client: Client = field(default_factory=Client)
    home: Path | None = None
    vaults: tuple[Any, Any] | None = None

    @property
    def guid(self) -> UUID:
        return UUID(self.id)

    @property
    def fqdn(self) -> str:
        return f"{self.name}.test.example"

    def send(
        self, method: str, path: str, message: Any = None, forge: dict[str, Any] | None = None
    ) -> Any:
        """Send one signed call; `forge` overrides parts of what is signed."""
        body = json_codec.dump(message) if message is not None else b""
        self.counter += 1
        values = {
            "device": self.id,
            "counter": self.counter,
            "method": method,
            "path": path,
            "body": body,
            **(forge or {}),
        }
        credentials = authentication.sign(values.pop("secret", self.secret), **values)
        return self.client.generic(
            method,
            path,
            body,
            content_type="application/json",
            secure=True,
            HTTP_AUTHORIZATION=credentials.header(),
        )

    def refresh(self, **said: Any) -> dict[str, Any]:
        """Refresh and return the answer."""
        told = messages.RefreshRequest(time=0.0, agent=RELEASE, **said)
        response = self.send("POST", "/zac/v1/refresh", told)
        assert response.status_code == 200, response.content
        self.answer = json.loads(response.content)
        return self.answer

    def report(self, update: str, state: str, attempt: int = 1) -> None:
        """Report how an update fares."""
        said = messages.StatusReport(state=state, step=state, attempt=attempt, at=0.0)
        response = self.send("POST", f"/zac/v1/updates/{update}/status", said)
        assert response.status_code == 204, response.content

    def request_certificate(self, update: str) -> None:
        """Send a fresh CSR for one update, as the server's agent does."""
        self.key_pem = keys.generate_key(256)
        pem = csr.build_csr(self.key_pem, names.Subject(self.fqdn), names.Names((self.fqdn,), ()))
        path = f"/zac/v1/updates/{update}/csr"
        said = json.loads(self.send("GET", path).content)
        response = self.send(
            "POST", path, update_messages.CsrRequest(csr=pem, generation=said["generation"])
        )
        assert response.status_code == 202, response.content

    def registration(self, key: str = "") -> messages.RegisterRequest:
        """Return what this host says to register."""
        certified = self.role in messages.CERTIFIED_ROLES
        pem = ""
        if certified:
            self.key_pem = self.key_pem or keys.generate_key(256)
            own = names.Names((self.fqdn,), (self.address,))
            subject = names.Subject(csr.choose_common_name(self.fqdn, own))
            pem = csr.build_csr(self.key_pem, subject, own)
        vault = self.vaults = (sealing.generate_vault_key(), sealing.generate_vault_key())
        return messages.RegisterRequest(
            name=self.name,
            role=self.role,
            agent=RELEASE,
            addresses=[self.address],
            fqdn=self.fqdn,
            key=key or None,
            csr=pem or None,
            vault_keys=messages.VaultKeys(vault[0].public, vault[1].public)
            if self.role == messages.PRIMARY
            else None,
            port=8443 if certified else 0,
            content_port=8080 if self.role in messages.CONTENT_ROLES else 0,
            preflight_port=8444 if certified else 0,
        )


@dataclass
class TestZone:
    """A zone in a folder; the data directory of its first server contains the vault keys."""

    __test__ = False
    home: Path
    first: Host
    hosts: dict[str, Host] = field(default_factory=dict)

    @property
    def zone(self) -> Zone:
        return Zone.objects.get_zone()

    def join(self, name: str, role: str = messages.MANAGED, address: str = "127.9.0.9") -> Host:
        """Register one more device through the agent API."""
        host = Host(name, role, address)
        key = registration_keys.create_registration_key(
            zone_keys.get_public_key(self.zone),
            label=name,
            role=role,
            uses=1,
            approves=True,
            expires_at=None,
            limits=NO_LIMITS if role == messages.MANAGED else LIMITS,
        )
        said = host.registration(key.secret)
        response = host.client.generic(
            "POST",
            "/zac/v1/register",
            json_codec.dump(said),
            content_type="application/json",
            secure=True,
        )
        assert response.status_code == 201, response.content
        answer = json.loads(response.content)
        host.id, host.secret, host.answer = answer["id"], answer["secret"], answer
        self.hosts[name] = host
        if role == messages.PRIMARY:
            self._settle(host)
        return host

    def _settle(self, host: Host) -> None:
        """Give a Primary Server its home with its vault keys, and the zone's keys."""
        assert host.vaults is not None
        # One that was installed anew begins with an empty home.
        host.home = self.home.parent / f"{host.name}-{len(list(self.home.parent.iterdir()))}"
        _write_vault(host.home, *host.vaults)
        (host.home / "device.json").write_text(json.dumps({"id": host.id}))
        zone_keys.get_keyring().share_with(self.device(host))

    @contextmanager
    def on(self, host: Host) -> Iterator[None]:
        """Let this process be a worker of another Primary Server for a while."""
        before = settings.SERVER_HOME
        settings.SERVER_HOME = host.home
        zone_keys.clear_cache()
        try:
            yield
        finally:
            settings.SERVER_HOME = before
            zone_keys.clear_cache()

    def device(self, host: Host) -> Device:
        """Return the row of a host."""
        return Device.objects.get(pk=host.id)


def _write_vault(home: Path, vault: Any, ca_vault: Any) -> None:
    for name, key in (
        (server_files.VAULT_KEY, vault),
        (server_files.ca_vault_key_path(home), ca_vault),
    ):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        sealing.write_private_file(home / name, key.private)


def found(
    home: Path,
    *,
    now: datetime | None = None,
    order: bootstrap.ZoneRequest | None = None,
    **values: int,
) -> TestZone:
    """Create a zone as create_zone does, with the agent's steps performed here.

    A zone founded long ago has a CA that expires soon, or has expired.
    """
    first = Host("ps-01", messages.PRIMARY, "127.9.0.1")
    said = first.registration()
    vault, ca_vault = sealing.generate_vault_key(), sealing.generate_vault_key()
    _write_vault(home, vault, ca_vault)
    said = messages.RegisterRequest(
        **{**said.__dict__, "vault_keys": messages.VaultKeys(vault.public, ca_vault.public)}
    )
    first.home = home
    founded = bootstrap.create_zone(
        order or bootstrap.ZoneRequest(ZONE_NAME),
        said,
        now=now or timezone.now(),
        settings={**DEMO, **values},
    )
    first.id, first.secret = founded.registered.id, founded.registered.secret
    (home / "device.json").write_text(json.dumps({"id": first.id}))
    generation = home / "security" / "gen-1"
    generation.mkdir(parents=True)
    (generation / "server.pem").write_text(founded.chain)
    (home / "security" / "current").symlink_to("gen-1")
    zone_keys.clear_cache()
    stamping.require_macs()
    return TestZone(home, first, {"ps-01": first})
