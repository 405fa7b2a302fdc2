"""The connection to a console: from options, environment variables, and a profile.

A token cannot be an option: all users of a host can see arguments, and shells keep them.
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
class Connection:
    """The URL of a console, the CA that verifies it, and the API token."""

    url: str
    ca_file: Path | None
    token: str = field(repr=False)


def get_profiles_path(environment: Mapping[str, str]) -> Path:
    """Return the path of the profiles file."""
    base = environment.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "zman" / "profiles.toml"


def get_connection(options: Mapping[str, Any], environment: Mapping[str, str]) -> Connection:
    """Return the connection. Options take precedence over the environment, and that over a profile.

    `access` is the access.json of a demo zone. Raises Invalid or Forbidden.
    """
    given: dict[str, Any] = {}
    for source in (
        _from_profile(options, environment),
        _from_environment(environment),
        _from_options(options),
    ):
        if source.get("token_file"):
            given.pop("token", None)
        if source.get("access"):
            given |= _from_access_file(Path(source["access"]))
        given |= source
    url = str(given.get("url", "")).rstrip("/")
    if not url.startswith("https://"):
        raise Invalid(
            f"Invalid console URL: {url}." if url else "No console specified.",
            action=(
                "Use --url https://HOST:PORT, set ZMAN_URL, or create a profile (see zman --help)."
            ),
        )
    ca_file = Path(given["ca_file"]).expanduser() if given.get("ca_file") else None
    if ca_file is not None and not ca_file.is_file():
        raise Invalid(f"CA certificate file not found: {ca_file}.")
    return Connection(url, ca_file, _get_token(given))


NAMES = ("url", "ca_file", "token_file", "access")


def _from_options(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: options[name] for name in NAMES if options.get(name)}


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    found = {name: environment.get(f"ZMAN_{name.upper()}", "") for name in (*NAMES, "token")}
    return {name: value for name, value in found.items() if value}


def _from_profile(options: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    path = get_profiles_path(environment)
    requested = options.get("profile") or environment.get("ZMAN_PROFILE", "")
    if not path.exists():
        if requested:
            raise Invalid(f"Profile {requested} not found because {path} does not exist.")
        return {}
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Invalid(f"Cannot read {path}: {_describe(error)}.") from error
    profiles = data.get("profiles", {})
    name = requested or data.get("default", "")
    if name and name not in profiles:
        raise Invalid(
            f"Profile {name} not found in {path}.",
            action=f"Available profiles: {', '.join(profiles) or 'none'}.",
        )
    found: dict[str, Any] = profiles.get(name, {})
    if "token" in found:
        raise Invalid(
            (f"Profile {name} contains a token. Tokens are not allowed in the profiles file."),
            action=(
                "Save the token in a separate file (mode 0600) and set token_file to its path."
            ),
        )
    return found


def _from_access_file(path: Path) -> dict[str, Any]:
    try:
        access = json.loads(_read_secret(path))
        return {"url": access["url"], "ca_file": access["ca_file"], "token": access["api_token"]}
    except (ValueError, KeyError, TypeError) as error:
        raise Invalid(
            f"{path} is not an access.json file of a zone started with make run."
        ) from error


def _get_token(given: Mapping[str, Any]) -> str:
    text = str(given.get("token", ""))
    if not text and given.get("token_file"):
        text = _read_secret(Path(given["token_file"]).expanduser()).strip()
    if not text:
        raise Invalid(
            "No API token specified.",
            action="Create a token on the API Tokens page of the console. Then "
            "set ZMAN_TOKEN, or save the token in a file (mode 0600) "
            "and specify the file with --token-file or ZMAN_TOKEN_FILE.",
        )
    if not text.isascii() or not text.isprintable() or " " in text:
        raise Invalid("The API token is not valid because it contains unexpected characters.")
    return text


def _describe(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _read_secret(path: Path) -> str:
    """Return a file with a secret. Raises Forbidden if other users can read it, as ssh does."""
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise Forbidden(
                    (
                        f"{path} contains a secret but is readable by other users. "
                        "The file was not used."
                    ),
                    action=f"Run: chmod 600 {path}",
                )
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"Cannot read {path}: {_describe(error)}.") from error
