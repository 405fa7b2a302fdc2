"""First contact: who are you? The zone key answers for the host, its certificate and the roots.

Nothing secret is said before that answer is checked (S-51, S-53). The same statement tells the
time to a device whose clock is so wrong that it cannot judge certificates.
"""

from __future__ import annotations

import base64
import binascii
import os
import time
from http import HTTPStatus
from typing import Callable, Optional, Sequence

from faults import Fault
from wire import json_codec
from wire.messages import Hello, HelloAnswer
from wire.metadata import STATEMENT, Statement, open_as
from wire.values import Value
from zac.network.tls import Answer, Line, Transport, Unreachable, host_of

KEY_LENGTH = 32


class NotProven(Fault):
    """The server did not prove that it belongs to the zone."""

    action = (
        "Nothing secret was sent. Check the address, and take the key from this zone's console."
    )


class Greeting(Value):
    """A proven statement, with the key that proved it."""

    zone_pub: str
    statement: Statement


def greet(transport: Transport, url: str, trusts: Callable[[bytes], bool]) -> Greeting:
    """Ask whoever answers to prove the zone; `trusts` judges its public key first."""
    with transport.unverified(url) as line:
        return _ask(line, url, trusts)


def learn_time(
    transport: Transport, learn: Callable[[float], float], zone_pub: str
) -> Callable[[str, Sequence[str]], None]:
    """Return what a transport asks when only dates stand in the way: the zone's signed time."""

    def ask(url: str, roots: Sequence[str]) -> None:
        wanted = base64.b64decode(zone_pub)
        try:
            with transport.dateless(url, roots) as line:
                learn(_ask(line, url, lambda public: public == wanted).statement.time)
        except (NotProven, Unreachable):
            return

    return ask


def _ask(line: Line, url: str, trusts: Callable[[bytes], bool]) -> Greeting:
    hello = Hello(nonce=os.urandom(32).hex(), host=host_of(url))
    began = time.monotonic()
    answer = line.send("POST", "/zac/v1/hello", json_codec.dump(hello))
    took = time.monotonic() - began
    zone_pub, statement = _opened(answer, trusts)
    same = (statement.nonce, statement.host, statement.certificate_sha256)
    if same != (hello.nonce, hello.host, line.peer.certificate_sha256):
        raise NotProven("The server's statement is not about this connection.")
    if not statement.roots:
        raise NotProven("The server's statement names no certificate authority.")
    fresh = Statement(**{**vars(statement), "time": statement.time + took / 2})
    return Greeting(zone_pub, fresh)


def _opened(answer: Answer, trusts: Callable[[bytes], bool]) -> "tuple[str, Statement]":
    if answer.status != HTTPStatus.OK:
        raise NotProven("The server answered %d instead of proving its zone." % answer.status)
    try:
        told = json_codec.load(HelloAnswer, answer.body)
        public = _public(told.zone_pub)
    except json_codec.Malformed as error:
        raise NotProven("The server's answer cannot be read.") from error
    if public is None or not trusts(public):
        raise NotProven("The server belongs to another zone than this device or its key.")
    return told.zone_pub, open_as(Statement, STATEMENT, told.statement, told.zone_pub)


def _public(text: str) -> Optional[bytes]:
    try:
        public = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return public if len(public) == KEY_LENGTH else None
