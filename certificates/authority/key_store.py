"""CA keys at rest: the only reader of CA private keys.

A CA key is sealed (HPKE) to the CA vault key of its certificate server, which that server's
worker alone can read: only there can be signed (D-30). Where the server has a PKCS#11 token, CA
keys are made and used inside it, and the row keeps their name alone (B-27).

Whether a CA can sign: its key is opened and tried, and what is wrong stands on its row (S-11).

The pane shows it. Nothing is lost meanwhile: what waits for a signature is tried again.

Destroy in the token the keys of CAs that were retired or discarded (B-27).

A key in a file is gone with its row. One in a token stays until the server that holds the token
destroys it there; until then the row keeps its name.
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

from audit.models import Entry
from certificates.models import Authority, Bridge
from certificates.models.authority import PKCS11
from certificates.operations.states import AuthorityState
from devices.identity import zone_keys
from devices.models import Device
from faults import Fault, Unavailable
from pki import keys
from pki.certificates.issuance import Issuer
from pki.chains import chains
from pki.protection import pkcs11, sealing

NOT_GIVEN_OUT = gettext_lazy("The CA key is inside a PKCS#11 token, which does not give it out.")


class NotHere(Unavailable):
    """The CA key lives on another server."""

    action = gettext_lazy("Only the certificate server signs; its worker must be running.")


def binding(authority_id: object, server_id: object) -> str:
    """Return what binds a sealed CA key to its authority and its server (S-33)."""
    return f"ca-key|{authority_id}|{server_id}"


def seal(key_pem: str, *, authority_id: object, server: Device) -> str:
    """Seal a CA key to one server's CA vault key."""
    return sealing.seal(
        key_pem.encode(), to=server.ca_vault_key, binding=binding(authority_id, server.pk)
    )


def own_token() -> pkcs11.Token | None:
    """Return the token of this server, None where CA keys are sealed to a file's key."""
    if not settings.PKCS11_MODULE:
        return None
    try:
        # Read each time: a PIN that is corrected works without a restart.
        pin = Path(settings.PKCS11_PIN_FILE).read_text().strip()
    except OSError as error:
        raise pkcs11.TokenFault(
            _("The file with the token's PIN cannot be read: %(strerror)s.")
            % {"strerror": error.strerror},
            action=_("Correct ZCC_PKCS11_PIN_FILE, and let this process read that file."),
        ) from error
    return pkcs11.Token(settings.PKCS11_MODULE, settings.PKCS11_TOKEN, pin)


def make_key(length: int) -> keys.SigningKey:
    """Make a CA key for this server: inside its token, if it has one."""
    own = own_token()
    return keys.make_key(length) if own is None else own.make_key(length, f"zcc-{uuid4()}")


def keep(key: keys.SigningKey, *, authority_id: object, server: Device) -> str:
    """Return what the authority's row keeps of its key."""
    if isinstance(key, str):
        return seal(key, authority_id=authority_id, server=server)
    return f"{PKCS11}{pkcs11.name_of(key)}"


def signing_key(authority: Authority) -> keys.SigningKey:
    """Return what signs for an authority whose certificate server is this one."""
    if not authority.has_token_key:
        return open_key(authority)
    own = own_token()
    if own is None or authority.certificate_server_id != zone_keys.here().server_id:
        raise NotHere(
            _("The key of this CA is in a PKCS#11 token that this server is not set up for."),
            action=_("Set ZCC_PKCS11_MODULE, ZCC_PKCS11_TOKEN and ZCC_PKCS11_PIN_FILE."),
        )
    return own.key(authority.sealed_key.removeprefix(PKCS11))


def open_key(authority: Authority) -> str:
    """Return the CA key of an authority whose certificate server is this one."""
    if authority.has_token_key:
        raise pkcs11.NotReadable(str(NOT_GIVEN_OUT))
    ring = zone_keys.here()
    if not authority.sealed_key or authority.certificate_server_id != ring.server_id:
        raise NotHere(_("The key of this CA is not on this server."))
    opened = ring.open_for_ca(authority.sealed_key, binding=binding(authority.pk, ring.server_id))
    return opened.decode()


def destroy_key(authority: Authority) -> None:
    """Destroy the key of a CA that has ended, inside the token of this server."""
    own = own_token()
    if own is None or authority.certificate_server_id != zone_keys.here().server_id:
        raise NotHere(
            _("The key of this CA is in a PKCS#11 token that this server is not set up for.")
        )
    own.destroy(authority.sealed_key.removeprefix(PKCS11))


def open_issuer(authority: Authority, *, now: datetime) -> Issuer:
    """Return the issuer of an authority, its key in memory, after its self-check (S-11)."""
    return Issuer.open(authority.root_pem, signing_key(authority), now)


def bridges_above(authority: Authority) -> list[str]:
    """Return the cross-certificates that lead from a root to older ones still trusted (D-29, D-53).

    A server sends them behind its certificate, so that a device which knows only an older root
    still finds a path.
    """
    found: list[str] = []
    seen = {authority.pk}
    subjects = [authority.pk]
    while subjects:
        rows = (
            Bridge.objects.filter(subject_id__in=subjects, issuer__state__in=("current", "grace"))
            .exclude(issuer_id__in=seen)
            .order_by("pk")
        )
        found += [row.pem for row in rows]
        subjects = [row.issuer_id for row in rows]
        seen.update(subjects)
    return found


def served_chain(leaf_chain: str, authority: Authority) -> str:
    """Return what a server sends: its chain, then the bridges; never a self-signed root."""
    return chains.join(leaf_chain, *bridges_above(authority))


log = logging.getLogger(__name__)
EVERY = timedelta(minutes=10)
AGAIN = timedelta(seconds=20)


def keys_to_check(now: datetime) -> models.QuerySet[Authority]:
    """Return the internal CAs whose key was not tried for a while, or failed at the last try."""
    well = models.Q(fault="") & models.Q(checked_at__lt=now - EVERY)
    ill = ~models.Q(fault="") & models.Q(checked_at__lt=now - AGAIN)
    return Authority.objects.filter(
        well | ill | models.Q(checked_at=None),
        kind=Authority.Kind.INTERNAL,
        state__in=(AuthorityState.CURRENT, AuthorityState.FUTURE),
        certificate_server__isnull=False,
    )


def check_key(authority: Authority, *, now: datetime) -> None:
    """Open the CA key and sign a trial with it; note the outcome."""
    with watched(authority, now=now):
        open_issuer(authority, now=now)


@contextmanager
def watched(authority: Authority, *, now: datetime) -> Iterator[None]:
    """Note on the authority's row what keeps it from signing, or that nothing does."""
    try:
        yield
    except Fault as fault:
        log.warning("The CA %s cannot sign: %s", authority.subject, fault)
        _note(authority, now, fault.explanation, fault.action)
    else:
        _note(authority, now)


def _note(authority: Authority, now: datetime, fault: str = "", action: str = "") -> None:
    authority.fault, authority.fault_action, authority.checked_at = fault, action, now
    Authority.objects.filter(pk=authority.pk).update(
        fault=fault, fault_action=action, checked_at=now
    )


ENDED = (AuthorityState.RETIRED, AuthorityState.DISCARDED)
DESTROY_RETRY = timedelta(minutes=10)


def keys_to_destroy(now: datetime) -> list[Authority]:
    """Return the CAs whose key has yet to be destroyed and was not tried just now."""
    rest = Q(checked_at=None) | Q(checked_at__lte=now - DESTROY_RETRY)
    ended = Authority.objects.filter(rest, state__in=ENDED, sealed_key__startswith=PKCS11)
    return list(ended.exclude(certificate_server=None))


def destroy_ended_key(authority: Authority, *, now: datetime) -> None:
    """Destroy the key of one CA; a token that is away is asked again later."""
    if authority.state not in ENDED or not authority.has_token_key:
        return
    mine = Authority.objects.filter(pk=authority.pk, state__in=ENDED)
    mine.update(checked_at=now)
    try:
        destroy_key(authority)
    except Fault as fault:
        log.warning("The key of %s could not be destroyed: %s", authority.subject, fault)
        return
    with transaction.atomic():
        Entry.objects.queue()
        mine.update(sealed_key="")
        subject = f"certificates.Authority:{authority.pk}"
        Entry.objects.record("destroy-ca-key", subject, note=authority.subject[:200])
