"""The record of a CA key with zman."""

from __future__ import annotations

import json
from typing import Any

from certificates.models import Authority
from zman.cli import exit_codes


def test_the_record_of_a_key_is_saved(shell: Any) -> None:
    file = shell.folder / "record.json"
    shell.good("key-record", str(file))
    assert json.loads(file.read_text())["payload_type"].endswith("key-record+json")
    assert "already exists" in shell("key-record", str(file)).err
    missing = shell.folder / "missing" / "record.json"
    assert "was not saved" in shell("key-record", str(missing)).err


def test_the_record_of_another_ca_is_saved(shell: Any) -> None:
    file = shell.folder / "record.json"
    shell.good("key-record", "--ca", str(Authority.objects.current().pk), str(file))
    assert file.exists()
    unknown = shell("key-record", "--ca", "00000000-0000-0000-0000-000000000009", "other.json")
    assert unknown.code == exit_codes.NOT_FOUND
