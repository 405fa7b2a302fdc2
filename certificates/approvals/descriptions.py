"""What a second administrator has to know before approving a request, as names and values.

The values come from the stored request, so the second administrator sees what will be done, and not
what the requester says.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from audit.models import Entry
from certificates.models import Authority, Operation, VaultJob
from console.pages import formatting
from devices.models import Device
from pki.certificates import details
from pki.keys import KEY_LABELS

Facts = Iterator[tuple[Any, Any]]
LABELS = {
    "common_name": gettext_lazy("Subject of the new CA"),
    "subject": gettext_lazy("Subject"),
    "key_length": gettext_lazy("Key length"),
    "years": gettext_lazy("Valid for (years)"),
    "include_dns": gettext_lazy("Include any additional DNS names for each server"),
    "manual_csr": gettext_lazy("CSRs are generated manually"),
    "without_cross_certificate": gettext_lazy("Continue without cross-certificate"),
}
CONSTRAINT_LABELS = {
    "domains": gettext_lazy("Permitted domains"),
    "networks": gettext_lazy("Permitted networks"),
    "excluded": gettext_lazy("Excluded domains and networks"),
}
JOB_CONSEQUENCES = {
    VaultJob.Kind.BACKUP: gettext_lazy(
        "The requester can download the private key of the zone CA, encrypted with a passphrase "
        "that only the requester knows."
    ),
    VaultJob.Kind.MOVE: gettext_lazy(
        "The private key of the zone CA is moved. Only the new server can sign certificates."
    ),
    VaultJob.Kind.RESTORE: gettext_lazy(
        "The private key from the uploaded backup replaces the key on the current CA server. "
        "Only the new server can sign certificates."
    ),
    VaultJob.Kind.ADOPT: gettext_lazy(
        "The private key from the uploaded backup is stored on the server, for use by Change CA."
    ),
}


def describe_operation(operation: Operation) -> Facts:
    """Yield what an operation on the zone CA does, who requested it, when, and from where."""
    when = operation.activates_at
    yield _("Operation"), operation.get_kind_display()
    request = Entry.objects.filter(
        action="start", subject=f"certificates.Operation:{operation.pk}"
    ).first()
    yield from describe_request(operation.requested_by, operation.created_at, request)
    yield _("Activation"), formatting.stamp(when) if when is not None else _("Immediate")
    if operation.authority is not None:
        yield _("Current zone CA"), _describe_authority(operation.authority)
    yield from _describe_new_authority(operation.parameters)
    yield _("Signing server"), operation.signing_server.name
    yield from _describe_parameters(operation.parameters)
    yield from _describe_name_constraints(operation.parameters)
    yield _("Consequences"), _describe_consequences()


def _describe_consequences() -> str:
    servers = Device.objects.certified().count()
    text = ngettext(
        "%s server gets a new certificate.", "%s servers get new certificates.", servers
    )
    rule = _(
        "Every device must trust the new CA before the activation. A device that does not "
        "trust it then can lose contact."
    )
    return f"{text % intcomma(servers)} {rule}"


def describe_job(job: VaultJob) -> Facts:
    """Yield what a CA key job does, who requested it, when, and from where."""
    yield _("Action"), job.get_kind_display()
    request = Entry.objects.filter(
        action=f"ask-{job.kind}",
        subject=f"certificates.Authority:{job.authority_id}",
        at__gte=job.created_at,
    )
    yield from describe_request(job.requested_by, job.created_at, request.order_by("seq").first())
    yield _("CA"), _describe_authority(job.authority)
    yield _("Server"), job.server.name
    if job.target is not None:
        yield _("New CA server"), job.target.name
    yield _("Consequences"), JOB_CONSEQUENCES[VaultJob.Kind(job.kind)]


def describe_request(by: Any, at: Any, entry: Entry | None) -> Facts:
    """Yield who made a request, when, and from which address."""
    yield _("Requested by"), by or "—"
    if at is not None:
        yield _("Requested"), formatting.stamp(at)
    yield _("Requested from"), (entry.address if entry is not None else "") or "—"


def _describe_authority(authority: Authority) -> str:
    return _describe_certificate(authority.subject, authority.sha256)


def _describe_certificate(subject: str, sha256: str) -> str:
    text = _("%(subject)s, SHA-256 fingerprint %(fingerprint)s")
    return text % {"subject": subject, "fingerprint": formatting.format_fingerprint(sha256)}


def describe_cas(operation: Operation) -> str:
    """Return the current and the new zone CA, a line each, or "" if the CA is not changed.

    Both can have the same subject, so each has its fingerprint.
    """
    if not operation.changes_ca or operation.authority is None:
        return ""
    new, parameters = operation.future_authority, operation.parameters
    if new is not None:
        found = _describe_authority(new)
    elif parameters.get("root_pem"):
        root = details.get_details(parameters["root_pem"])
        found = _describe_certificate(root.subject, root.digest)
    else:
        name = parameters.get("subject") or parameters.get("common_name") or ""
        found = _("%s, not created yet") % name if name else ""
    lines = [f"{_('Current zone CA')}: {_describe_authority(operation.authority)}"]
    return "\n".join([*lines, f"{_('New zone CA')}: {found}"] if found else lines)


def _describe_new_authority(parameters: dict[str, Any]) -> Facts:
    kinds = Authority.Kind
    kind = kinds.EXTERNAL if parameters.get("external") else kinds.INTERNAL
    is_subordinate = parameters.get("subordinate") or (
        kind == kinds.INTERNAL and parameters.get("intermediates_pem")
    )
    yield _("New CA type"), kinds.SUBORDINATE.label if is_subordinate else kind.label
    if parameters.get("root_pem"):
        root = details.get_details(parameters["root_pem"])
        yield _("New zone CA"), _describe_certificate(root.subject, root.digest)
        yield _("New zone CA expires"), formatting.stamp(root.not_after)


def _describe_name_constraints(parameters: dict[str, Any]) -> Facts:
    found = parameters.get("name_constraints") or {}
    for name, label in CONSTRAINT_LABELS.items():
        if found.get(name):
            yield label, ", ".join(found[name])


def _describe_parameters(parameters: dict[str, Any]) -> Facts:
    for name, label in LABELS.items():
        value = parameters.get(name)
        if name == "years" and parameters.get("subordinate"):
            continue  # the issuer decides about the validity
        if isinstance(value, bool):
            yield label, _("yes") if value else _("no")
        elif isinstance(value, dict):
            text = ", ".join(str(part) for part in value.values() if part)
            if text:
                yield label, text
        elif name == "key_length" and value in KEY_LABELS:
            yield label, f"{value} ({KEY_LABELS[value]})"
        elif value:
            yield label, value
