"""Which devices the console can upgrade, and which ones their administrators upgrade.

See: D-221
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from devices.inventory import agent_versions
from devices.models import Device, Role
from faults import Invalid
from wire.messages import FEATURE_AGENT_UPGRADE, FEATURE_DEB, FEATURE_RPM

# The roles whose agents can be installed as a zip application.
ROLES = (Role.AUTHENTICATION_SATELLITE, Role.CONTENT_SATELLITE, Role.MANAGED)
PERCENT = 100
FIELDS = ("guid", "name", "role", "version", "features", "last_contact")


@dataclass(frozen=True)
class OlderAgents:
    """The devices whose agent is older than the console, by how it is upgraded.

    `upgradable` are those that the console can upgrade. The agents of `deb` and `rpm` were
    installed by a package manager. `others` have no support for upgrades by the console.
    """

    upgradable: list[Device] = field(default_factory=list)
    deb: list[Device] = field(default_factory=list)
    rpm: list[Device] = field(default_factory=list)
    others: list[Device] = field(default_factory=list)

    @property
    def total(self) -> int:
        """The number of all these devices."""
        return sum(map(len, (self.upgradable, self.deb, self.rpm, self.others)))


@dataclass(frozen=True)
class Choice:
    """The devices that an administrator has chosen: by name, by role, or all if both are empty."""

    names: Sequence[str] = ()
    roles: Sequence[str] = ()


def list_older_agents() -> OlderAgents:
    """Return the registered devices whose agent is older than this console."""
    found = OlderAgents()
    rows = Device.objects.filter(agent_versions.with_older_agent()).only(*FIELDS)
    for device in rows.order_by("name"):
        get_group(found, device).append(device)
    return found


def get_group(found: OlderAgents, device: Device) -> list[Device]:
    """Return the list to which a device with an older agent belongs."""
    if FEATURE_DEB in device.features:
        return found.deb
    if FEATURE_RPM in device.features:
        return found.rpm
    is_upgradable = device.role in ROLES and FEATURE_AGENT_UPGRADE in device.features
    return found.upgradable if is_upgradable else found.others


def choose(choice: Choice) -> list[Device]:
    """Return the devices of a choice that the console can upgrade; raise Invalid for others."""
    upgradable = list_older_agents().upgradable
    if choice.names:
        by_name = {device.name: device for device in upgradable}
        unknown = next((name for name in choice.names if name not in by_name), None)
        if unknown is not None:
            raise Invalid(
                _("The console cannot upgrade the agent of %s. Nothing was changed.") % unknown,
                action=_(
                    "Specify names of registered devices whose agent is older than the console, "
                    "and was not installed by a package manager."
                ),
                field="devices",
            )
        upgradable = [by_name[name] for name in dict.fromkeys(choice.names)]
    if choice.roles:
        upgradable = [device for device in upgradable if device.role in choice.roles]
    if not upgradable:
        raise Invalid(
            _("No agent of the selected devices can be upgraded. Nothing was changed."),
            action=_("Select devices whose agent is older than the console."),
            field="devices",
        )
    return upgradable


def choose_pilot(devices: Iterable[Device], *, count: int, percent: int) -> set[Device]:
    """Return the devices that are upgraded first: those whose last contact is the most recent.

    The number is `count`, or if that is 0, `percent` of the devices, rounded up.
    """
    listed = list(devices)
    number = count or math.ceil(len(listed) * percent / PERCENT)

    def last_contact(device: Device) -> float:
        return device.last_contact.timestamp() if device.last_contact else 0.0

    return set(sorted(listed, key=last_contact, reverse=True)[:number])
