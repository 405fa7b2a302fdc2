"""A DNS server on loopback with TXT records that a program adds and removes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socketserver import BaseRequestHandler, UDPServer

import dns.message
import dns.rdatatype
import dns.resolver
import dns.rrset

from tests.support.http_server import serving

LOOPBACK = "127.0.0.1"
# Called as `ACTION NAME VALUE`. A name is a file, with a value on each line.
PROGRAM = """#!/bin/sh
set -eu
record="%(folder)s/$2"
echo "$1" >>"%(actions)s"
case "$1" in
present) echo "$3" >>"$record" ;;
cleanup) rm "$record" ;;
esac
"""


@dataclass(frozen=True)
class DnsServer:
    """A running server, and the program that changes its records."""

    port: int
    program: Path
    records: Path
    actions: Path

    def build_resolver(self) -> dns.resolver.Resolver:
        """Return a resolver that asks this server."""
        made = dns.resolver.Resolver(configure=False)
        made.nameservers, made.port = [LOOPBACK], self.port
        return made


@contextmanager
def dns_server(folder: Path) -> Iterator[DnsServer]:
    """Serve the records in a new folder until the end of the block."""
    records, actions, program = folder / "records", folder / "actions", folder / "change-record"
    records.mkdir(parents=True)
    actions.touch()
    program.write_text(PROGRAM % {"folder": records, "actions": actions})
    program.chmod(0o755)

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            data, outgoing = self.request
            query = dns.message.from_wire(data)
            question = query.question[0]
            response = dns.message.make_response(query, recursion_available=True)
            path = records / question.name.to_text()
            if question.rdtype == dns.rdatatype.TXT and path.exists():
                values = [f'"{value}"' for value in path.read_text().split()]
                answer = dns.rrset.from_text(question.name, 1, "IN", "TXT", *values)
                response.answer.append(answer)
            outgoing.sendto(response.to_wire(), self.client_address)

    with serving(UDPServer((LOOPBACK, 0), Handler)) as server:
        yield DnsServer(server.server_address[1], program, records, actions)
