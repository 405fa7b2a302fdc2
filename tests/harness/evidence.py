"""Evidence of a zone: contacts, served certificates, and exposed secrets."""

from __future__ import annotations

import base64
import json
import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PRIVATE_KEY = re.compile(
    r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----(.+?)-----END (?:[A-Z]+ )?PRIVATE KEY-----", re.DOTALL
)
# What lies in the open: database, broker, logs, static files. Homes of hosts hold keys (0600).
OPEN = ("zcc.sqlite3*", "valkey/**/*", "logs/*", "static/**/*", "processes.json", "layout.json")
LEAST_SECRET = 12


@dataclass(frozen=True)
class Contact:
    """One attempt of a host to reach a server; times are seconds since 1970."""

    host: str
    t: float
    server: str
    ok: bool
    refused: bool
    anchored: str
    error: str


def contacts(home: Path) -> list[Contact]:
    """Return all contacts that the agents below a ZCC_HOME have recorded, ordered by time."""
    found = [
        _contact(path.parent.name, json.loads(line))
        for path in home.glob("*/*/contact.jsonl*")
        for line in path.read_text().splitlines(keepends=True)
        if line.endswith("\n")  # the agent is writing the last line
    ]
    return sorted(found, key=lambda one: one.t)


def _contact(host: str, said: dict[str, Any]) -> Contact:
    return Contact(
        host=host,
        t=said["t"],
        server=said["server"],
        ok=said["ok"],
        refused=said["refused"],
        anchored=said.get("anchored", ""),
        error=said.get("error", ""),
    )


def served_certificate(address: str, port: int) -> str:
    """Return the certificate (PEM) that a listener serves, without verification."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((address, port), timeout=20) as plain,
        context.wrap_socket(plain) as line,
    ):
        shown = line.getpeercert(binary_form=True)
    assert shown is not None
    return ssl.DER_cert_to_PEM_cert(shown)


def leaked_secrets(home: Path, more: tuple[str, ...] = ()) -> list[str]:
    """Return where a private key or a known secret of the zone is exposed."""
    needles = secrets(home)
    needles += [("a secret of the test", secret.encode()) for secret in more]
    found = []
    for path in sorted({path for pattern in OPEN for path in home.glob(pattern)}):
        if not path.is_file():
            continue
        data = path.read_bytes()
        found += [f"{name} in {path}" for name, value in needles if value in data]
        if b"PRIVATE KEY-----" in data and path.suffix not in (".js", ".gz"):
            found.append(f"a private key in {path}")
    return found


def secrets(home: Path) -> list[tuple[str, bytes]]:
    """Return each secret of a zone with a description."""
    return [(name, value) for name, value in _secrets(home) if len(value) >= LEAST_SECRET]


def _secrets(home: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every secret that a zone stores in private files."""
    yield "Django's key", (home / "django-secret.key").read_bytes().strip()
    access = json.loads((home / "access.json").read_text())
    for name in ("password", "api_token"):
        yield name, access.get(name, "").encode()
    for role, key in json.loads((home / "registration-keys.json").read_text()).items():
        yield f"registration key of {role}", key.encode()
        yield f"registration key of {role}", key.split("-")[1].encode()
    for path in home.glob("*/*/device.json"):
        yield f"secret of {path.parent.name}", json.loads(path.read_text())["secret"].encode()
    for path in home.glob("*/*/*vault/*.key"):
        yield f"vault key {path}", path.read_bytes().strip()
    for path in [*home.glob("*/*/security/*/*.pem"), *home.glob("*/*/remint-repo/**/*.pem")]:
        for body in PRIVATE_KEY.findall(path.read_text()):
            packed = "".join(body.split())
            yield f"key of {path}", base64.b64decode(packed)
            yield f"key of {path}", packed.encode()
