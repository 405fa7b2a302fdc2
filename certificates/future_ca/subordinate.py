"""Create a subordinate zone CA: its CSR, the import of its chain, and its trusted root.

The key is created on the certificate server. An operation waits until an administrator has imported
the certificate that another CA has issued for the CSR. Then the certificate server signs the root
that devices trust.

See: D-295, D-296, D-298
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from audit.chain.states import InvalidTransition
from audit.models import Entry
from audit.rows import alarms
from certificates.authority import key_store
from certificates.future_ca import building
from certificates.models import Authority, IssuedCertificate, Operation
from certificates.operations.activation_time import get_limits
from certificates.operations.states import AuthorityState, OperationState
from devices.models import Zone
from faults import Conflict, Invalid
from pki import keys, names
from pki.certificates import details, issuance
from pki.certificates import subordinate as certificates
from pki.certificates.constraints import NameConstraints
from pki.chains import chains
from pki.chains import subordinate as chain_checks
from pki.errors import PkiFault
from pki.formats import bundles, csr

# The validity of the certificate that stands for the new CA until its chain is imported, in years.
PLACEHOLDER_YEARS = 10


def make_subordinate(
    authority: Authority, key: keys.SigningKey, subject: str, limits: NameConstraints | None
) -> None:
    """Make an unsaved internal authority a subordinate one without its certificate.

    The CSR contains the name constraints, so that the issuer can copy them.
    """
    authority.kind = Authority.Kind.SUBORDINATE
    authority.csr_pem = csr.build_ca_csr(key, names.Subject.parse(subject), limits)


def get_csr(operation: Operation) -> str:
    """Return the CSR of the new CA of an operation. Raises Conflict if there is none.

    Raises RowAltered, after an alarm, if the CSR is for another key than that of the CA: its issuer
    would certify the key of an attacker.
    """
    authority = _get_waiting(operation)
    alarms.is_authentic(authority)
    authority.check_row_mac()
    if not chains.has_key(authority.root_pem, csr.parse_csr(authority.csr_pem).public_key):
        raise Conflict(
            _("The CSR of the new zone CA was changed in the database. Nothing was done with it."),
            action=_("Treat it as an attack, and cancel the operation."),
        )
    return authority.csr_pem


@transaction.atomic
def import_file(operation: Operation, data: bytes, *, now: datetime) -> Authority:
    """Store the chain of the new CA from a file, and return the CA. Raises a fault for `file`.

    The activation time must still be far enough away, because devices get the update only now.
    """
    Zone.objects.lock()
    operation.refresh_from_db()
    request = get_csr(operation)
    authority = _get_waiting(operation)
    get_limits(operation.kind, now=now).check(operation.activates_at)
    try:
        chain = chain_checks.choose_chain(
            bundles.parse_certificates(data),
            csr_pem=request,
            hosts=list_names(operation),
            now=now,
            active_at=max(now, operation.activates_at or now),
        )
    except PkiFault as fault:
        explanation = _("%(reason)s Nothing was changed.") % {"reason": fault.explanation}
        raise Invalid(explanation, action=fault.action, field="file") from fault
    issued = details.get_details(chain[0])
    Authority.objects.filter(pk=authority.pk).update(intermediates_pem=chains.join(*chain))
    Entry.objects.record(
        "import-ca",
        f"certificates.Authority:{authority.pk}",
        about=[f"certificates.Operation:{operation.pk}"],
        note=issued.subject,
        detail={"sha256": issued.digest, "issuer": issued.issuer},
    )
    return authority


def _get_waiting(operation: Operation) -> Authority:
    """Return the new CA of an operation. Raises Conflict unless its certificate is awaited."""
    # Read again: the operation can have been loaded before the import.
    key = operation.future_authority_id
    authority = None if key is None else Authority.objects.filter(pk=key).first()
    is_preparing = operation.state == OperationState.PREPARING
    if authority is None or not authority.awaits_certificate or not is_preparing:
        raise Conflict(
            _("The operation is not waiting for the certificate of a CA. Nothing was changed."),
            action=_("Reload the page to see the current status of the operation."),
        )
    return authority


def list_names(operation: Operation) -> list[str]:
    """Return all names and addresses for which the new CA issues certificates in an operation."""
    found: dict[str, None] = {}
    for future in operation.futures.open().order_by("device__name"):
        parameters = future.csr_parameters or {}
        found |= dict.fromkeys([*parameters["dns_names"], *parameters["addresses"]])
    return list(found)


def sign_trusted_root(operation: Operation, now: datetime) -> None:
    """Sign the root that devices trust, on the certificate server of the new CA."""
    authority = operation.future_authority
    if authority is None:
        raise RuntimeError("the operation has no new CA")
    chain = chains.split(authority.intermediates_pem)
    authority.root_pem = certificates.build_trusted_root(
        key_pem=key_store.get_signing_key(authority),
        issued_pem=chain[0],
        not_after=chain_checks.get_end(chain),
        serial=issuance.generate_serial(),
        name_constraints=NameConstraints.of(operation.parameters.get("name_constraints")),
    )
    building.copy_root_details(authority)
    columns = ("root_pem", "subject", "common_name", "not_before", "not_after", "sha256")
    with transaction.atomic():
        Entry.objects.lock_checkpoint()
        waiting = Authority.objects.filter(pk=authority.pk, state=AuthorityState.FUTURE)
        changes = {name: getattr(authority, name) for name in columns}
        if not waiting.exclude(csr_pem="").update(csr_pem="", **changes):
            raise InvalidTransition(_("The operation has changed in the meantime."))
        authority.csr_pem = ""
        record_root(authority)
        Entry.objects.record(
            "trusted-root",
            f"certificates.Authority:{authority.pk}",
            there=authority.state,
            note=authority.subject,
            detail={"kind": authority.kind, "sha256": authority.sha256},
        )


def record_root(authority: Authority) -> None:
    """Record the serial number of the root that an internal CA has signed for itself."""
    IssuedCertificate.objects.create(
        authority=authority,
        serial=details.get_details(authority.root_pem).serial_hex,
        purpose="root",
        subject=authority.subject,
        sha256=authority.sha256,
    )
