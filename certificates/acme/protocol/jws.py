"""Signed requests of ACME clients: parse a JWS, and verify its signature.

Keys of accounts are RSA, EC, or Ed25519 keys. An account key signs with HMAC, and only the public
key of an account (RFC 8555 7.3.4). See: RFC 7515; RFC 8555 6.2
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from joserfc import jwk as jwks
from joserfc import jws
from joserfc.errors import JoseError

from certificates.acme.problems import (
    AccountUnauthorized,
    BadPublicKey,
    BadSignatureAlgorithm,
    Malformed,
)

ALGORITHMS = ("ES256", "ES384", "RS256", "EdDSA", "Ed25519")
MAC_ALGORITHMS = ("HS256", "HS384", "HS512")
# The public members of each type of key (RFC 7638 3.2). Others are not stored.
_MEMBERS = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}
_CURVES = ("P-256", "P-384", "Ed25519")
MIN_RSA_BITS, MAX_RSA_BITS = 2048, 4096


@dataclass(frozen=True)
class SignedRequest:
    """A parsed JWS whose signature has not been verified. `signed` is what it is about."""

    header: dict[str, Any]
    payload: bytes
    signed: bytes
    signature: bytes

    @property
    def kid(self) -> str | None:
        """The URL of the account, or the ID of the account key, None for a public key."""
        kid = self.header.get("kid")
        return kid if isinstance(kid, str) else None

    def load_payload(self) -> dict[str, Any]:
        """Return the payload as a JSON object, or raise Malformed."""
        return _load_object(self.payload)


def parse(body: bytes | dict[str, Any]) -> SignedRequest:
    """Return the flattened JWS in a request body, or in a member of one. Raises Malformed."""
    values = body if isinstance(body, dict) else _load_object(body)
    parts = [values.get(name) for name in ("protected", "payload", "signature")]
    if "header" in values or "signatures" in values or not all(isinstance(p, str) for p in parts):
        raise Malformed(_("The request is not a flattened JWS with a protected header."))
    protected, payload, signature = (str(part) for part in parts)
    header = _load_object(_decode(protected))
    # A critical extension that is not understood must not be ignored (RFC 7515 4.1.11).
    if "crit" in header or "b64" in header:
        raise Malformed(_("The protected header contains an extension that is not supported."))
    content = _decode(payload)
    signed = f"{protected}.{payload}".encode()
    return SignedRequest(header, content, signed, _decode(signature))


def verify(request: SignedRequest, jwk: dict[str, Any]) -> None:
    """Raise a problem unless the key of an account has signed a request."""
    algorithm = request.header.get("alg")
    if algorithm not in ALGORITHMS:
        raise BadSignatureAlgorithm(
            _("The signature algorithm is not supported. Nothing was changed."),
            algorithms=list(ALGORITHMS),
        )
    if not _is_signed(request, str(algorithm), jwks.import_key(jwk)):
        raise AccountUnauthorized(
            _("The signature of the request is not valid. Nothing was changed.")
        )


def verify_binding(binding: SignedRequest, secret: bytes) -> None:
    """Raise a problem unless the secret of an account key has signed a binding (RFC 8555 7.3.4)."""
    algorithm = binding.header.get("alg")
    if algorithm not in MAC_ALGORITHMS or "nonce" in binding.header:
        raise Malformed(_("The external account binding must be signed with HS256."))
    if not _is_signed(binding, str(algorithm), jwks.OctKey.import_key(secret)):
        raise AccountUnauthorized(
            _("The external account binding has an invalid signature. Nothing was changed."),
            action=_("Copy the key ID and the HMAC key of the account key again."),
        )


def _is_signed(request: SignedRequest, algorithm: str, key: Any) -> bool:
    """Return True if a key has signed a request with an algorithm that was checked before.

    The functions of the library for a whole JWS limit a header to 512 bytes, which is too short
    for an RSA key, and do not know the members of RFC 8555.
    """
    found = jws.JWSRegistry.algorithms[algorithm]
    try:
        found.check_key(key)
        return bool(found.verify(request.signed, request.signature, key))
    except (JoseError, ValueError, TypeError):
        return False


def check_public_key(value: object) -> dict[str, str]:
    """Return the public members of a JWK, or raise BadPublicKey."""
    kind = value.get("kty") if isinstance(value, dict) else None
    names = _MEMBERS.get(kind) if isinstance(kind, str) else None
    if not isinstance(value, dict) or names is None or "d" in value:
        raise BadPublicKey(_("The JWK is not a public RSA, EC, or Ed25519 key."))
    if not all(isinstance(value.get(name), str) for name in names):
        raise BadPublicKey(_("The JWK is incomplete."))
    public = {name: str(value[name]) for name in names}
    if kind == "RSA":
        length = int.from_bytes(_decode(public["n"]), "big").bit_length()
        if not MIN_RSA_BITS <= length <= MAX_RSA_BITS:
            raise BadPublicKey(_("The RSA key of an account must have 2048 to 4096 bits."))
    elif public["crv"] not in _CURVES:
        raise BadPublicKey(_("The curve of the JWK is not supported."))
    try:
        jwks.import_key({**public})
    except (JoseError, ValueError, TypeError) as error:
        raise BadPublicKey(_("The JWK cannot be parsed.")) from error
    return public


def get_thumbprint(jwk: dict[str, Any]) -> str:
    """Return the SHA-256 thumbprint of a JWK (RFC 7638)."""
    return str(jwks.import_key(jwk).thumbprint())


def get_thumbprint_of_pem(public_key: str) -> str:
    """Return the thumbprint of a public RSA or EC key as PEM."""
    for kind in (jwks.ECKey, jwks.RSAKey):
        try:
            return str(kind.import_key(public_key).thumbprint())
        except (JoseError, ValueError, TypeError):
            continue
    return ""


def decode_member(values: dict[str, Any], name: str) -> bytes:
    """Return a member in base64url, or raise Malformed."""
    text = values.get(name)
    if not isinstance(text, str):
        raise Malformed(_("The member “%s” is missing. Nothing was changed.") % name)
    return _decode(text)


def _decode(text: str) -> bytes:
    """Return the bytes of base64url without padding (RFC 7515 2)."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except ValueError as error:
        raise Malformed(_("The request is not valid base64url. Nothing was changed.")) from error


def _load_object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Malformed(_("The request is not valid JSON. Nothing was changed.")) from error
    if not isinstance(value, dict):
        raise Malformed(_("The request is not a JSON object. Nothing was changed."))
    return value
