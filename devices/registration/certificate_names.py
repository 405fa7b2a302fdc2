"""The names that the next certificate of a server adds and removes.

A name in a certificate makes devices and browsers trust the server under this name. So names that
the last certificate does not have are shown before, and adding them requires a right on the CA.

See: D-142
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.models import Entry
from devices.models import Device
from devices.registration.server_names import ServerNames, normalize
from devices.registration.states import DeviceState
from faults import Fault, Forbidden
from pki.certificates.details import get_names

ADD_NAMES = "certificates.certificate_authority"
"""The right to add names to certificates."""
ADD_NAMES_LABEL = gettext_lazy("Certificate Authority")


@dataclass(frozen=True)
class NameChange:
    """The names of the next certificate of a server, compared with those of its last one."""

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    @property
    def added(self) -> list[str]:
        """Return the names that the last certificate does not have."""
        return [name for name in self.after if name not in self.before]

    @property
    def removed(self) -> list[str]:
        """Return the names that only the last certificate has."""
        return [name for name in self.before if name not in self.after]


def build_change(before: Iterable[str], after: Iterable[str]) -> NameChange:
    """Return the change from the names of one certificate to those of another."""
    return NameChange(
        before=tuple(dict.fromkeys(map(normalize, before))),
        after=tuple(dict.fromkeys(map(normalize, filter(None, after)))),
    )


def read_names(chain_pem: str) -> tuple[str, ...]:
    """Return the names and addresses in a certificate, () if it cannot be parsed."""
    try:
        return get_names(chain_pem)
    except Fault:
        return ()


def get_certified_names(device: Device) -> tuple[str, ...]:
    """Return the names in the last certificate that a server has used, () without one.

    It is found through a relation, because this app must not import the models of certificates.
    """
    relations: Any = device
    rows = relations.certificates.order_by("-active_since", "-pk")
    last = rows.values_list("chain_pem", flat=True).first()
    return read_names(last) if last else ()


def find_change(device: Device, **changes: Any) -> NameChange:
    """Return the change of the certificate of a server with its names, and with `changes`."""
    if not device.is_certified:
        return NameChange()
    wanted = ServerNames.of(device, **changes)
    after = (wanted.fqdn, *wanted.dns_names, *wanted.addresses)
    return build_change(get_certified_names(device), after)


def find_added(device: Device, dns_names: Iterable[str]) -> list[str]:
    """Return the additional DNS names that neither a server nor its last certificate has."""
    known = (*device.dns_names, device.fqdn, *get_certified_names(device))
    return build_change(known, dns_names).added


def find_requested_change(device: Device) -> NameChange:
    """Return the change that a pending decision on a device leads to."""
    if device.state == DeviceState.WAITING:
        # The server that it replaces leaves its additional DNS names.
        owner = device.replaces or device
        return find_change(device, dns_names=tuple(owner.dns_names))
    after = device.requested_change.get("after", {})
    if not after:
        return NameChange()
    return find_change(device, **{k: after[k] for k in ("fqdn", "addresses") if k in after})


def check_added(device: Device, added: list[str], *, may_add_names: bool) -> None:
    """Raise Forbidden if names would be added to a certificate without the right to do so."""
    if added and not may_add_names:
        raise Forbidden(
            _(
                "The certificate of %(device)s does not contain %(names)s. Adding names "
                "requires the “%(right)s” right. Nothing was changed."
            )
            % {"device": device.name, "names": ", ".join(added), "right": ADD_NAMES_LABEL},
            action=_("Ask an administrator with this right to make the change."),
            field="dns_names",
        )


def approve_names(device: Device, change: NameChange, *, may_add_names: bool) -> None:
    """Record that an administrator has approved the names of the next certificate of a server.

    Raises Forbidden if the administrator must not add names.
    """
    check_added(device, change.added, may_add_names=may_add_names)
    if change.added or change.removed:
        Entry.objects.record(
            "certificate-names",
            f"devices.Device:{device.pk}",
            note=device.name,
            detail={"names": {"before": list(change.before), "after": list(change.after)}},
        )
