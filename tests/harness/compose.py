"""Read docker-compose.yml and return how each component is started, without an engine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from zcc.runtime.components import BASE_DIR

FILE = BASE_DIR / "docker-compose.yml"
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?:(?P<kind>:-|:\?)(?P<text>[^}]*))?\}")
STATE, SECRETS, STATIC = "/var/lib/zcc", "/run/secrets", "/opt/zcc/static-files"
CA_VAULT = "/var/lib/zcc-ca"
# The variables that have no default.
EXAMPLE = {
    "ZCC_SERVER_NAME": "x",
    "ZCC_SERVER_FQDN": "x.example",
    "ZCC_SERVER_ADDRESSES": "192.0.2.1",
}


def load(variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the file with its variables substituted, as `docker compose` does."""

    def value(found: re.Match[str]) -> str:
        name, kind, text = found["name"], found["kind"], found["text"] or ""
        if variables.get(name):
            return variables[name]
        assert kind != ":?", f"{name} is needed: {text}"
        return text

    parsed: dict[str, Any] = yaml.safe_load(VARIABLE.sub(value, FILE.read_text()))
    return parsed


def placed(value: Any, folders: Mapping[str, Path]) -> Any:
    """Return strings with the container's folders replaced by folders of this host."""
    if isinstance(value, list):
        return [placed(one, folders) for one in value]
    if isinstance(value, dict):
        return {name: placed(one, folders) for name, one in value.items()}
    text = str(value)
    for inside, outside in folders.items():
        text = text.replace(inside, str(outside))
    return text
