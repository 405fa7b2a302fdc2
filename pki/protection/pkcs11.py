"""CA keys in a PKCS #11 token, which generates and uses them but does not export them.

A token key implements the key interface of `cryptography`. The PIN is not stored. A rejected PIN
is not tried again by this process, because tokens lock after a few incorrect attempts.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, NoReturn

import pkcs11
import pkcs11.exceptions as problems
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from pkcs11.util import ec as token_ec
from pkcs11.util import rsa as token_rsa

from faults import Kind
from faults.texts import gettext as _
from faults.texts import gettext_noop
from pki.certificates.loading import PrivateKey
from pki.errors import CannotSign, PkiFault

_CURVES = {256: "secp256r1", 384: "secp384r1"}
_RSA = {
    "sha256": pkcs11.Mechanism.SHA256_RSA_PKCS,
    "sha384": pkcs11.Mechanism.SHA384_RSA_PKCS,
    "sha512": pkcs11.Mechanism.SHA512_RSA_PKCS,
}
_rejected_pins: set[bytes] = set()
_sessions: dict[Token, Any] = {}
_stale_modules: set[str] = set()
_lock = threading.RLock()


class TokenFault(CannotSign):
    """The token is not connected, rejects the PIN, or returns an error."""

    kind = Kind.UNAVAILABLE
    action = gettext_noop(
        "Connect the token and check its service. The server retries automatically."
    )


class PinRejected(TokenFault):
    """The token rejects the PIN."""

    action = gettext_noop(
        "Correct the PIN in the file set in ZCC_PKCS11_PIN_FILE. This PIN is "
        "not tried again, because tokens lock after a few incorrect attempts."
    )


@dataclass(frozen=True)
class Token:
    """A token: the path of its PKCS #11 library, its label, and its PIN."""

    module: str
    label: str
    pin: str = field(repr=False)

    def make_key(self, length: int, name: str) -> PrivateKey:
        """Generate a key pair that cannot be exported, and return it."""
        with _translate_errors(self), _lock:
            session = self._session()
            kind = pkcs11.KeyType.EC if length in _CURVES else pkcs11.KeyType.RSA
            private = {
                pkcs11.Attribute.EXTRACTABLE: False,
                pkcs11.Attribute.SENSITIVE: True,
                pkcs11.Attribute.SIGN: True,
            }
            how: dict[str, Any] = {"label": name, "store": True, "private_template": private}
            if kind is pkcs11.KeyType.RSA:
                session.generate_keypair(kind, length, **how)
            else:
                curve = token_ec.encode_named_curve_parameters(_CURVES[length])
                parameters = session.create_domain_parameters(
                    kind, {pkcs11.Attribute.EC_PARAMS: curve}, local=True
                )
                parameters.generate_keypair(**how)
        return self.key(name)

    def key(self, name: str) -> PrivateKey:
        """Return the key with this name, or raise TokenFault."""
        with _translate_errors(self), _lock:
            session = self._session()
            private = _get_object(session, pkcs11.ObjectClass.PRIVATE_KEY, name)
            public = _get_object(session, pkcs11.ObjectClass.PUBLIC_KEY, name)
            return _wrap_key(self, name, private, _load_public_key(public))

    def destroy(self, name: str) -> None:
        """Destroy a key pair of the token if it exists."""
        with _translate_errors(self), _lock:
            session = self._session()
            for kind in (pkcs11.ObjectClass.PRIVATE_KEY, pkcs11.ObjectClass.PUBLIC_KEY):
                wanted = {pkcs11.Attribute.CLASS: kind, pkcs11.Attribute.LABEL: name}
                for found in list(session.get_objects(wanted)):
                    found.destroy()

    def close_sessions(self) -> None:
        """Close all sessions with this library. The next use opens a new one."""
        with _lock:
            for other in [known for known in _sessions if known.module == self.module]:
                session = _sessions.pop(other)
                with suppress(pkcs11.PKCS11Error):  # the token was disconnected
                    session.close()
            _stale_modules.add(self.module)

    def _session(self) -> Any:
        """Return the only session of this process: logging out of one session ends all."""
        if self not in _sessions:
            mark = hashlib.sha256(repr((self.module, self.label, self.pin)).encode()).digest()
            if mark in _rejected_pins:
                raise PinRejected(
                    _("The token %(label)s rejected the PIN.") % {"label": self.label}
                )
            self.close_sessions()
            try:
                _sessions[self] = self._find().open(rw=True, user_pin=self.pin)
            except (problems.PinIncorrect, problems.PinInvalid, problems.PinLenRange):
                _rejected_pins.add(mark)
                raise
        return _sessions[self]

    def _find(self) -> Any:
        library = _load_library(self.module)
        if self.module in _stale_modules:
            # The library detects a reconnected token only after it is initialized again.
            library.reinitialize()
            _stale_modules.discard(self.module)
        return library.get_token(token_label=self.label)


def _get_object(session: Any, kind: pkcs11.ObjectClass, name: str) -> Any:
    wanted = {pkcs11.Attribute.CLASS: kind, pkcs11.Attribute.LABEL: name}
    found = list(session.get_objects(wanted))  # an unfinished search blocks the session
    if len(found) != 1:
        raise problems.NoSuchKey
    return found[0]


def _load_library(module: str) -> Any:
    try:
        return pkcs11.lib(module)
    except (RuntimeError, pkcs11.PKCS11Error) as error:
        raise TokenFault(
            _("The PKCS #11 library %(module)s cannot be loaded.") % {"module": module},
            action=_("Correct ZCC_PKCS11_MODULE, or install the token's software."),
        ) from error


@contextmanager
def _translate_errors(token: Token) -> Iterator[None]:
    """Convert PKCS #11 errors to TokenFault and close the sessions."""
    try:
        yield
    except pkcs11.PKCS11Error as error:
        token.close_sessions()
        raise _translate_error(token, error) from error


def _translate_error(token: Token, error: pkcs11.PKCS11Error) -> TokenFault:
    if isinstance(error, problems.PinIncorrect | problems.PinInvalid | problems.PinLenRange):
        return PinRejected(_("The token %(label)s rejected the PIN.") % {"label": token.label})
    if isinstance(error, problems.PinLocked):
        return TokenFault(
            _("The PIN of the token %(label)s is locked.") % {"label": token.label},
            action=_("Unlock it with the token's own tools."),
        )
    if isinstance(error, problems.NoSuchToken):
        return TokenFault(_("The token %(label)s is not connected.") % {"label": token.label})
    if isinstance(error, problems.NoSuchKey):
        return TokenFault(
            _("The token %(label)s does not contain the CA key.") % {"label": token.label},
            action=_("Connect the token that contains the key."),
        )
    why = type(error).__name__
    return TokenFault(
        _("The token %(label)s returned an unexpected response: %(why)s.")
        % {"label": token.label, "why": why}
    )


def _load_public_key(key: Any) -> Any:
    if key.key_type is pkcs11.KeyType.RSA:
        return serialization.load_der_public_key(token_rsa.encode_rsa_public_key(key))
    return serialization.load_der_public_key(token_ec.encode_ec_public_key(key))


def _wrap_key(token: Token, name: str, private: Any, public: Any) -> PrivateKey:
    kind = TokenRSAKey if isinstance(public, rsa.RSAPublicKey) else TokenECKey
    return kind(token, name, private, public)


def get_key_name(key: PrivateKey) -> str:
    """Return the name of a key in its token."""
    if not isinstance(key, _TokenKey):
        raise TypeError("this key is not stored in a token")
    return key.name


class KeyNotExportable(PkiFault):
    """The key is stored in a token and cannot be exported."""


def _raise_not_exportable(*_args: Any, **_kwargs: Any) -> NoReturn:
    raise KeyNotExportable(_("The key is stored in a PKCS #11 token and cannot be exported."))


class _TokenKey:
    """Base class of the token keys."""

    def __init__(self, token: Token, name: str, private: Any, public: Any) -> None:
        self.name = name
        self._token, self._private, self._public = token, private, public

    def public_key(self) -> Any:
        """Return the public key."""
        return self._public

    @property
    def key_size(self) -> int:
        """Return the length of the key in bits."""
        size: int = self._public.key_size
        return size

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, _memo: dict[int, Any]) -> Any:
        return self

    private_numbers = private_bytes = decrypt = exchange = _raise_not_exportable

    def _signed(self, data: bytes, mechanism: pkcs11.Mechanism) -> bytes:
        with _translate_errors(self._token), _lock:
            signature: bytes = self._private.sign(data, mechanism=mechanism)
        return signature


class TokenRSAKey(_TokenKey, rsa.RSAPrivateKey):
    """An RSA key in a token."""

    def sign(self, data: Any, padding: Any, algorithm: Any) -> bytes:
        """Return a PKCS #1 v1.5 signature. Other paddings are not used in certificates here."""
        return self._signed(bytes(data), _RSA[algorithm.name])


class TokenECKey(_TokenKey, ec.EllipticCurvePrivateKey):
    """An EC key in a token."""

    @property
    def curve(self) -> ec.EllipticCurve:
        """Return the curve."""
        found: ec.EllipticCurve = self._public.curve
        return found

    def sign(self, data: Any, signature_algorithm: Any) -> bytes:
        """Return an ECDSA signature. The digest is computed here, as not all tokens support it."""
        digest = hashes.Hash(signature_algorithm.algorithm)
        digest.update(bytes(data))
        raw = self._signed(digest.finalize(), pkcs11.Mechanism.ECDSA)
        half = len(raw) // 2
        return encode_dss_signature(
            int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big")
        )
