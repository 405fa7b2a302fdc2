"""The command create_zone."""

from __future__ import annotations

import sys
from argparse import SUPPRESS, ArgumentParser
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from administrators.accounts import setup_links
from administrators.api_tokens import tokens
from audit.models import Entry
from certificates.authority.bootstrap import ExternalCA, ZoneRequest
from console.access.api_tokens import RIGHTS
from devices.identity import zone_keys
from devices.models import Zone
from devices.registration import keys as registration_keys
from devices.registration.key_limits import NO_LIMITS, KeyLimits
from faults import Fault, Invalid
from wire import messages
from zcc.runtime import environment
from zcc.setup import bootstrap

# Short intervals, so that a complete CA change takes only a few minutes.
DEMO = {
    "refresh_seconds": 4,
    "primary_replication_seconds": 5,
    "satellite_replication_seconds": 5,
    "lead_time_seconds": 60,
    "freeze_seconds": 15,
}


# The usual network of a demo zone.
LOOPBACK = "127.0.0.0/8"


class Command(BaseCommand):
    """Create a zone, its CA, first Primary Server, and administrator in an empty database."""

    help = (
        "Create a zone with an internal, subordinate, or external CA, a first Primary "
        "Server, and a first administrator. Values that you do not specify are "
        "read from ZCC_SERVER_NAME, ZCC_SERVER_FQDN, ZCC_SERVER_ADDRESSES, "
        "ZCC_PORT, ZCC_CONTENT_PORT, and ZCC_PREFLIGHT_PORT, or you are "
        "prompted for them."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        text = environment.text
        parser.add_argument("--name", default="", help="zone name")
        parser.add_argument("--subject", default="", help="subject of the CA (default: zone name)")
        parser.add_argument("--key-length", type=int, default=256)
        parser.add_argument("--years", type=int, default=10)
        parser.add_argument("--server-name", default=text("ZCC_SERVER_NAME"))
        parser.add_argument("--fqdn", default=text("ZCC_SERVER_FQDN"))
        parser.add_argument("--address", action="append")
        for name, port in environment.ports().items():
            parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=port)
        parser.add_argument(  # the name of the previous release
            "--rehearsal-port", dest="preflight_port", type=int, default=SUPPRESS, help=SUPPRESS
        )
        parser.add_argument("--home", type=Path, default=settings.SERVER_HOME)
        parser.add_argument("--admin", default="admin")
        parser.add_argument(
            "--admin-password-file",
            type=Path,
            help=("file that contains the first password (default: print a setup link)"),
        )
        parser.add_argument(
            "--external-ca",
            type=Path,
            help=("root and intermediate certificates of an external CA"),
        )
        parser.add_argument(
            "--subordinate-ca",
            action="store_true",
            help=(
                "also start Change CA to a subordinate CA, whose CSR is signed by your corporate CA"
            ),
        )
        parser.add_argument(
            "--server-certificate",
            type=Path,
            help=(
                "this server's certificate issued by the external CA "
                "(default: write a CSR and exit)"
            ),
        )
        parser.add_argument(
            "--server-key",
            type=Path,
            help=(
                "private key of that certificate, if it was not issued for "
                "the CSR from this command"
            ),
        )
        parser.add_argument(
            "--demo",
            action="store_true",
            help=("create a demo zone with short intervals and registration keys"),
        )

    def handle(self, **options: Any) -> None:
        try:
            self._prompt(options)
            self._run(options)
        except Fault as fault:
            raise CommandError(str(fault)) from fault

    def _prompt(self, options: dict[str, Any]) -> None:
        """Prompt for missing values if the terminal is interactive."""
        options["address"] = options["address"] or environment.items("ZCC_SERVER_ADDRESSES")
        questions = {
            "name": "Zone name",
            "server_name": "Server name",
            "fqdn": "Fully qualified domain name of the server",
            "address": "IP addresses of the server (separated by commas)",
        }
        for option, question in questions.items():
            if options[option]:
                continue
            if not sys.stdin.isatty():
                flag = f"--{option.replace('_', '-')}"
                raise Invalid(f"{flag} is missing. Nothing was changed.")
            answer = input(f"{question}: ").strip()
            parts = [part.strip() for part in answer.split(",") if part.strip()]
            options[option] = parts if option == "address" else answer

    def _run(self, options: dict[str, Any]) -> None:
        server = _build_server(options)
        bootstrap.check_name(options["name"])
        bootstrap.check_no_zone(server.home)
        if options["external_ca"] and options["subordinate_ca"]:
            raise Invalid(
                "--external-ca and --subordinate-ca exclude each other. Nothing was changed."
            )
        if options["external_ca"] and not options["server_certificate"]:
            self._write_csr(options, server)
            return
        password = _get_password(options)
        request = ZoneRequest(
            options["name"],
            options["subject"],
            options["key_length"],
            options["years"],
            external=_read_external_ca(options),
            subordinate=options["subordinate_ca"],
        )
        administrator = bootstrap.Administrator(options["admin"], password)
        values = DEMO if options["demo"] else {}
        with transaction.atomic():
            warnings = bootstrap.create_zone(
                request, server, administrator, key_file=options["server_key"], values=values
            )
            extra = _create_demo_access(administrator, server) if options["demo"] else {}
            link = "" if password else _create_setup_link(administrator)
        for warning in warnings:
            self.stdout.write(f"Warning: {warning}")
        self._write_access(options, password, extra)
        if request.subordinate:
            self.stdout.write(
                "Change CA to a subordinate CA is waiting for the certificate of the new zone CA. "
                "Start the zone, download the CSR in the console, have it signed by your "
                "corporate CA, and import the certificate with its chain. Until then, the zone "
                "uses an internal CA."
            )
        if link:
            self.stdout.write(
                f"Set the password for {administrator.username} at "
                f"{_get_url(options)}{link} . The link can be used once "
                "and expires after 24 hours. It is not stored. To create a new "
                "link, run manage.py setup_link."
            )

    def _write_csr(self, options: dict[str, Any], server: bootstrap.FirstServer) -> None:
        """Write the CSR. The zone is created when the certificate is specified."""
        bootstrap.check_external_ca(bootstrap.read_file(options["external_ca"]), server.fqdn)
        prepared = bootstrap.prepare_server(server)
        path = settings.ZCC_HOME / f"{server.fqdn}.csr"
        path.write_text(prepared["csr"])
        self.stdout.write(
            f"The CSR for this server is in {path}. The private key does not "
            "leave this server. Have the CSR signed by the external CA, then "
            "run this command again with the same arguments and "
            "--server-certificate FILE. Nothing else was changed."
        )

    def _write_access(self, options: dict[str, Any], password: str, extra: dict[str, str]) -> None:
        """Write access.json, which only its owner can read and which has a demo zone's password."""
        url = _get_url(options)
        access = settings.ZCC_HOME / "access.json"
        value = {
            "url": url,
            "username": options["admin"],
            "ca_file": str(Path(options["home"]) / "security" / "current" / "ca.pem"),
            **extra,
        }
        if options["demo"] and options["admin_password_file"] is None:
            value["password"] = password
        bootstrap.write_private(access, value)
        contents = "the user name and password are" if "password" in value else "the user name is"
        self.stdout.write(
            f"Created zone {options['name']}. Log in at {url}; {contents} in {access}."
        )


def _build_server(options: dict[str, Any]) -> bootstrap.FirstServer:
    return bootstrap.FirstServer(
        name=options["server_name"],
        fqdn=options["fqdn"],
        addresses=options["address"],
        port=options["port"],
        content_port=options["content_port"],
        preflight_port=options["preflight_port"],
        home=Path(options["home"]),
    )


def _read_external_ca(options: dict[str, Any]) -> ExternalCA | None:
    if not options["external_ca"]:
        if options["server_certificate"] or options["server_key"]:
            raise Invalid(
                "--server-certificate and --server-key can be used only with "
                "an external CA. Nothing was changed.",
                action=("Also specify the root and intermediate certificates with --external-ca."),
            )
        return None
    return bootstrap.read_external_ca(
        bootstrap.read_file(options["external_ca"]),
        bootstrap.read_file(options["server_certificate"]),
    )


def _get_url(options: dict[str, Any]) -> str:
    return f"https://{options['address'][0]}:{options['port']}"


def _get_password(options: dict[str, Any]) -> str:
    """Return the password: from a file, generated for a demo zone, or "" for a setup link."""
    path = options["admin_password_file"]
    if path is None:
        return bootstrap.generate_password() if options["demo"] else ""
    password = bootstrap.read_file(path).decode().strip()
    if not password:
        raise Invalid(f"{path} is empty. Nothing was changed.")
    return password


def _create_setup_link(administrator: bootstrap.Administrator) -> str:
    """Return the path of a new setup link."""
    owner = get_user_model().objects.get(username=administrator.username)
    Entry.objects.record("set-up-link", f"auth.User:{owner.pk}", note=owner.username)
    link = setup_links.create_link(owner, now=timezone.now())
    return setup_links.build_path(link)


def _build_demo_limits(server: bootstrap.FirstServer) -> KeyLimits:
    """Return what the keys of a demo zone approve: hosts in the domain and networks of a server."""
    parent = server.fqdn.partition(".")[2]
    lengths = [(text, 64 if ":" in text else 24) for text in server.addresses]
    networks = [ip_interface(f"{text}/{length}").network for text, length in lengths]
    return KeyLimits(
        domains=(parent if "." in parent else server.fqdn,),
        networks=(LOOPBACK, *map(str, networks)),
    )


def _create_demo_access(
    administrator: bootstrap.Administrator, server: bootstrap.FirstServer
) -> dict[str, str]:
    """Create registration keys and an API token for the devices and scripts of a demo zone."""
    limits = _build_demo_limits(server)
    public = zone_keys.get_public_key(Zone.objects.get_zone())
    keys = {
        role: str(
            registration_keys.create_registration_key(
                public,
                label=f"demo zone, {role}",
                role=role,
                uses=100_000,
                approves=True,
                expires_at=None,
                limits=NO_LIMITS if role == messages.MANAGED else limits,
            )
        )
        for role in messages.ROLES
    }
    bootstrap.write_private(settings.ZCC_HOME / "registration-keys.json", keys)
    owner = get_user_model().objects.get(username=administrator.username)
    _token, text = tokens.create_token(owner, "demo zone", rights=list(RIGHTS), expires_at=None)
    return {"api_token": text}
