"""Receivers on loopback: a mail server, and an HTTP server that records what is posted."""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller

from tests.support.http_server import serving


@dataclass
class Mailbox:
    """The mails that a server accepted; `refuses` is its error reply instead."""

    refuses: str = ""
    messages: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)

    async def handle_DATA(  # noqa: N802 - aiosmtpd calls it so
        self, server: Any, session: Any, envelope: Any
    ) -> str:
        if self.refuses:
            return self.refuses
        parsed = message_from_bytes(envelope.content, policy=policy.default)
        self.messages.append(parsed)
        self.recipients.append(list(envelope.rcpt_tos))
        return "250 taken"


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


@contextmanager
def mail_server() -> Iterator[tuple[Mailbox, int]]:
    """Run a mail server in a thread."""
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        yield box, controller.port
    finally:
        controller.stop()


class Receiver(ThreadingHTTPServer):
    """A receiver that records what is posted; `status` is its response, `location` a redirect.

    While `may_answer` is off it lets whoever posts wait.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status = 204
        self.location = ""
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.posted: list[tuple[str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook?key=of-the-url"


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.posted.append((self.path, headers, body))
        self.server.may_answer.wait()
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST  # noqa: N815 - http.server calls it so


@contextmanager
def http_server() -> Iterator[Receiver]:
    """Run a receiver of webhooks in a thread."""
    with serving(Receiver()) as server:
        try:
            yield server
        finally:
            server.may_answer.set()


def is_signed(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """Verify a signature as the Standard Webhooks specification requires."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join(
        [headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body]
    )
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    given = [part.partition(",") for part in headers["webhook-signature"].split(" ")]
    return any(
        version == "v1" and hmac.compare_digest(value, wanted) for version, _, value in given
    )
