"""Begin a zone on this host: what the command and the first page share (manual, 1.2; R006, R010).

Keys are made by the agent of this host and stay there (D-58). With an external CA the request of
the first server goes out and its certificate comes in before anything is stored.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from certificates.authority import bootstrap
from devices.identity import zone_keys
from devices.models import Zone
from devices.registration import validation
from faults import Conflict, Fault, Invalid, Unavailable
from pki import names
from pki.chains import chains
from pki.formats import bundles
from wire import json_codec, messages
from zcc.runtime import agent

NAME_AT_MOST = 64


@dataclass(frozen=True)
class Place:
    """The first Primary Server: how devices find it, and the home of its agent."""

    name: str
    fqdn: str
    addresses: list[str]
    port: int
    content_port: int
    rehearsal_port: int
    home: Path

    def facts(self) -> list[str]:
        """Return what the agent must know of its server, as arguments."""
        said = ["--name", self.name, "--fqdn", self.fqdn]
        for address in self.addresses:
            said += ["--address", address]
        for port in ("port", "content_port", "rehearsal_port"):
            said += [f"--{port.replace('_', '-')}", str(getattr(self, port))]
        return said

    def check(self) -> None:
        """Refuse names and addresses that no certificate could carry, before a key is made."""
        names.check_fqdn(self.fqdn)
        if not self.addresses:
            raise Invalid("The server has no address.", field="addresses")
        validation.check(
            messages.Register(
                name=self.name,
                role=messages.MANAGED,
                agent="",
                addresses=self.addresses,
                port=self.port,
                content_port=self.content_port,
                rehearsal_port=self.rehearsal_port,
            )
        )


@dataclass(frozen=True)
class Administrator:
    """The first administrator; there is no default account (S-83).

    Without a password here they choose it by a set-up link, which opens once.
    """

    username: str
    password: str = ""

    def check(self) -> None:
        """Refuse an empty name or a password that the rules do not allow."""
        if not self.username.strip():
            raise Invalid("The first administrator needs a name.", field="username")
        if not self.password:
            return
        try:
            validate_password(self.password, User(username=self.username))
        except ValidationError as error:
            raise Invalid(" ".join(error.messages), field="password") from error


def check_name(name: str) -> None:
    """Refuse a zone name that is empty or too long."""
    if not name.strip() or len(name) > NAME_AT_MOST:
        raise Invalid(f"A zone has a name of 1 to {NAME_AT_MOST} characters.", field="name")


def check_fresh(home: Path) -> None:
    """Refuse to begin where a zone is, or where this host belongs to one already."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise Unavailable(
            "The database has not been prepared. Nothing was changed.",
            action="Run: manage.py migrate",
        )
    if Zone.objects.exists():
        raise Conflict(
            "This database already holds a zone. Nothing was changed.",
            action="Let this server join it (zac reg), or use an empty database.",
        )
    if (home / "device.json").exists():
        raise Conflict(
            f"The agent in {home} belongs to a zone already. Nothing was changed.",
            action="Use another home (ZCC_SERVER_HOME), or remove this one if its zone is gone.",
        )


def prepare(place: Place, *, key_file: Path | None = None) -> dict[str, Any]:
    """Let the agent make keys and request; asked again for the same place it answers the same."""
    place.check()
    kept = place.home / "prepared.json"
    facts = [*place.facts(), *(("--server-key", str(key_file.absolute())) if key_file else ())]
    if kept.exists():
        earlier: dict[str, Any] = json.loads(kept.read_text())
        if earlier.get("facts") == facts:
            return earlier
    made = {**json.loads(agent.run(place.home, "adopt", "--prepare", *facts)), "facts": facts}
    write_private(kept, made)
    return made


def read_authority(data: bytes) -> tuple[str, list[str]]:
    """Return root and intermediates of an external CA (D-13, D-14)."""
    return chains.split_root(bundles.read_certificates(data))


def external(authority: bytes, certificate: bytes) -> bootstrap.External:
    """Return an external CA with the first server's certificate, both read from files."""
    root, intermediates = read_authority(authority)
    return bootstrap.External(root, intermediates, bundles.read_certificates(certificate))


def begin(
    order: bootstrap.ZoneOrder,
    place: Place,
    administrator: Administrator,
    *,
    key_file: Path | None = None,
    values: dict[str, int] | None = None,
) -> list[str]:
    """Make zone, CA, first server and administrator, all or nothing; returns warnings."""
    check_name(order.name)
    administrator.check()
    check_fresh(place.home)
    prepared = prepare(place, key_file=key_file)
    with transaction.atomic():
        founded = bootstrap.found_zone(
            order, _server(place, prepared), now=timezone.now(), settings=values or {}
        )
        get_user_model().objects.create_superuser(
            username=administrator.username, password=administrator.password or None
        )
        finish = {
            "registered": json.loads(json_codec.dump(founded.registered)),
            "chain": founded.chain,
        }
        agent.run(place.home, "adopt", "--finish", stdin=json.dumps(finish))
    (place.home / "prepared.json").unlink(missing_ok=True)
    zone_keys.forget()
    return founded.warnings


def _server(place: Place, prepared: dict[str, Any]) -> messages.Register:
    return messages.Register(
        name=place.name,
        role=messages.PRIMARY,
        agent=prepared.get("agent", settings.VERSION),
        os=f"{platform.system()} {platform.release()}",
        addresses=place.addresses,
        fqdn=place.fqdn,
        csr=prepared["csr"],
        vault_keys=json_codec.build(messages.VaultKeys, prepared["vault_keys"], "vault_keys"),
        features=prepared.get("features", []),
        port=place.port,
        content_port=place.content_port,
        rehearsal_port=place.rehearsal_port,
    )


def make_password() -> str:
    """Return a random password."""
    return secrets.token_urlsafe(15)


def read_file(path: Path) -> bytes:
    """Return a file's bytes; a Fault says why it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}. Nothing was changed.") from error


def write_private(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON file that its owner alone may read; it replaces an older one."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(value, file, indent=2)
        part.replace(path)
    except OSError as error:
        raise Fault(f"{path} cannot be written: {error.strerror}.") from error
