"""The root and the chain of an external CA that is to be the zone's: what is refused (D-13)."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _

from certificates.models import Authority
from certificates.operations.activation_time import stamp
from faults import Invalid, Refused
from pki.certificates import details
from pki.chains import chain


def check_new_root(root_pem: str, *, now: datetime) -> None:
    """Refuse a root that the zone trusts already, or one that is not valid at a time."""
    facts = details.describe(root_pem)
    if Authority.objects.filter(sha256=facts.digest, state__in=("current", "grace")).exists():
        raise Refused(
            _("This root is already trusted as a CA of the zone. Nothing was changed."),
            action=_("To replace server certificates under the same root use Remint Certificate."),
            field="file",
        )
    if not facts.not_before <= now < facts.not_after:
        raise Refused(
            _valid_only(facts),
            action=_("Choose a root that is valid when it becomes active."),
            field="file",
        )


def check_chain(root_pem: str, intermediates_pem: str, *, at: datetime) -> None:
    """Refuse a chain without its root, or an intermediate CA that is not valid at a time."""
    others = chain.split(intermediates_pem)
    root, _rest = chain.split_root([root_pem, *others])
    if details.digest(root) != details.digest(root_pem):
        raise Invalid(_("The certificate given as the root is not self-signed."), field="file")
    for facts in map(details.describe, others):
        if not facts.not_before <= at < facts.not_after:
            raise Invalid(_valid_only(facts), field="file")


def _valid_only(facts: details.CertificateDetails) -> str:
    return _("%(subject)s is valid from %(begin)s until %(end)s only. Nothing was changed.") % {
        "subject": facts.subject,
        "begin": stamp(facts.not_before),
        "end": stamp(facts.not_after),
    }
