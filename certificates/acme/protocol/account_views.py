"""Endpoints of ACME accounts: register, show, change, deactivate, and replace the key.

See: RFC 8555 7.3
"""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _

from certificates.acme import accounts
from certificates.acme.problems import (
    AccountDoesNotExist,
    AccountUnauthorized,
    ExternalAccountRequired,
    Malformed,
    unexpected_content,
)
from certificates.acme.protocol import documents, jws
from certificates.acme.protocol.endpoints import Call, build_url, json_response, signed
from certificates.models import AcmeAccount, AcmeAccountKey

MAX_LISTED = 50


@signed
def create_account(call: Call) -> HttpResponse:
    """Register an account with an account key, or return the account of the public key."""
    if call.signed.kid is not None:
        raise Malformed(_("The request must contain the public key of the account."))
    values = call.load()
    if call.found is not None:
        if call.found.deactivated_at is not None:
            raise AccountUnauthorized(_("The account has been deactivated. Nothing was changed."))
        return _respond(call, call.found, 200)
    if values.get("onlyReturnExisting") is True:
        raise AccountDoesNotExist(_("The account was not found. Nothing was changed."))
    contacts = accounts.check_contacts(values.get("contact"))
    key = _check_binding(call, values.get("externalAccountBinding"))
    account = accounts.register(call.jwk, call.thumbprint, key, contacts, call.now)
    return _respond(call, account, 201)


def _respond(call: Call, account: AcmeAccount, status: int) -> HttpResponse:
    location = build_url(call.request, "acme:account", guid=account.pk)
    document = documents.describe_account(account, call.request)
    return json_response(document, status=status, location=location)


def _check_binding(call: Call, value: Any) -> AcmeAccountKey:
    """Return the account key that has signed the public key of the account, or raise a problem."""
    if value is None:
        raise ExternalAccountRequired(
            _("A new account requires an account key. Nothing was changed."),
            action=_("Give the client the key ID and the HMAC key (external account binding)."),
        )
    if not isinstance(value, dict):
        raise unexpected_content()
    binding = jws.parse(value)
    key = accounts.find_account_key(binding.kid, call.now)
    jws.verify_binding(binding, accounts.derive_secret(key.key_id))
    is_same_url = binding.header.get("url") == call.signed.header["url"]
    # The whole JWK is compared by its thumbprint, because its members have no order.
    bound = jws.check_public_key(binding.load_payload())
    if not is_same_url or jws.get_thumbprint(bound) != call.thumbprint:
        raise Malformed(_("The external account binding belongs to another request or key."))
    return key


@signed
def show_account(call: Call, guid: str) -> HttpResponse:
    """Return an account, change its contacts, or deactivate it."""
    account = _check_own(call, guid)
    if not call.is_read:
        values = call.load()
        if values.get("status") == "deactivated":
            accounts.deactivate(account, call.now)
        elif "contact" in values:
            accounts.save_contacts(account, accounts.check_contacts(values["contact"]))
    return json_response(documents.describe_account(account, call.request))


@signed
def list_orders(call: Call, guid: str) -> HttpResponse:
    """Return the URLs of the latest orders of an account."""
    found = _check_own(call, guid).orders.order_by("-created_at")[:MAX_LISTED]
    urls = [build_url(call.request, "acme:order", guid=order.pk) for order in found]
    return json_response({"orders": urls})


def _check_own(call: Call, guid: str) -> AcmeAccount:
    if str(call.account.pk) != guid:
        raise AccountUnauthorized(_("This is not the account of the request."))
    return call.account


@signed
def change_key(call: Call) -> HttpResponse:
    """Replace the public key of an account. Both keys sign the request (RFC 8555 7.3.5)."""
    account, inner = call.account, jws.parse(call.load())
    jwk = jws.check_public_key(inner.header.get("jwk"))
    jws.verify(inner, jwk)
    values = inner.load_payload()
    old, thumbprint = jws.check_public_key(values.get("oldKey")), jws.get_thumbprint(jwk)
    is_for_account = (
        inner.header.get("url") == call.signed.header["url"]
        and values.get("account") == call.signed.kid
        and jws.get_thumbprint(old) == account.thumbprint
    )
    if not is_for_account or "nonce" in inner.header:
        raise Malformed(_("The inner request belongs to another account or key."))
    other = accounts.find_by_thumbprint(thumbprint)
    if other is not None:
        problem = Malformed(_("The new key belongs to an account. Nothing was changed."))
        problem.status = 409
        response = json_response(
            problem.describe(),
            status=409,
            location=build_url(call.request, "acme:account", guid=other.pk),
        )
        response.headers["Content-Type"] = "application/problem+json"
        return response
    accounts.change_key(account, jwk, thumbprint, call.now)
    return json_response(documents.describe_account(account, call.request))
