"""Create a zone: its keys, its CA, its first Primary Server, its first administrator (R006)."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
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
from certificates.authority.bootstrap import External, ZoneOrder
from console.access.api_tokens import RIGHTS
from devices.identity import zone_keys
from devices.models import Zone
from devices.registration import registration
from faults import Fault, Invalid
from wire import messages
from zcc.runtime import environment
from zcc.setup import bootstrap

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

    help = (
        "Create a zone with an internal or an external CA, its first Primary Server and its first "
        "administrator. What is not given is asked for, or taken from ZCC_SERVER_NAME, "
        "ZCC_SERVER_FQDN, ZCC_SERVER_ADDRESSES, ZCC_PORT, ZCC_CONTENT_PORT, ZCC_REHEARSAL_PORT."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        text, number = environment.text, environment.number
        parser.add_argument("--name", default="", help="name of the zone")
        parser.add_argument("--subject", default="", help="subject of the CA (default: zone name)")
        parser.add_argument("--key-length", type=int, default=256)
        parser.add_argument("--years", type=int, default=10)
        parser.add_argument("--server-name", default=text("ZCC_SERVER_NAME"))
        parser.add_argument("--fqdn", default=text("ZCC_SERVER_FQDN"))
        parser.add_argument("--address", action="append")
        for option, usual in (("port", 8443), ("content-port", 8080), ("rehearsal-port", 8444)):
            name = f"ZCC_{option.replace('-', '_').upper()}"
            known = number(name, usual, least=1, most=65535)
            parser.add_argument(f"--{option}", type=int, default=known)
        parser.add_argument("--home", type=Path, default=settings.SERVER_HOME)
        parser.add_argument("--admin", default="admin")
        parser.add_argument(
            "--admin-password-file",
            type=Path,
            help="file with the first password; without it a set-up link is printed",
        )
        parser.add_argument(
            "--external-ca", type=Path, help="root (and intermediates) of an external CA"
        )
        parser.add_argument(
            "--server-certificate",
            type=Path,
            help="this server's certificate from the external CA; without it the CSR is written",
        )
        parser.add_argument(
            "--server-key",
            type=Path,
            help="key of that certificate, if it was not issued for the CSR of this command",
        )
        parser.add_argument("--demo", action="store_true", help="short times, keys for a demo zone")

    def handle(self, **options: Any) -> None:
        try:
            self._ask(options)
            self._run(options)
        except Fault as fault:
            raise CommandError(str(fault)) from fault

    def _ask(self, options: dict[str, Any]) -> None:
        """Ask for what was not given, if somebody is there to answer."""
        options["address"] = options["address"] or environment.items("ZCC_SERVER_ADDRESSES")
        wanted = {
            "name": "Name of the zone",
            "server_name": "Name of this server",
            "fqdn": "Its full DNS name",
            "address": "Its IP addresses (separated by commas)",
        }
        for option, question in wanted.items():
            if options[option]:
                continue
            if not sys.stdin.isatty():
                flag = f"--{option.replace('_', '-')}"
                raise Invalid(f"{flag} is missing. Nothing was changed.")
            answer = input(f"{question}: ").strip()
            parts = [part.strip() for part in answer.split(",") if part.strip()]
            options[option] = parts if option == "address" else answer

    def _run(self, options: dict[str, Any]) -> None:
        place = _place(options)
        bootstrap.check_name(options["name"])
        bootstrap.check_fresh(place.home)
        if options["external_ca"] and not options["server_certificate"]:
            self._write_csr(options, place)
            return
        password = _password(options)
        found = _external(options)
        order = ZoneOrder(
            options["name"],
            options["subject"],
            options["key_length"],
            options["years"],
            external=found,
        )
        administrator = bootstrap.Administrator(options["admin"], password)
        values = DEMO if options["demo"] else {}
        with transaction.atomic():
            warnings = bootstrap.begin(
                order, place, administrator, key_file=options["server_key"], values=values
            )
            extra = _open_demo(administrator) if options["demo"] else {}
            link = "" if password else _set_up_link(administrator)
        for warning in warnings:
            self.stdout.write(f"Warning: {warning}")
        self._write_access(options, password, extra)
        if link:
            self.stdout.write(
                f"Choose the password of {administrator.username} at "
                f"{_url(options)}/set-up/{link}/ . The link opens once, within 24 hours, and is "
                "kept nowhere; manage.py set_up_link makes another one."
            )

    def _write_csr(self, options: dict[str, Any], place: bootstrap.Place) -> None:
        """Hand the CSR out; the zone is created once the external CA has answered."""
        bootstrap.read_authority(bootstrap.read_file(options["external_ca"]))
        prepared = bootstrap.prepare(place)
        path = settings.ZCC_HOME / f"{place.fqdn}.csr"
        path.write_text(prepared["csr"])
        self.stdout.write(
            f"The CSR of this server is in {path}. Its key is on this server and stays here. Have "
            "it signed by the external CA, then run this command again with the same arguments "
            "and --server-certificate FILE. Nothing else was changed."
        )

    def _write_access(self, options: dict[str, Any], password: str, extra: dict[str, str]) -> None:
        """Tell where to log in; a demo zone's password is in access.json, for its owner alone."""
        url = _url(options)
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
        named = "name and password are" if "password" in value else "the name is"
        self.stdout.write(f"Zone {options['name']} created. Log in at {url}; {named} in {access}.")


def _place(options: dict[str, Any]) -> bootstrap.Place:
    return bootstrap.Place(
        name=options["server_name"],
        fqdn=options["fqdn"],
        addresses=options["address"],
        port=options["port"],
        content_port=options["content_port"],
        rehearsal_port=options["rehearsal_port"],
        home=Path(options["home"]),
    )


def _external(options: dict[str, Any]) -> External | None:
    if not options["external_ca"]:
        if options["server_certificate"] or options["server_key"]:
            raise Invalid(
                "--server-certificate and --server-key belong to an external CA."
                " Nothing was changed.",
                action="Give the CA's root and intermediates with --external-ca, too.",
            )
        return None
    return bootstrap.external(
        bootstrap.read_file(options["external_ca"]),
        bootstrap.read_file(options["server_certificate"]),
    )


def _url(options: dict[str, Any]) -> str:
    return f"https://{options['address'][0]}:{options['port']}"


def _password(options: dict[str, Any]) -> str:
    """Return the first password: given, made for a demo zone, "" where a link takes its place."""
    path = options["admin_password_file"]
    if path is None:
        return bootstrap.make_password() if options["demo"] else ""
    password = bootstrap.read_file(path).decode().strip()
    if not password:
        raise Invalid(f"{path} is empty. Nothing was changed.")
    return password


def _set_up_link(administrator: bootstrap.Administrator) -> str:
    owner = get_user_model().objects.get(username=administrator.username)
    Entry.objects.record("set-up-link", f"auth.User:{owner.pk}", note=owner.username)
    return setup_links.make(owner, now=timezone.now())


def _open_demo(administrator: bootstrap.Administrator) -> dict[str, str]:
    """Make what a demo zone's own devices and scripts need: registration keys and a token."""
    public = zone_keys.zone_public(Zone.objects.the())
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
    bootstrap.write_private(settings.ZCC_HOME / "registration-keys.json", found)
    owner = get_user_model().objects.get(username=administrator.username)
    _token, text = tokens.make(owner, "demo zone", rights=list(RIGHTS), expires_at=None)
    return {"api_token": text}
