"""Settings from the environment, parsed strictly: a value that makes no sense stops the start."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

EVERYWHERE = "0.0.0.0"  # noqa: S104 - what a server listens at unless told


def text(name: str, default: str = "") -> str:
    """Return a text; `NAME_FILE` names a file that holds it (a mounted secret)."""
    path = os.environ.get(f"{name}_FILE")
    return Path(path).read_text().strip() if path else os.environ.get(name, default)


def place(name: str) -> str:
    """Return where a file is, which is read when it is needed."""
    return os.environ.get(name, "")


def flag(name: str, *, default: bool) -> bool:
    """Return True or False of `1`, `true`, `yes`, `0`, `false`, `no`; anything else is refused."""
    value = os.environ.get(name, "").lower()
    if not value:
        return default
    if value not in ("1", "true", "yes", "0", "false", "no"):
        raise ImproperlyConfigured(f"{name} must be true or false, not {value!r}.")
    return value in ("1", "true", "yes")


def number(name: str, default: int, *, least: int, most: int) -> int:
    """Return a whole number within its range."""
    value = os.environ.get(name, "")
    if not value:
        return default
    if not value.isdigit() or not least <= int(value) <= most:
        raise ImproperlyConfigured(f"{name} must be a number from {least} to {most}.")
    return int(value)


def items(name: str) -> list[str]:
    """Return the items of a comma-separated list."""
    return [item.strip() for item in os.environ.get(name, "").split(",") if item.strip()]


def pairs(name: str) -> dict[str, str]:
    """Return a comma-separated list of key=value."""
    found = {}
    for item in items(name):
        key, sign, value = item.partition("=")
        if not sign or not key.strip() or not value.strip():
            raise ImproperlyConfigured(f"{name} must be key=value, separated by commas.")
        found[key.strip()] = value.strip()
    return found


def networks(name: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Return networks such as 10.1.0.0/16."""
    try:
        return [ipaddress.ip_network(item) for item in items(name)]
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}.") from error


@dataclass(frozen=True)
class MailServer:
    """Where mail is handed over."""

    host: str = ""
    port: int = 25
    user: str = ""
    password: str = field(default="", repr=False)
    starttls: bool = False
    tls: bool = False


MAIL_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


def mail_server(name: str) -> MailServer:
    """Return the mail server of a URL such as smtp+starttls://user:password@host:587."""
    given = text(name)
    if not given:
        return MailServer()
    try:
        url = urlsplit(given)
        port = url.port or MAIL_PORTS[url.scheme]
    except (ValueError, KeyError):
        # Without the value: there is a password in it.
        raise ImproperlyConfigured(f"{name} must begin with {', '.join(MAIL_PORTS)}.") from None
    if not url.hostname:
        raise ImproperlyConfigured(f"{name} names no host.")
    return MailServer(
        host=url.hostname,
        port=port,
        user=unquote(url.username or ""),
        password=unquote(url.password or ""),
        starttls=url.scheme == "smtp+starttls",
        tls=url.scheme == "smtps",
    )
