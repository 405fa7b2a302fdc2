"""The command setup_link, for administrators whom no other administrator can help."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from administrators.accounts import accounts, setup_links
from administrators.login import second_factor
from devices.identity import zone_keys
from faults import Fault


class Command(BaseCommand):
    """Create a setup link on this server. The current password stops working."""

    help = (
        "Print a link that lets an administrator set a new password. The link "
        "can be used once and expires after 24 hours. Use of this command is "
        "recorded in the audit log."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="user name of the administrator")
        parser.add_argument(
            "--reset-2fa", action="store_true", help="also reset two-factor authentication"
        )
        parser.add_argument(  # the name of the previous release
            "--without-second-factor",
            dest="reset_2fa",
            action="store_true",
            default=SUPPRESS,
            help=SUPPRESS,
        )

    def handle(self, *_: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["name"]).first()
        if user is None:
            raise CommandError(f"No administrator is named {options['name']}.")
        try:
            with transaction.atomic():
                if options["reset_2fa"] and second_factor.is_on(user):
                    accounts.reset_second_factor(user.pk, by=user, now=timezone.now())
                text = accounts.create_setup_link(user.pk, by=user, now=timezone.now())
            server = zone_keys.get_keyring().get_server()
        except Fault as fault:
            raise CommandError(str(fault)) from fault
        path = setup_links.build_path(text)
        self.stdout.write(f"{server.get_url(server.port, 'https')}{path}")
