"""Endpoints of the ACME protocol: directory, orders, challenges, certificates, and renewal info.

See: RFC 8555 7; RFC 9773
"""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.rows import alarms
from certificates import tasks
from certificates.acme import accounts, authorizations, orders, renewal_info, revoking
from certificates.acme.problems import AccountUnauthorized, Malformed
from certificates.acme.protocol import documents, jws, nonces
from certificates.acme.protocol.endpoints import Call, build_url, json_response, public, signed
from certificates.acme.validation.challenges import METHODS
from certificates.models import AcmeAuthorization, AcmeCertificate, AcmeOrder
from certificates.revocation.host_certificates import get_leaf
from pki.chains import chains

POLL_SECONDS = "2"
PEM_CHAIN = "application/pem-certificate-chain"
RESOURCES = {
    "newNonce": "acme:new_nonce",
    "newAccount": "acme:new_account",
    "newOrder": "acme:new_order",
    "revokeCert": "acme:revoke_cert",
    "keyChange": "acme:key_change",
}


@public("GET")
def show_directory(request: HttpRequest) -> HttpResponse:
    """Return the URLs of the endpoints."""
    found: dict[str, Any] = {member: build_url(request, name) for member, name in RESOURCES.items()}
    start = build_url(request, "acme:renewal_info", identifier="0").removesuffix("/0")
    return json_response({**found, "renewalInfo": start, "meta": {"externalAccountRequired": True}})


@public("GET")
def create_nonce(request: HttpRequest) -> HttpResponse:
    """Return a new nonce."""
    response = HttpResponse(status=200 if request.method == "HEAD" else 204)
    response.headers["Replay-Nonce"] = nonces.create(timezone.now())
    return response


@signed
def create_order(call: Call) -> HttpResponse:
    """Create an order."""
    values, account = call.load(), call.account
    accounts.check_can_order(account)
    if "notBefore" in values or "notAfter" in values:
        raise Malformed(_("The zone determines the validity. Remove notBefore and notAfter."))
    replaces = _find_replaced(call, values.get("replaces"))
    names = orders.parse_names(values.get("identifiers"))
    order = orders.create(account, names, replaces=replaces, now=call.now)
    document = documents.describe_order(order, call.request, call.now)
    if replaces is not None:
        document["replaces"] = values["replaces"]
    location = build_url(call.request, "acme:order", guid=order.pk)
    return json_response(document, status=201, location=location)


def _find_replaced(call: Call, identifier: Any) -> AcmeCertificate | None:
    if identifier is None:
        return None
    found = renewal_info.find(identifier) if isinstance(identifier, str) else None
    if found is None or found.account_id != call.account.pk:
        raise Malformed(_("The certificate to be replaced does not belong to the account."))
    return found


@signed
def show_order(call: Call, guid: str) -> HttpResponse:
    """Return an order."""
    return _show_order(call, _find_order(call, guid))


def _show_order(call: Call, order: AcmeOrder) -> HttpResponse:
    document = documents.describe_order(order, call.request, call.now)
    response = json_response(
        document, location=build_url(call.request, "acme:order", guid=order.pk)
    )
    if document["status"] == orders.PROCESSING:
        response.headers["Retry-After"] = POLL_SECONDS
    return response


@signed
def finalize(call: Call, guid: str) -> HttpResponse:
    """Store the CSR of an order. The worker signs the certificate."""
    order = _find_order(call, guid)
    accounts.check_can_order(call.account)
    orders.accept_csr(order, jws.decode_member(call.load(), "csr"), call.now)
    tasks.enqueue_acme_signing(call.now)
    return _show_order(call, order)


@signed
def show_authorization(call: Call, guid: str) -> HttpResponse:
    """Return an authorization with its challenges."""
    found = _find_authorization(call, guid)
    document = documents.describe_authorization(found, call.request, call.now)
    response = json_response(document)
    if document["status"] == authorizations.PENDING:
        response.headers["Retry-After"] = POLL_SECONDS
    return response


@signed
def respond_to_challenge(call: Call, guid: str, method: str) -> HttpResponse:
    """Request the validation of a name, or return the challenge."""
    found = _find_authorization(call, guid)
    if not call.is_read:
        accounts.check_can_order(call.account)
        if authorizations.request_validation(found, method, call.now):
            tasks.enqueue_acme_validation()
            found.refresh_from_db()
    elif method not in METHODS:
        raise Malformed(_("The challenge was not found. Nothing was changed."))
    response = json_response(documents.describe_challenge(found, method, call.request))
    up = build_url(call.request, "acme:authorization", guid=found.pk)
    response.headers["Link"] = f'<{up}>;rel="up"'
    return response


@signed
def download_certificate(call: Call, guid: str) -> HttpResponse:
    """Return a certificate with its chain, and record that the client has it."""
    found = _find(AcmeCertificate.objects.select_related("order"), guid)
    if found is None or found.account_id != call.account.pk:
        raise _not_found()
    get_leaf(alarms.check(found))
    revoking.record_download(found, call.account, call.now)
    return HttpResponse(found.chain_pem, content_type=PEM_CHAIN)


@signed
def revoke_certificate(call: Call) -> HttpResponse:
    """Revoke a certificate, signed by the account that requested it, or by its own key."""
    values = call.load()
    reason = revoking.parse_reason(values.get("reason"))
    der = jws.decode_member(values, "certificate")
    found = revoking.find(hashlib.sha256(der).hexdigest(), der)
    if call.signed.kid is not None:
        is_allowed = found.account_id == call.account.pk
    else:
        public_key = chains.get_public_key(get_leaf(found))
        is_allowed = jws.get_thumbprint_of_pem(public_key) == call.thumbprint
    if not is_allowed:
        raise AccountUnauthorized(
            _("The certificate belongs to another account or key. Nothing was changed.")
        )
    revoking.revoke_for_client(found, reason, now=call.now)
    return HttpResponse(status=200)


@public("GET")
def show_renewal_info(request: HttpRequest, identifier: str) -> HttpResponse:
    """Return when a certificate should be renewed."""
    found = renewal_info.find(identifier)
    if found is None:
        problem = Malformed(_("The certificate was not found."))
        problem.status = 404
        raise problem
    window = renewal_info.get_window(found, timezone.now())
    times = {
        "start": documents.format_time(window.start),
        "end": documents.format_time(window.end),
    }
    response = json_response({"suggestedWindow": times})
    response.headers["Retry-After"] = str(renewal_info.RETRY_SECONDS)
    return response


def _find_order(call: Call, guid: str) -> AcmeOrder:
    found: AcmeOrder | None = _find(AcmeOrder.objects.select_related("account"), guid)
    if found is None or found.account_id != call.account.pk:
        raise _not_found()
    return alarms.check(found)


def _find_authorization(call: Call, guid: str) -> AcmeAuthorization:
    rows = AcmeAuthorization.objects.select_related("order__account")
    found: AcmeAuthorization | None = _find(rows, guid)
    if found is None or found.order.account_id != call.account.pk:
        raise _not_found()
    alarms.check(found.order)
    return alarms.check(found)


def _find(rows: Any, guid: str) -> Any:
    try:
        return rows.filter(pk=UUID(guid)).first()
    except ValueError:
        return None


def _not_found() -> AccountUnauthorized:
    return AccountUnauthorized(
        _("The account does not contain this resource. Nothing was changed.")
    )
