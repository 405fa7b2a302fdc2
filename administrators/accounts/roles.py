"""The roles and the rights that each role grants.

See: D-32
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from console.access import api_tokens
from faults import Invalid

ADMINISTER = "people.administer"
RIGHTS = api_tokens.RIGHTS
"""Every right that a role or an API token can have."""


@dataclass(frozen=True)
class Role:
    """A role: key, label, purpose, and rights."""

    key: str
    label: str | Promise
    purpose: str | Promise
    rights: frozenset[str]


SUPER = "super-administrator"
ROLES = (
    Role(
        SUPER,
        _("Super Administrator"),
        _("Has all rights, including managing administrators."),
        frozenset(RIGHTS),
    ),
    Role(
        "certificate-administrator",
        _("Certificate Administrator"),
        _("Manages the zone CA and server certificates."),
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
        _("Assigns, ignores, and redeploys system updates, and manages devices."),
        frozenset({"systemupdates.deploy_update", "devices.change_device"}),
    ),
    Role(
        "auditor",
        _("Auditor"),
        _("Read-only access, including the audit log and metrics."),
        frozenset({"ledger.view_entry", "console.view_metrics"}),
    ),
    Role("viewer", _("Viewer"), _("Read-only access to all pages."), frozenset()),
)
BY_KEY = {role.key: role for role in ROLES}


def rights_of(keys: Iterable[str]) -> set[str]:
    """Return the rights of roles; unknown keys are ignored."""
    return {right for key in keys if key in BY_KEY for right in BY_KEY[key].rights}


def roles_with(right: str) -> list[Role]:
    """Return the roles that grant a right."""
    return [role for role in ROLES if right in role.rights]


def check_roles(roles: Iterable[str]) -> None:
    """Raise Invalid if there are no roles or one of them is unknown."""
    unknown = [role for role in roles if role not in BY_KEY]
    if unknown or not list(roles):
        raise Invalid(gettext("Select at least one role. Nothing was changed."), field="roles")
