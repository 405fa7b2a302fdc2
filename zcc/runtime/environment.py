"""Settings from environment variables. An invalid value raises ImproperlyConfigured."""

from __future__ import annotations

import ipaddress
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

ALL_ADDRESSES = "0.0.0.0"  # noqa: S104 - the default of a server


# The component of a process in its log lines. The program that starts it sets the variable.
PART = "ZCC_PART"
# Setting: name in the previous release, accepted for one release.
OLD_NAMES = {"ZCC_PREFLIGHT_PORT": "ZCC_REHEARSAL_PORT"}
# Ports of a Primary Server and their defaults.
PORTS = {"port": 8443, "content_port": 8080, "preflight_port": 8444}


def _get(name: str) -> str:
    return os.environ.get(name) or os.environ.get(OLD_NAMES.get(name, ""), "")


def text(name: str, default: str = "") -> str:
    """Return a text, or the content of the file in `NAME_FILE` (a mounted secret)."""
    path = os.environ.get(f"{name}_FILE")
    return Path(path).read_text().strip() if path else os.environ.get(name, default)


def file_path(name: str) -> str:
    """Return the path of a file that is read later."""
    return os.environ.get(name, "")


def http_address(name: str) -> str:
    """Return an address such as http://pki.example.com/crl without a slash at its end."""
    value = text(name).rstrip("/")
    if value and not (urlsplit(value).scheme == "http" and urlsplit(value).hostname):
        raise ImproperlyConfigured(f"{name} must be an address that starts with http://.")
    return value


def flag(name: str, *, default: bool) -> bool:
    """Return True for `1`, `true`, `yes`, and False for `0`, `false`, `no`."""
    value = os.environ.get(name, "").lower()
    if not value:
        return default
    if value not in ("1", "true", "yes", "0", "false", "no"):
        raise ImproperlyConfigured(f"{name} must be true or false, not {value!r}.")
    return value in ("1", "true", "yes")


def number(name: str, default: int, *, minimum: int, maximum: int) -> int:
    """Return an integer within a range."""
    value = _get(name)
    if not value:
        return default
    if not value.isdigit() or not minimum <= int(value) <= maximum:
        raise ImproperlyConfigured(f"{name} must be a number from {minimum} to {maximum}.")
    return int(value)


def log_format() -> str:
    """Return the format of log lines, json or text: text on a terminal unless it is set."""
    found = text("ZCC_LOG_FORMAT") or ("text" if sys.stderr.isatty() else "json")
    if found not in ("json", "text"):
        raise ImproperlyConfigured(f"ZCC_LOG_FORMAT must be json or text, not {found!r}.")
    return found


def ports() -> dict[str, int]:
    """Return the ports of a Primary Server by name."""
    return {
        name: number(f"ZCC_{name.upper()}", default, minimum=1, maximum=65535)
        for name, default in PORTS.items()
    }


def items(name: str) -> list[str]:
    """Return the items of a comma-separated list."""
    return [item.strip() for item in os.environ.get(name, "").split(",") if item.strip()]


def pairs(name: str) -> dict[str, str]:
    """Return a comma-separated list of key=value."""
    found = {}
    for item in items(name):
        key, sign, value = item.partition("=")
        if not sign or not key.strip() or not value.strip():
            raise ImproperlyConfigured(f"{name} must be a comma-separated list of key=value pairs.")
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
    """An SMTP server."""

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
        # The value contains a password and must not be shown.
        raise ImproperlyConfigured(f"{name} must start with {', '.join(MAIL_PORTS)}.") from None
    if not url.hostname:
        raise ImproperlyConfigured(f"{name} does not specify a host.")
    return MailServer(
        host=url.hostname,
        port=port,
        user=unquote(url.username or ""),
        password=unquote(url.password or ""),
        starttls=url.scheme == "smtp+starttls",
        tls=url.scheme == "smtps",
    )
