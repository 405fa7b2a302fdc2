"""Requests to authenticators, and verification of their responses, with the library webauthn.

See: Web Authentication Level 3, 7.1 (registration) and 7.2 (authentication)
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import webauthn
from django.contrib.auth.models import User
from webauthn.authentication.verify_authentication_response import VerifiedAuthentication
from webauthn.helpers import (
    base64url_to_bytes,
    options_to_json_dict,
    parse_authentication_credential_json,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticationCredential,
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)
from webauthn.registration.verify_registration_response import VerifiedRegistration

from administrators.models import Passkey
from administrators.passkeys.sites import Site
from devices.models import Zone

TIMEOUT_MILLISECONDS = 120_000
log = logging.getLogger(__name__)


class NotAccepted(Exception):
    """A response of an authenticator is not valid."""


def build_creation_options(
    user: User, passkeys: Iterable[Passkey], site: Site, challenge: bytes
) -> dict[str, Any]:
    """Return the options of navigator.credentials.create(), with bytes in Base64url."""
    zone = Zone.objects.get_zone()
    # An authenticator can show the user names of its passkeys. The ID says nothing about a person.
    handle = hashlib.sha256(f"{zone.guid}|{user.pk}".encode()).digest()
    options = webauthn.generate_registration_options(
        rp_id=site.rp_id,
        rp_name=f"ZCC {zone.name}",
        user_id=handle,
        user_name=user.get_username(),
        challenge=challenge,
        timeout=TIMEOUT_MILLISECONDS,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=_describe(passkeys),
    )
    return options_to_json_dict(options)


def build_request_options(
    passkeys: Iterable[Passkey], site: Site, challenge: bytes
) -> dict[str, Any]:
    """Return the options of navigator.credentials.get(), with bytes in Base64url."""
    options = webauthn.generate_authentication_options(
        rp_id=site.rp_id,
        challenge=challenge,
        timeout=TIMEOUT_MILLISECONDS,
        allow_credentials=_describe(passkeys),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json_dict(options)


def _describe(passkeys: Iterable[Passkey]) -> list[PublicKeyCredentialDescriptor]:
    return [
        PublicKeyCredentialDescriptor(id=base64url_to_bytes(passkey.credential_id))
        for passkey in passkeys
    ]


def verify_registration(text: str, *, challenge: bytes, site: Site) -> VerifiedRegistration:
    """Return the new credential in a response. Raises NotAccepted."""
    with _convert_errors():
        return webauthn.verify_registration_response(
            credential=text,
            expected_challenge=challenge,
            expected_rp_id=site.rp_id,
            expected_origin=site.origins,
            require_user_verification=True,
        )


def parse(text: str) -> AuthenticationCredential:
    """Return the response to a request as an object. Raises NotAccepted."""
    with _convert_errors():
        return parse_authentication_credential_json(text)


def verify_authentication(
    response: AuthenticationCredential, passkey: Passkey, *, challenge: bytes, site: Site
) -> VerifiedAuthentication:
    """Return what a valid response says. Raises NotAccepted. The caller compares the counter.

    The library would compare it before the signature, so anyone could cause an alarm.
    """
    with _convert_errors():
        return webauthn.verify_authentication_response(
            credential=response,
            expected_challenge=challenge,
            expected_rp_id=site.rp_id,
            expected_origin=site.origins,
            credential_public_key=base64url_to_bytes(passkey.public_key),
            credential_current_sign_count=0,
            require_user_verification=True,
        )


@contextmanager
def _convert_errors() -> Iterator[None]:
    """Convert the errors of the library. Some parsers of the parts of a response raise others."""
    try:
        yield
    except (WebAuthnException, ValueError, LookupError, TypeError, AttributeError) as error:
        log.info("A response of an authenticator was not accepted: %s", error)
        raise NotAccepted(str(error)) from error
