"""A whole TLS handshake in memory, as a device with one given root would make it."""

from __future__ import annotations

import ssl
from typing import Sequence

from faults import Fault
from zac.network.tls import NO_CHECK_TIME

ROUNDS = 10


class Unusable(Fault):
    """Devices would refuse this certificate."""

    action = "Correct the certificate and hand it in again; the current one stays in use."


def check(path: str, root: str, names: Sequence[str], *, dateless: bool = False) -> None:
    """Shake hands under each name with the key and chain in a file; raises Unusable.

    `dateless`: the local clock is wrong, so it cannot judge dates.
    """
    server = _server_context(path)
    for name in names:
        _shake_hands(_client_context(root, dateless=dateless), server, name)


def _client_context(root: str, *, dateless: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags = ssl.VERIFY_X509_TRUSTED_FIRST
    context.hostname_checks_common_name = False
    context.load_verify_locations(cadata=root)
    if dateless:
        context.verify_flags |= NO_CHECK_TIME
    return context


def _server_context(path: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(path)
    except (ssl.SSLError, OSError) as error:
        raise Unusable("Key and certificate do not fit together.") from error
    return context


def _shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> None:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname=name)
    far = server.wrap_bio(to_server, to_client, server_side=True)
    pending = [near, far]
    for _ in range(ROUNDS):
        pending = [side for side in pending if not _done(side, name)]
        if not pending:
            return
    raise Unusable("The handshake for %s did not end." % name)


def _done(side: ssl.SSLObject, name: str) -> bool:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    except ssl.SSLCertVerificationError as error:
        raise Unusable("A device would refuse %s: %s." % (name, error.verify_message)) from error
    except ssl.SSLError as error:
        raise Unusable("The handshake for %s failed: %s." % (name, error.reason)) from error
    return True
