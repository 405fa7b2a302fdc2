"""The roles as data, and the rights that each of them gives (D-32, B-21)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from console.access import api_tokens

ADMINISTER = "people.administer"
RIGHTS = api_tokens.RIGHTS
"""What a person may be given, and a token of theirs."""


@dataclass(frozen=True)
class Role:
    """One role: its key, its name, what it is for, and its rights."""

    key: str
    label: str | Promise
    purpose: str | Promise
    rights: frozenset[str]


SUPER = "super-administrator"
ROLES = (
    Role(
        SUPER,
        _("Super Administrator"),
        _("May do everything, and decides who may do what."),
        frozenset(RIGHTS),
    ),
    Role(
        "certificate-administrator",
        _("Certificate Administrator"),
        _("Looks after the zone CA and the server certificates."),
        frozenset(
            {
                "certificates.certificate_authority",
                "systemupdates.deploy_update",
                "devices.change_device",
                "devices.approve_device",
                "devices.change_zone",
                "ledger.view_entry",
                "console.view_metrics",
                "notifications.manage",
            }
        ),
    ),
    Role(
        "deployer",
        _("Deployer"),
        _("Assigns, ignores and redeploys system updates; looks after devices."),
        frozenset({"systemupdates.deploy_update", "devices.change_device"}),
    ),
    Role(
        "auditor",
        _("Auditor"),
        _("Reads the audit log and the metrics, changes nothing."),
        frozenset({"ledger.view_entry", "console.view_metrics"}),
    ),
    Role("viewer", _("Viewer"), _("Sees every page, changes nothing."), frozenset()),
)
BY_KEY = {role.key: role for role in ROLES}


def rights_of(keys: Iterable[str]) -> set[str]:
    """Return the rights that some roles give together; a key that is unknown gives none."""
    return {right for key in keys if key in BY_KEY for right in BY_KEY[key].rights}


def having(right: str) -> list[Role]:
    """Return the roles that give a right: whom to ask for it."""
    return [role for role in ROLES if right in role.rights]
