"""Create a zone: its keys, its internal CA, its first Primary Server, its first administrator."""

from __future__ import annotations

import json
import os
import secrets
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from certificates import founding
from console.tokens import RIGHTS
from devices import keyring, registration
from devices.models import Zone
from faults import Fault
from ledger import tokens
from pki import bundles, chains
from wire import messages, shapes
from zcc import agent

# A whole cut-over can be watched in a demo zone: it refreshes every few seconds.
DEMO = {
    "refresh_seconds": 4,
    "primary_replication_seconds": 5,
    "satellite_replication_seconds": 5,
    "lead_seconds": 60,
    "lockout_seconds": 15,
}


class Command(BaseCommand):
    """Create a zone in an empty database."""

    help = "Create a zone with an internal CA, its first Primary Server and administrator."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--name", required=True, help="name of the zone")
        parser.add_argument("--subject", default="", help="subject of the CA (default: zone name)")
        parser.add_argument("--key-length", type=int, default=256)
        parser.add_argument("--years", type=int, default=10)
        parser.add_argument("--server-name", required=True)
        parser.add_argument("--fqdn", required=True)
        parser.add_argument("--address", action="append", required=True)
        parser.add_argument("--port", type=int, default=8443)
        parser.add_argument("--content-port", type=int, default=8080)
        parser.add_argument("--rehearsal-port", type=int, default=8444)
        parser.add_argument("--home", type=Path, default=settings.SERVER_HOME)
        parser.add_argument("--admin", default="admin")
        parser.add_argument(
            "--admin-password-file", type=Path, help="file with the first password (else made)"
        )
        parser.add_argument(
            "--external-ca", type=Path, help="root (and intermediates) of an external CA"
        )
        parser.add_argument(
            "--server-certificate",
            type=Path,
            help="this server's certificate from the external CA; without it the CSR is written",
        )
        parser.add_argument("--demo", action="store_true", help="short times, keys for a demo zone")

    def handle(self, **options: Any) -> None:
        try:
            prepared = self.prepare(options)
            if options["external_ca"] and not options["server_certificate"]:
                self.write_csr(options, prepared["csr"])
                return
            with transaction.atomic():
                password = self.create(options, prepared)
                token = self.create_token(options) if options["demo"] else ""
        except Fault as fault:
            raise CommandError(str(fault)) from fault
        self.write_access(options, password, token)
        self.stdout.write(f"Zone {options['name']} created. Its settings are the manual's.")

    def prepare(self, options: dict[str, Any]) -> dict[str, Any]:
        """Let the agent make its keys and CSR; a second run of the command uses the same ones."""
        home = Path(options["home"])
        kept = home / "prepared.json"
        if not kept.exists():
            made = agent.run(home, "adopt", "--prepare", *self.facts(options))
            kept.write_text(made)
        prepared: dict[str, Any] = json.loads(kept.read_text())
        return prepared

    def write_csr(self, options: dict[str, Any], csr: str) -> None:
        """Hand the CSR out; the zone is created once the external CA has answered."""
        path = settings.ZCC_HOME / f"{options['fqdn']}.csr"
        path.write_text(csr)
        self.stdout.write(
            f"The CSR of this server is in {path}. Have it signed by the external CA, then run "
            "this command again with --server-certificate FILE."
        )

    def external(self, options: dict[str, Any]) -> founding.External | None:
        """Read the files of an external CA."""
        if not options["external_ca"]:
            return None
        root, intermediates = chains.split_root(
            bundles.read_certificates(options["external_ca"].read_bytes())
        )
        certificates = bundles.read_certificates(options["server_certificate"].read_bytes())
        return founding.External(root, intermediates, certificates)

    def create(self, options: dict[str, Any], prepared: dict[str, Any]) -> str:
        """Make everything in one transaction; returns the administrator's password."""
        home = Path(options["home"])
        order = founding.ZoneOrder(
            options["name"],
            options["subject"],
            options["key_length"],
            options["years"],
            external=self.external(options),
        )
        server = messages.Register(
            name=options["server_name"],
            role=messages.PRIMARY,
            agent=prepared.get("agent", settings.VERSION),
            addresses=options["address"],
            fqdn=options["fqdn"],
            csr=prepared["csr"],
            vault_keys=shapes.build(messages.VaultKeys, prepared["vault_keys"], "vault_keys"),
            features=prepared.get("features", []),
            port=options["port"],
            content_port=options["content_port"],
            rehearsal_port=options["rehearsal_port"],
        )
        founded = founding.found_zone(
            order, server, now=timezone.now(), settings=DEMO if options["demo"] else {}
        )
        password = self.create_administrator(options)
        if options["demo"]:
            self.write_keys()
        finish = {"registered": json.loads(shapes.dump(founded.registered)), "chain": founded.chain}
        agent.run(home, "adopt", "--finish", stdin=json.dumps(finish))
        keyring.forget()
        return password

    def facts(self, options: dict[str, Any]) -> list[str]:
        """Return what the agent must know of its server."""
        facts = ["--name", options["server_name"], "--fqdn", options["fqdn"]]
        for address in options["address"]:
            facts += ["--address", address]
        for port in ("port", "content_port", "rehearsal_port"):
            facts += [f"--{port.replace('_', '-')}", str(options[port])]
        return facts

    def create_administrator(self, options: dict[str, Any]) -> str:
        """Make the first administrator; without a given password a random one is made."""
        path = options["admin_password_file"]
        password = path.read_text().strip() if path else secrets.token_urlsafe(15)
        get_user_model().objects.create_superuser(username=options["admin"], password=password)
        return password

    def create_token(self, options: dict[str, Any]) -> str:
        """Make a token of the REST API for the administrator of a demo zone, with every right."""
        administrator = get_user_model().objects.get(username=options["admin"])
        _token, text = tokens.make(administrator, "demo zone", rights=list(RIGHTS), expires_at=None)
        return text

    def write_keys(self) -> None:
        """Write registration keys of every role for the demo zone's own devices (0600)."""
        public = keyring.zone_public(Zone.objects.the())
        found = {
            role: str(
                registration.make_key(
                    public,
                    label=f"demo zone, {role}",
                    role=role,
                    uses=100_000,
                    approves=True,
                    expires_at=None,
                )
            )
            for role in messages.ROLES
        }
        write_private(settings.ZCC_HOME / "registration-keys.json", found)

    def write_access(self, options: dict[str, Any], password: str, token: str) -> None:
        """Write where and how to log in (0600)."""
        home = Path(options["home"])
        extra = {"api_token": token} if token else {}
        write_private(
            settings.ZCC_HOME / "access.json",
            {
                "url": f"https://{options['address'][0]}:{options['port']}",
                "username": options["admin"],
                "password": password,
                "ca_file": str(home / "security" / "current" / "ca.pem"),
                **extra,
            },
        )


def write_private(path: Path, value: dict[str, str]) -> None:
    """Write a JSON file that its owner alone may read; it replaces an older one."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(value, file, indent=2)
