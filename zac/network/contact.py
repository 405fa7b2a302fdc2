"""First contact: verify the identity of a server with a statement signed by the zone key.

No secret is sent before the statement is verified. The statement also contains the time, for
devices whose clock is too wrong to check certificates.
"""

from __future__ import annotations

import base64
import binascii
import os
import time
from http import HTTPStatus
from typing import Callable, Optional, Sequence, Tuple

from faults import Fault
from wire import json_codec
from wire.envelope import PublicKeys
from wire.messages import HelloRequest, HelloResponse
from wire.metadata import IDENTITY_STATEMENT, IdentityStatement, verify_document
from wire.records import Record, replace
from zac.network.errors import ServerBusy, Unreachable
from zac.network.tls import BUSY, Connection, Response, Transport, busy, host_of

KEY_LENGTH = 32


class IdentityNotProven(Fault):
    """The server did not prove that it belongs to the zone."""

    action = (
        "No secrets were sent. Check the address, and use a registration key "
        "from this zone's console."
    )


class VerifiedIdentity(Record):
    """A verified identity statement and the zone key that signed it."""

    zone_pub: str
    statement: IdentityStatement


def verify_identity(
    transport: Transport, url: str, is_trusted: Callable[[bytes], bool]
) -> VerifiedIdentity:
    """Return the identity of a server if `is_trusted` accepts its zone key.

    Raises IdentityNotProven, ServerBusy, Unreachable.
    """
    with transport.unverified(url) as connection:
        return _request_identity(connection, url, is_trusted)


def learn_time(
    transport: Transport, learn: Callable[[float], float], zone_pub: str
) -> Callable[[str, Sequence[str]], None]:
    """Return a function that sets the clock from the identity statement of a server."""

    def request_time(url: str, roots: Sequence[str]) -> None:
        pinned = base64.b64decode(zone_pub)
        try:
            with transport.dateless(url, roots) as connection:
                identity = _request_identity(connection, url, lambda public: public == pinned)
                learn(identity.statement.time)
        except (IdentityNotProven, ServerBusy, Unreachable):
            return

    return request_time


def _request_identity(
    connection: Connection, url: str, is_trusted: Callable[[bytes], bool]
) -> VerifiedIdentity:
    hello = HelloRequest(nonce=os.urandom(32).hex(), host=host_of(url))
    started = time.monotonic()
    response = connection.send("POST", "/zac/v1/hello", json_codec.dump(hello))
    duration = time.monotonic() - started
    if response.status in BUSY:
        raise busy(hello.host, response)
    zone_pub, statement = _verified(response, is_trusted)
    stated = (statement.nonce, statement.host, statement.certificate_sha256)
    if stated != (hello.nonce, hello.host, connection.peer.certificate_sha256):
        raise IdentityNotProven(("The server's identity statement does not match this connection."))
    if not statement.roots:
        raise IdentityNotProven(
            ("The server's identity statement does not include a certificate authority.")
        )
    return VerifiedIdentity(zone_pub, replace(statement, time=statement.time + duration / 2))


def _verified(
    response: Response, is_trusted: Callable[[bytes], bool]
) -> Tuple[str, IdentityStatement]:
    if response.status != HTTPStatus.OK:
        raise IdentityNotProven(
            ("The server could not prove which zone it belongs to (HTTP status %d).")
            % response.status
        )
    try:
        hello = json_codec.load(HelloResponse, response.body)
        public = _public(hello.zone_pub)
    except json_codec.Malformed as error:
        raise IdentityNotProven("The server's response is invalid.") from error
    if public is None or not is_trusted(public):
        raise IdentityNotProven(
            ("The server belongs to a different zone than this device or the registration key.")
        )
    return hello.zone_pub, verify_document(
        IdentityStatement, IDENTITY_STATEMENT, hello.statement, PublicKeys(hello.zone_pub)
    )


def _public(text: str) -> Optional[bytes]:
    try:
        public = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return public if len(public) == KEY_LENGTH else None
