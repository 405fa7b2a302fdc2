"""The command approve_roles."""

from __future__ import annotations

import getpass
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from administrators.approvals import role_requests
from administrators.models import roles_of
from audit.chain.actor import Actor, acting_as
from faults import Fault


class Command(BaseCommand):
    """Approve the requested roles of an administrator on a Primary Server."""

    help = (
        "Approve the requested roles of an administrator. Use it if two-administrator approval is "
        "on, and no other administrator can approve."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME")

    def handle(self, *_: Any, **options: Any) -> None:
        name = options["name"]
        user = User.objects.filter(username=name).first()
        if user is None:
            raise CommandError(f"No administrator is named {name}.")
        try:
            with acting_as(Actor(f"system user {getpass.getuser()}")):
                role_requests.approve(user.pk, by=None, now=timezone.now())
        except Fault as fault:
            raise CommandError(str(fault)) from fault
        labels = ", ".join(str(role.label) for role in roles_of(User.objects.get(pk=user.pk)))
        self.stdout.write(f"{name} now has the roles: {labels}.")
