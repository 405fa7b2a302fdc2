"""Create a zone on this host, for the command create_zone and the setup pages.

The agent of this host generates the keys, and they stay there. With an external CA, the certificate
of the first server must be issued before anything is stored in the database.

See: manual 1.2; D-58
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
from django.utils.translation import gettext as _

from certificates.authority import bootstrap
from certificates.future_ca import new_zone
from devices.identity import zone_keys
from devices.models import Zone
from devices.registration import server_names, validation
from faults import Conflict, Fault, Invalid, Unavailable
from pki.chains import chains
from pki.formats import bundles
from wire import json_codec, messages
from zcc.rows import stamping
from zcc.runtime import agent

MAX_NAME_LENGTH = 64
# Keys and CSR of the first server until the zone is created.
PREPARED_FILE = "prepared.json"


@dataclass(frozen=True)
class FirstServer:
    """The first Primary Server: names, addresses, ports, and the data directory of its agent."""

    name: str
    fqdn: str
    addresses: list[str]
    port: int
    content_port: int
    preflight_port: int
    home: Path

    def arguments(self) -> list[str]:
        """Return the arguments of `zac adopt` that describe the server."""
        arguments = ["--name", self.name, "--fqdn", self.fqdn]
        for address in self.addresses:
            arguments += ["--address", address]
        for port in ("port", "content_port", "preflight_port"):
            arguments += [f"--{port.replace('_', '-')}", str(getattr(self, port))]
        return arguments

    def check(self) -> None:
        """Raise Invalid for names and addresses that a certificate cannot contain."""
        server_names.check_server_name(self.fqdn)
        if not self.addresses:
            raise Invalid(_("No IP address was specified for the server."), field="addresses")
        validation.check_request(
            messages.RegisterRequest(
                name=self.name,
                role=messages.MANAGED,
                agent="",
                addresses=self.addresses,
                port=self.port,
                content_port=self.content_port,
                preflight_port=self.preflight_port,
            )
        )
        for address in self.addresses:
            server_names.check_server_address(address)


@dataclass(frozen=True)
class Administrator:
    """The first administrator. Without a password, a setup link is created."""

    username: str
    password: str = ""

    def check(self) -> None:
        """Raise Invalid for an empty name or a password that is not allowed."""
        if not self.username.strip():
            raise Invalid(_("Enter a name for the first administrator."), field="username")
        if not self.password:
            return
        try:
            validate_password(self.password, User(username=self.username))
        except ValidationError as error:
            raise Invalid(" ".join(error.messages), field="password") from error


def check_name(name: str) -> None:
    """Raise Invalid if a zone name is empty or too long."""
    if not name.strip() or len(name) > MAX_NAME_LENGTH:
        raise Invalid(
            _("A zone name must have 1 to %(max)s characters.") % {"max": MAX_NAME_LENGTH},
            field="name",
        )


def check_no_zone(home: Path) -> None:
    """Raise Conflict if the database contains a zone, or if this host belongs to one."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise Unavailable(
            _("The database schema has not been created. Nothing was changed."),
            action=_("Run: manage.py migrate"),
        )
    if Zone.objects.exists():
        raise Conflict(
            _("This database already contains a zone. Nothing was changed."),
            action=(
                _("Register this server in the existing zone (zac reg), or use an empty database.")
            ),
        )
    if (home / "device.json").exists():
        raise Conflict(
            _("The agent in %(home)s already belongs to a zone. Nothing was changed.")
            % {"home": home},
            action=(
                _(
                    "Use a different directory (ZCC_SERVER_HOME). If the old zone no longer "
                    "exists, delete this directory."
                )
            ),
        )


def prepare_server(server: FirstServer, *, key_file: Path | None = None) -> dict[str, Any]:
    """Have the agent generate keys and a CSR. Repeated for the same server, return the same."""
    server.check()
    path = server.home / PREPARED_FILE
    key = ("--server-key", str(key_file.absolute())) if key_file else ()
    arguments = [*server.arguments(), *key]
    if path.exists():
        earlier: dict[str, Any] = json.loads(path.read_text())
        if earlier.get("facts") == arguments:
            return earlier
    output = agent.run_agent(server.home, "adopt", "--prepare", *arguments)
    prepared = {**json.loads(output), "facts": arguments}
    write_private(path, prepared)
    return prepared


def read_ca_certificates(data: bytes) -> tuple[str, list[str]]:
    """Return the root and intermediate certificates of an external CA."""
    return chains.split_root(bundles.parse_certificates(data))


def check_external_ca(authority: bytes, fqdn: str) -> None:
    """Raise a fault if an external CA cannot issue a certificate for the first server."""
    chains.split_root(bundles.parse_certificates(authority), hosts=[fqdn])


def read_external_ca(authority: bytes, certificate: bytes) -> bootstrap.ExternalCA:
    """Return an external CA with the certificate of the first server, from uploaded files."""
    root, intermediates = read_ca_certificates(authority)
    return bootstrap.ExternalCA(root, intermediates, bundles.parse_certificates(certificate))


def create_zone(
    request: bootstrap.ZoneRequest,
    server: FirstServer,
    administrator: Administrator,
    *,
    key_file: Path | None = None,
    values: dict[str, int] | None = None,
) -> list[str]:
    """Create the zone, its CA, first server, and administrator. Return warnings."""
    check_name(request.name)
    if request.subordinate and request.external is not None:
        raise Invalid(
            _("A zone CA cannot be external and subordinate. Nothing was changed."), field="kind"
        )
    administrator.check()
    check_no_zone(server.home)
    prepared = prepare_server(server, key_file=key_file)
    with transaction.atomic():
        created = bootstrap.create_zone(
            request, _build_request(server, prepared), now=timezone.now(), settings=values or {}
        )
        owner = get_user_model().objects.create_superuser(
            username=administrator.username, password=administrator.password or None
        )
        finish = {
            "registered": json.loads(json_codec.dump(created.registered)),
            "chain": created.chain,
        }
        agent.run_agent(server.home, "adopt", "--finish", stdin=json.dumps(finish))
        zone_keys.clear_cache()
        stamping.require_macs()
        if request.subordinate:
            new_zone.request_certificate(
                zone_keys.get_keyring().get_server(),
                subject=request.subject or request.name,
                key_length=request.key_length,
                by=owner,
                now=timezone.now(),
            )
    (server.home / PREPARED_FILE).unlink(missing_ok=True)
    return created.warnings


def _build_request(server: FirstServer, prepared: dict[str, Any]) -> messages.RegisterRequest:
    return messages.RegisterRequest(
        name=server.name,
        role=messages.PRIMARY,
        agent=prepared.get("agent", settings.VERSION),
        os=f"{platform.system()} {platform.release()}",
        addresses=server.addresses,
        fqdn=server.fqdn,
        csr=prepared["csr"],
        vault_keys=json_codec.build(messages.VaultKeys, prepared["vault_keys"], "vault_keys"),
        features=prepared.get("features", []),
        port=server.port,
        content_port=server.content_port,
        preflight_port=server.preflight_port,
    )


def generate_password() -> str:
    """Return a random password."""
    return secrets.token_urlsafe(15)


def read_file(path: Path) -> bytes:
    """Return the content of a file. Raises Invalid if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise Invalid(
            _("Cannot read %(path)s: %(reason)s. Nothing was changed.")
            % {"path": path, "reason": error.strerror}
        ) from error


def write_private(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON file that only its owner can read. An existing file is replaced."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(value, file, indent=2)
        part.replace(path)
    except OSError as error:
        raise Fault(
            _("Cannot write %(path)s: %(reason)s.") % {"path": path, "reason": error.strerror}
        ) from error
