"""Check the root and the chain of an external CA before it becomes the zone CA.

See: D-13, D-160
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from django.utils.translation import gettext as _

from certificates.models import Authority
from certificates.operations.activation_time import format_time
from devices.models import Device
from faults import Invalid, Refused
from pki import names
from pki.certificates import details
from pki.chains import chains
from pki.errors import PkiFault


def check_new_root(root_pem: str, *, now: datetime) -> None:
    """Raise a fault if the zone already trusts a root or the root is not valid at `now`."""
    facts = details.get_details(root_pem)
    if Authority.objects.filter(sha256=facts.digest, state__in=("current", "grace")).exists():
        raise Refused(
            _("The zone already trusts this root. Nothing was changed."),
            action=_("To replace server certificates under the same root, use Remint Certificate."),
            field="file",
        )
    if not facts.not_before <= now < facts.not_after:
        raise Refused(
            _validity_message(facts),
            action=_("Select a root certificate that is valid at the activation time."),
            field="file",
        )


def check_chain(root_pem: str, intermediates_pem: str, *, at: datetime) -> None:
    """Raise Invalid if a CA of the chain is not valid at `at` or cannot sign for every server."""
    try:
        certs = [root_pem, *chains.split(intermediates_pem)]
        root, _others = chains.split_root(certs, at=at, hosts=list_server_names())
    except PkiFault as fault:
        explanation = _("%(reason)s Nothing was changed.") % {"reason": fault.explanation}
        raise Invalid(explanation, action=fault.action, field="file") from fault
    if details.get_digest(root) != details.get_digest(root_pem):
        raise Invalid(_("The root certificate is not self-signed."), field="file")


def list_server_names() -> list[str]:
    """Return the FQDN of each server with a certificate, without names that are not valid."""
    found = Device.objects.certified().order_by("name").values_list("fqdn", flat=True)
    hosts = []
    for name in found:
        with suppress(PkiFault):
            hosts.append(names.check_fqdn(name))
    return hosts


def _validity_message(facts: details.CertificateDetails) -> str:
    return _("%(subject)s is valid only from %(begin)s to %(end)s. Nothing was changed.") % {
        "subject": facts.subject,
        "begin": format_time(facts.not_before),
        "end": format_time(facts.not_after),
    }
