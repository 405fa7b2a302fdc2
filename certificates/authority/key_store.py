"""The storage of CA keys. This is the only module that reads CA private keys.

A CA key is encrypted (HPKE) for the CA vault key of its certificate server, which only the worker
of that server can read (D-30). If the server has a PKCS #11 token, the token generates and stores
the CA keys, and the database stores only their names.

CA keys are checked regularly with a test signature, and errors are shown on the CA pane. The token
keys of retired and discarded CAs are destroyed by the server with the token.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.models import Entry, RowAltered
from audit.rows import alarms
from certificates.models import Authority, CrossCertificate
from certificates.models.authority import PKCS11_PREFIX
from certificates.operations.states import AuthorityState
from devices.identity import zone_keys
from devices.models import Device
from faults import Fault, Unavailable
from pki import keys
from pki.certificates.issuance import Issuer
from pki.certificates.revocation import get_key_id
from pki.chains import chains
from pki.protection import pkcs11, sealing
from wire import server_files

log = logging.getLogger(__name__)
CHECK_INTERVAL = timedelta(minutes=10)
RETRY_INTERVAL = timedelta(seconds=20)
DESTROY_RETRY_INTERVAL = timedelta(minutes=10)
ENDED = (AuthorityState.RETIRED, AuthorityState.DISCARDED)
NOT_EXPORTABLE = gettext_lazy("The CA key is stored in a PKCS #11 token and cannot be exported.")


class KeyNotOnServer(Unavailable):
    """The CA key is stored on another server."""

    action = gettext_lazy(
        "Only the certificate server can sign certificates. Make sure that its worker is running."
    )


def build_binding(authority_id: object, server_id: object) -> str:
    """Return the binding of an encrypted CA key to its CA and its server."""
    return f"ca-key|{authority_id}|{server_id}"


def seal(key_pem: str, *, authority_id: object, server: Device) -> str:
    """Encrypt a CA key for the CA vault key of a server. Raises RowAltered."""
    return sealing.seal(
        key_pem.encode(), to=_get_vault_key(server), binding=build_binding(authority_id, server.pk)
    )


def _get_vault_key(server: Device) -> str:
    """Return the CA vault key of a server as recorded, if the record can be trusted.

    The key of this server is compared with its file: other Primary Servers and the web process can
    write a record with a valid MAC.
    """
    recorded = Device.objects.get(pk=server.pk).check_row_mac().ca_vault_key
    if _is_this_server(server) and recorded not in _list_own_vault_keys():
        raise RowAltered(
            _("The CA vault key of %(server)s was changed in the database. Nothing was stored.")
            % {"server": server.name}
        )
    return recorded


def _is_this_server(server: Device) -> bool:
    try:
        return zone_keys.get_keyring().server_id == server.pk
    except zone_keys.ZoneKeysUnavailable:
        # The zone is being created, and its first server has no ID yet.
        return False


def _list_own_vault_keys() -> list[str]:
    """Return the public CA vault keys of this server: the one in use, and that of a rotation."""
    path = server_files.ca_vault_key_path(zone_keys.get_keyring().home)
    paths = [one for one in (path, zone_keys.get_next_key_path(path)) if one.exists()]
    return [sealing.get_public_key(sealing.read_private_file(one)) for one in paths]


def get_token() -> pkcs11.Token | None:
    """Return the PKCS #11 token of this server, or None if it does not have one."""
    if not settings.PKCS11_MODULE:
        return None
    try:
        # Read each time, so that a corrected PIN takes effect without a restart.
        pin = Path(settings.PKCS11_PIN_FILE).read_text().strip()
    except OSError as error:
        raise pkcs11.TokenFault(
            _("The PKCS #11 PIN file cannot be read: %(strerror)s.") % {"strerror": error.strerror},
            action=_(
                "Check the path in ZCC_PKCS11_PIN_FILE, and make sure "
                "that this process can read the file."
            ),
        ) from error
    return pkcs11.Token(settings.PKCS11_MODULE, settings.PKCS11_TOKEN, pin)


def generate_key(length: int) -> keys.SigningKey:
    """Return a new CA key for this server, generated in its token if it has one."""
    own = get_token()
    return keys.generate_key(length) if own is None else own.make_key(length, f"zcc-{uuid4()}")


def build_stored_key(key: keys.SigningKey, *, authority_id: object, server: Device) -> str:
    """Return the `sealed_key` of a CA: its encrypted key, or the name of its token key."""
    if isinstance(key, str):
        return seal(key, authority_id=authority_id, server=server)
    return f"{PKCS11_PREFIX}{pkcs11.get_key_name(key)}"


def get_signing_key(authority: Authority) -> keys.SigningKey:
    """Return the key of a CA for signing, or raise KeyNotOnServer."""
    authority = _load(authority)
    if not authority.has_token_key:
        return open_key(authority)
    own = get_token()
    if own is None or authority.certificate_server_id != zone_keys.get_keyring().server_id:
        raise KeyNotOnServer(
            _("The key of this CA is in a PKCS #11 token that is not configured on this server."),
            action=_("Set ZCC_PKCS11_MODULE, ZCC_PKCS11_TOKEN and ZCC_PKCS11_PIN_FILE."),
        )
    return own.key(authority.sealed_key.removeprefix(PKCS11_PREFIX))


def open_key(authority: Authority) -> str:
    """Return the decrypted key of a CA, or raise KeyNotOnServer or KeyNotExportable."""
    authority = _load(authority)
    if authority.has_token_key:
        raise pkcs11.KeyNotExportable(str(NOT_EXPORTABLE))
    ring = zone_keys.get_keyring()
    if not authority.sealed_key or authority.certificate_server_id != ring.server_id:
        raise KeyNotOnServer(_("The key of this CA is not stored on this server."))
    opened = ring.decrypt_for_ca(
        authority.sealed_key, binding=build_binding(authority.pk, ring.server_id)
    )
    return opened.decode()


def _load(authority: Authority) -> Authority:
    """Return the stored row of a CA. Raises RowAltered if it was changed in the database."""
    row = Authority.objects.get(pk=authority.pk)
    alarms.is_authentic(row)
    return row.check_row_mac()


def destroy_key(authority: Authority) -> None:
    """Destroy the key of a CA in the token of this server, or raise KeyNotOnServer."""
    own = get_token()
    if own is None or authority.certificate_server_id != zone_keys.get_keyring().server_id:
        raise KeyNotOnServer(
            _("The key of this CA is in a PKCS #11 token that is not configured on this server.")
        )
    own.destroy(authority.sealed_key.removeprefix(PKCS11_PREFIX))


def open_issuer(authority: Authority, *, now: datetime) -> Issuer:
    """Return the issuer of a CA after its self-check, or raise a fault."""
    issuer = Issuer.open(authority.root_pem, get_signing_key(authority), now)
    if settings.CRL_URL:
        issuer.crl_url = f"{settings.CRL_URL}/{get_key_id(authority.root_pem)}.crl"
    issuer.ocsp_url = settings.OCSP_URL
    return issuer


def get_cross_certificates(authority: Authority) -> list[str]:
    """Return the cross-certificates from a root to older roots that are still trusted.

    A server sends them after its certificate, so that devices that trust only an older root can
    verify it (D-29, D-53). The chain of a subordinate CA follows, without its root (D-297).
    """
    found: list[str] = []
    seen = {authority.pk}
    subjects = [authority.pk]
    while subjects:
        rows = (
            CrossCertificate.objects.filter(
                subject_id__in=subjects, issuer__state__in=("current", "grace")
            )
            .exclude(issuer_id__in=seen)
            .order_by("pk")
        )
        found += [row.pem for row in rows]
        subjects = [row.issuer_id for row in rows]
        seen.update(subjects)
    issued = chains.split(authority.intermediates_pem) if authority.is_subordinate else []
    return [*found, *issued[:-1]]


def list_keys_to_check(now: datetime) -> models.QuerySet[Authority]:
    """Return the internal CAs whose key is due for a check. Failed checks are repeated sooner."""
    healthy = Q(fault="") & Q(checked_at__lt=now - CHECK_INTERVAL)
    faulty = ~Q(fault="") & Q(checked_at__lt=now - RETRY_INTERVAL)
    return Authority.objects.internal().filter(
        healthy | faulty | Q(checked_at=None),
        state__in=(AuthorityState.CURRENT, AuthorityState.FUTURE),
        certificate_server__isnull=False,
    )


def check_key(authority: Authority, *, now: datetime) -> None:
    """Check the CA key with a test signature and record the result."""
    with record_fault(authority, now=now):
        open_issuer(authority, now=now)


@contextmanager
def record_fault(authority: Authority, *, now: datetime) -> Iterator[None]:
    """Record a fault in the block as the fault of the CA, and clear it if there is none."""
    try:
        yield
    except Fault as fault:
        log.warning("The CA %s cannot sign certificates: %s", authority.subject, fault)
        _update_check(authority, now, fault.explanation, fault.action)
    else:
        _update_check(authority, now)


def _update_check(authority: Authority, now: datetime, fault: str = "", action: str = "") -> None:
    authority.fault, authority.fault_action, authority.checked_at = fault, action, now
    Authority.objects.filter(pk=authority.pk).update(
        fault=fault, fault_action=action, checked_at=now
    )


def list_keys_to_destroy(now: datetime) -> list[Authority]:
    """Return the retired and discarded CAs whose token key must be destroyed."""
    rest = Q(checked_at=None) | Q(checked_at__lte=now - DESTROY_RETRY_INTERVAL)
    ended = Authority.objects.filter(rest, state__in=ENDED, sealed_key__startswith=PKCS11_PREFIX)
    return list(ended.exclude(certificate_server=None))


def destroy_ended_key(authority: Authority, *, now: datetime) -> None:
    """Destroy the token key of a retired or discarded CA. Errors are retried later."""
    if authority.state not in ENDED or not authority.has_token_key:
        return
    mine = Authority.objects.filter(pk=authority.pk, state__in=ENDED)
    mine.update(checked_at=now)
    try:
        destroy_key(authority)
    except Fault as fault:
        log.warning("Could not destroy the key of %s: %s", authority.subject, fault)
        return
    with transaction.atomic():
        Entry.objects.lock_checkpoint()
        mine.update(sealed_key="")
        subject = f"certificates.Authority:{authority.pk}"
        Entry.objects.record("destroy-ca-key", subject, note=authority.subject[:200])
