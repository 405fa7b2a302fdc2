"""Which names the zone CA permits, and the CA that an operation is about to put into force.

See: D-280, D-298
"""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from certificates.models import Authority, Operation
from certificates.operations.states import OperationState
from devices.registration.server_names import ServerNames
from faults import Refused
from pki.certificates import constraints
from pki.certificates.constraints import NameConstraints, Rules
from pki.chains import chains
from pki.errors import NotPermitted, PkiFault
from pki.names import Names

# States in which the new CA of an operation will not be in force.
_ENDING = (OperationState.CANCELING, OperationState.CANCEL_FAILED, OperationState.ROLLING_BACK)


def get_rules(authority: Authority | None) -> Rules | None:
    """Return the rules of an internal CA, None without name constraints.

    Uploaded external CAs and imported certificates are checked with OpenSSL instead (D-160).
    """
    if authority is None or not authority.is_internal:
        return None
    return constraints.read_rules(authority.root_pem)


def list_rules(authority: Authority | None) -> list[Rules]:
    """Return the rules of an internal CA, and of the chain that other CAs gave a subordinate CA."""
    found = [get_rules(authority), *_list_chain_rules(authority)]
    return [rules for rules in found if rules is not None]


def get_requested_rules(parameters: dict[str, Any]) -> Rules | None:
    """Return the rules of the CA that an operation with these parameters creates or takes over."""
    if parameters.get("external"):
        return None
    if parameters.get("root_pem"):
        return constraints.read_rules(parameters["root_pem"])
    found = NameConstraints.of(parameters.get("name_constraints"))
    return None if found is None else found.rules


def check_server_names(wanted: ServerNames) -> None:
    """Raise a Fault if the zone CA, or the new CA of an operation, does not permit the names."""
    names = Names(tuple(filter(None, (wanted.fqdn, *wanted.dns_names))), wanted.addresses)
    for rules in _list_rules():
        try:
            rules.check(names)
        except NotPermitted as fault:
            explanation = _("%(reason)s Nothing was changed.") % {"reason": fault.explanation}
            raise Refused(explanation, action=fault.action) from fault


def _list_chain_rules(authority: Authority | None) -> list[Rules | None]:
    """Return the rules of the certificates that a subordinate CA got from other CAs.

    Devices do not use them. Other clients verify the chain (D-298).
    """
    if authority is None or not authority.is_subordinate:
        return []
    return [constraints.read_rules(pem) for pem in chains.split(authority.intermediates_pem)]


def _list_rules() -> list[Rules]:
    authority = Authority.objects.filter(state="current").first()
    operation = Operation.objects.blocking().of_ca().exclude(state__in=_ENDING).first()
    found = [get_rules(authority), *_list_chain_rules(authority)]
    if operation is not None:
        found += _list_chain_rules(operation.future_authority)
        try:
            found.append(get_requested_rules(operation.parameters))
        except PkiFault:  # the preparation of the operation reports it
            found.append(None)
    return [rules for rules in found if rules is not None]
