"""A syslog server over TLS, as in RFC 5425: octet counting, close_notify is answered."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import trustme


@dataclass
class SyslogReceiver:
    """What the server has received. `root_pem` is the root of its certificate."""

    authority: trustme.CA
    certificate: trustme.LeafCert
    port: int = 0
    aborts: bool = False
    messages: list[str] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def root_pem(self) -> str:
        """Return the root certificate."""
        return self.authority.cert_pem.bytes().decode()

    def wait_for(self, count: int) -> list[str]:
        """Return the messages as soon as there are `count`."""
        with self.changed:
            self.changed.wait_for(lambda: len(self.messages) >= count, timeout=10)
            return list(self.messages)

    def receive(self, connection: ssl.SSLSocket) -> None:
        """Read all messages of a connection, then close it in order."""
        data = b""
        while chunk := connection.recv(65536):
            data += chunk
        while data:
            length, _space, data = data.partition(b" ")
            message, data = data[: int(length)], data[int(length) :]
            assert len(message) == int(length)
            with self.changed:
                self.messages.append(message.decode())
                self.changed.notify_all()
        connection.unwrap()


@contextlib.contextmanager
def syslog_server(
    *, port: int = 0, like: SyslogReceiver | None = None, aborts: bool = False
) -> Iterator[SyslogReceiver]:
    """Run a syslog server on loopback. `like` is a server with the same certificate.

    If it `aborts`, it closes each connection with a TCP reset after the handshake.
    """
    authority = like.authority if like else trustme.CA()
    certificate = like.certificate if like else authority.issue_cert("localhost")
    receiver = SyslogReceiver(authority, certificate, aborts=aborts)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    with socket.create_server(("127.0.0.1", port)) as listener:
        receiver.port = listener.getsockname()[1]
        thread = threading.Thread(target=_serve, args=(listener, context, receiver), daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def _serve(listener: socket.socket, context: ssl.SSLContext, receiver: SyslogReceiver) -> None:
    with contextlib.suppress(OSError):
        while True:
            plain, _address = listener.accept()
            with contextlib.suppress(OSError, ssl.SSLError):
                if receiver.aborts:
                    linger = struct.pack("ii", 1, 0)
                    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                with context.wrap_socket(plain, server_side=True) as connection:
                    if not receiver.aborts:
                        receiver.receive(connection)
