"""Print a set-up link for an administrator: the way back in when nobody else can help (S-83)."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from administrators.accounts import accounts
from administrators.login import second_factor
from devices.identity import zone_keys
from faults import Fault


class Command(BaseCommand):
    """Make a set-up link on the server itself; the old password opens nothing any more."""

    help = (
        "Print a link with which an administrator chooses a new password, once, within 24 hours. "
        "Whoever may run this command may do everything already; the ledger tells of it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="user name of the administrator")
        parser.add_argument(
            "--without-second-factor", action="store_true", help="remove the second factor, too"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["name"]).first()
        if user is None:
            raise CommandError(f"There is no administrator {options['name']}.")
        try:
            with transaction.atomic():
                if options["without_second_factor"] and second_factor.is_on(user):
                    accounts.reset_second_factor(user.pk, by=user)
                text = accounts.new_setup_link(user.pk, by=user, now=timezone.now())
            server = zone_keys.here().server()
        except Fault as fault:
            raise CommandError(str(fault)) from fault
        there = reverse("administrators:set_up", args=[text])
        self.stdout.write(f"{server.address(server.port, 'https')}{there}")
