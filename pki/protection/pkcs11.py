"""CA keys inside a PKCS#11 token: made there, used there, never read (B-27).

A key of a token stands in for a key of the library: it signs the same way. Nothing here keeps a
PIN; one that was refused is not tried again by this process, since a token locks after a few.
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
from pki.certificates.loading import PrivateKey
from pki.errors import CannotSign, PkiFault

_CURVES = {256: "secp256r1", 384: "secp384r1"}
_RSA = {
    "sha256": pkcs11.Mechanism.SHA256_RSA_PKCS,
    "sha384": pkcs11.Mechanism.SHA384_RSA_PKCS,
    "sha512": pkcs11.Mechanism.SHA512_RSA_PKCS,
}
_refused: set[bytes] = set()
_sessions: dict[Token, Any] = {}
_stale: set[str] = set()
_lock = threading.RLock()


class TokenFault(CannotSign):
    """The token is not there, refuses its PIN, or does not do what it should."""

    kind = Kind.UNAVAILABLE
    action = "Connect the token and see to its service; it is tried again by itself."


class PinRefused(TokenFault):
    """The token refuses the PIN."""

    action = (
        "Correct the file of ZCC_PKCS11_PIN_FILE. A token locks after a few wrong PINs, so this "
        "one is not tried again."
    )


@dataclass(frozen=True)
class Token:
    """Where a token is: the library that speaks to it, its label, its PIN."""

    module: str
    label: str
    pin: str = field(repr=False)

    def make_key(self, length: int, name: str) -> PrivateKey:
        """Make a key pair that cannot leave the token, and return it."""
        with _problems(self), _lock:
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
        """Return a key of the token by its name."""
        with _problems(self), _lock:
            session = self._session()
            private = _one(session, pkcs11.ObjectClass.PRIVATE_KEY, name)
            public = _one(session, pkcs11.ObjectClass.PUBLIC_KEY, name)
            return _made(self, name, private, _public(public))

    def destroy(self, name: str) -> None:
        """Destroy a key pair of the token; one that is gone already is no fault."""
        with _problems(self), _lock:
            session = self._session()
            for kind in (pkcs11.ObjectClass.PRIVATE_KEY, pkcs11.ObjectClass.PUBLIC_KEY):
                wanted = {pkcs11.Attribute.CLASS: kind, pkcs11.Attribute.LABEL: name}
                for found in list(session.get_objects(wanted)):
                    found.destroy()

    def forget(self) -> None:
        """Let go of every session with this library, as after a fault; the next use begins anew."""
        with _lock:
            for other in [known for known in _sessions if known.module == self.module]:
                session = _sessions.pop(other)
                with suppress(pkcs11.PKCS11Error):  # the token is gone, and the session with it
                    session.close()
            _stale.add(self.module)

    def _session(self) -> Any:
        """Return the one session of this process: a log-out of one would end them all."""
        if self not in _sessions:
            mark = hashlib.sha256(repr((self.module, self.label, self.pin)).encode()).digest()
            if mark in _refused:
                raise PinRefused(f"The token {self.label} refuses its PIN.")
            self.forget()
            try:
                _sessions[self] = self._find().open(rw=True, user_pin=self.pin)
            except (problems.PinIncorrect, problems.PinInvalid, problems.PinLenRange):
                _refused.add(mark)
                raise
        return _sessions[self]

    def _find(self) -> Any:
        library = _library(self.module)
        if self.module in _stale:
            # A token that was away is seen again only by a library that starts anew.
            library.reinitialize()
            _stale.discard(self.module)
        return library.get_token(token_label=self.label)


def _one(session: Any, kind: pkcs11.ObjectClass, name: str) -> Any:
    wanted = {pkcs11.Attribute.CLASS: kind, pkcs11.Attribute.LABEL: name}
    found = list(session.get_objects(wanted))  # to its end: a search holds the session
    if len(found) != 1:
        raise problems.NoSuchKey
    return found[0]


def _library(module: str) -> Any:
    try:
        return pkcs11.lib(module)
    except (RuntimeError, pkcs11.PKCS11Error) as error:
        raise TokenFault(
            f"The PKCS#11 library {module} cannot be loaded.",
            action="Correct ZCC_PKCS11_MODULE, or install the token's software.",
        ) from error


@contextmanager
def _problems(token: Token) -> Iterator[None]:
    """Say in words what the token says in numbers."""
    try:
        yield
    except pkcs11.PKCS11Error as error:
        token.forget()
        raise _said(token, error) from error


def _said(token: Token, error: pkcs11.PKCS11Error) -> TokenFault:
    if isinstance(error, problems.PinIncorrect | problems.PinInvalid | problems.PinLenRange):
        return PinRefused(f"The token {token.label} refuses its PIN.")
    if isinstance(error, problems.PinLocked):
        return TokenFault(
            f"The PIN of the token {token.label} is locked.",
            action="Unlock it with the token's own tools.",
        )
    if isinstance(error, problems.NoSuchToken):
        return TokenFault(f"The token {token.label} is not there.")
    if isinstance(error, problems.NoSuchKey):
        return TokenFault(
            f"The token {token.label} does not hold the CA key.",
            action="Connect the token that holds it.",
        )
    why = type(error).__name__
    return TokenFault(f"The token {token.label} does not answer as it should: {why}.")


def _public(key: Any) -> Any:
    if key.key_type is pkcs11.KeyType.RSA:
        return serialization.load_der_public_key(token_rsa.encode_rsa_public_key(key))
    return serialization.load_der_public_key(token_ec.encode_ec_public_key(key))


def _made(token: Token, name: str, private: Any, public: Any) -> PrivateKey:
    kind = TokenRSAKey if isinstance(public, rsa.RSAPublicKey) else TokenECKey
    return kind(token, name, private, public)


def name_of(key: PrivateKey) -> str:
    """Return the name of a token's key, by which it is found again."""
    if not isinstance(key, _Key):
        raise TypeError("this key is in no token")
    return key.name


class NotReadable(PkiFault):
    """A key inside a token only signs."""


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise NotReadable("The key is inside a token: it signs there and cannot be read.")


class _Key:
    """What both kinds share: the public half, and that the private one stays where it is."""

    def __init__(self, token: Token, name: str, private: Any, public: Any) -> None:
        self.name = name
        self._token, self._private, self._public = token, private, public

    def public_key(self) -> Any:
        """Return the public half."""
        return self._public

    @property
    def key_size(self) -> int:
        """Return the length of the key."""
        size: int = self._public.key_size
        return size

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, _memo: dict[int, Any]) -> Any:
        return self

    private_numbers = private_bytes = decrypt = exchange = _refuse

    def _signed(self, data: bytes, mechanism: pkcs11.Mechanism) -> bytes:
        with _problems(self._token), _lock:
            signature: bytes = self._private.sign(data, mechanism=mechanism)
        return signature


class TokenRSAKey(_Key, rsa.RSAPrivateKey):
    """An RSA key inside a token."""

    def sign(self, data: Any, padding: Any, algorithm: Any) -> bytes:
        """Sign with PKCS#1 v1.5, the one padding of certificates here."""
        return self._signed(bytes(data), _RSA[algorithm.name])


class TokenECKey(_Key, ec.EllipticCurvePrivateKey):
    """An EC key inside a token."""

    @property
    def curve(self) -> ec.EllipticCurve:
        """Return the curve."""
        found: ec.EllipticCurve = self._public.curve
        return found

    def sign(self, data: Any, signature_algorithm: Any) -> bytes:
        """Sign the digest with ECDSA; not every token digests by itself."""
        digest = hashes.Hash(signature_algorithm.algorithm)
        digest.update(bytes(data))
        raw = self._signed(digest.finalize(), pkcs11.Mechanism.ECDSA)
        half = len(raw) // 2
        return encode_dss_signature(
            int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big")
        )
