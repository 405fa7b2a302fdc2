"""Which console, which CA file, which token: from options, the environment, a profile.

A token is never an argument: arguments are seen by every user of a host and kept in histories.
"""

from __future__ import annotations

import json
import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faults import Forbidden, Invalid

EXAMPLE = """\
default = "zone"
[profiles.zone]
url = "https://zcc.example:8443"
ca_file = "/etc/zman/zone-ca.pem"
token_file = "/etc/zman/token"
"""


@dataclass(frozen=True)
class Place:
    """A console, and how to be let in."""

    url: str
    ca_file: Path | None
    token: str = field(repr=False)


def default_file(environment: Mapping[str, str]) -> Path:
    """Return where the profiles are kept."""
    base = environment.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "zman" / "profiles.toml"


def decide(options: Mapping[str, Any], environment: Mapping[str, str]) -> Place:
    """Return the console that is meant: an option wins over the environment, that over a profile.

    `access` is the access.json that an embedded zone writes.
    """
    given = {**_profile(options, environment), **_environment(environment), **_named(options)}
    if given.get("access"):
        given = {**_access(Path(given["access"])), **given}
    url = str(given.get("url", "")).rstrip("/")
    if not url.startswith("https://"):
        raise Invalid(
            f"The address of the console is {url!r}." if url else "No console is named.",
            action="Give --url https://HOST:PORT, set ZMAN_URL, or write a profile (see --help).",
        )
    ca_file = Path(given["ca_file"]).expanduser() if given.get("ca_file") else None
    if ca_file is not None and not ca_file.is_file():
        raise Invalid(f"There is no file {ca_file} with the CA's certificate.")
    return Place(url, ca_file, _token(given))


NAMES = ("url", "ca_file", "token_file", "access")


def _named(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: options[name] for name in NAMES if options.get(name)}


def _environment(environment: Mapping[str, str]) -> dict[str, str]:
    found = {name: environment.get(f"ZMAN_{name.upper()}", "") for name in (*NAMES, "token")}
    return {name: value for name, value in found.items() if value}


def _profile(options: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    path = default_file(environment)
    wanted = options.get("profile") or environment.get("ZMAN_PROFILE", "")
    if not path.exists():
        if wanted:
            raise Invalid(f"There is no profile {wanted}: {path} does not exist.")
        return {}
    try:
        written = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Invalid(f"{path} cannot be read: {error}.") from error
    profiles = written.get("profiles", {})
    name = wanted or written.get("default", "")
    if name and name not in profiles:
        raise Invalid(
            f"There is no profile {name} in {path}.",
            action=f"It has: {', '.join(profiles) or 'none'}.",
        )
    found: dict[str, Any] = profiles.get(name, {})
    if "token" in found:
        raise Invalid(
            f"The profile {name} holds a token itself.",
            action="Write the token into a file of its own (0600) and name it as token_file.",
        )
    return found


def _access(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(_private(path))
        return {"url": told["url"], "ca_file": told["ca_file"], "token": told["api_token"]}
    except (ValueError, KeyError, TypeError) as error:
        raise Invalid(f"{path} is not the access.json of an embedded zone.") from error


def _token(given: Mapping[str, Any]) -> str:
    text = str(given.get("token", ""))
    if not text and given.get("token_file"):
        text = _private(Path(given["token_file"]).expanduser()).strip()
    if not text:
        raise Invalid(
            "No token is given.",
            action="Make one on the page API Tokens of the console; then set ZMAN_TOKEN, or put "
            "it into a file (0600) and name that with --token-file or ZMAN_TOKEN_FILE.",
        )
    if not text.isascii() or not text.isprintable() or " " in text:
        raise Invalid("The token is not the text of one: it has characters that no token has.")
    return text


def _private(path: Path) -> str:
    """Read a file with a secret; one that others may read is refused, as ssh does."""
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise Forbidden(
                    f"{path} holds a secret and can be read by others. It was not used.",
                    action=f"Run: chmod 600 {path}",
                )
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{path} cannot be read: {error}.") from error
