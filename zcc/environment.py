"""Settings from the environment, parsed strictly: a value that makes no sense stops the start."""

from __future__ import annotations

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def text(name: str, default: str = "") -> str:
    """Return a text; `NAME_FILE` names a file that holds it (a mounted secret)."""
    path = os.environ.get(f"{name}_FILE")
    return Path(path).read_text().strip() if path else os.environ.get(name, default)


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
