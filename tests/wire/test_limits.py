"""Every field of a request has a limit, and decoding applies it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from wire import json_codec, limits, records
from wire.json_codec import Malformed
from wire.messages import RefreshRequest, RegisterRequest, StatusReport, VaultKeys
from wire.update_messages import CsrRequest, PreflightReport, PreflightResult

REFRESH: dict[str, Any] = {"t": 0, "agent": "0.1.0"}
DIGEST = "0a" * 32
CHECKPOINT = {"branch": 0, "seq": 1, "digest": DIGEST, "mac": DIGEST}


def load_refresh(**fields: Any) -> RefreshRequest:
    return limits.load(RefreshRequest, json.dumps({**REFRESH, **fields}).encode())


@pytest.mark.parametrize("record_type", list(limits.LIMITS), ids=lambda kind: kind.__name__)
def test_every_field_of_a_request_has_a_limit(record_type: type) -> None:
    assert set(limits.LIMITS[record_type]) == set(records.required_fields(record_type))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("root_sha256", "ab"),
        ("root_sha256", "g" * 64),
        ("anchored_sha256", "A" * 64),
        ("server_certificate_sha256", "a" * 65),
        ("trusted_sha256", ["x" * 100_000]),
        ("trusted_sha256", [""]),
        ("holds", [DIGEST] * 5000),
        ("refused", 2**63),
        ("refused", 2**31),
        ("refused", -1),
        ("contacts", 2**31),
        ("skew", 1e14),
        ("generation", "g" * 81),
        ("addresses", ["10.0.0.1"] * 17),
        ("addresses", ["1" * 65]),
        ("features", ["f" * 33]),
        ("copies", [{"sha256": "short"}]),
        ("audit_checkpoint", {**CHECKPOINT, "branch": -1}),
        ("audit_checkpoint", {**CHECKPOINT, "branch": 2**31}),
        ("audit_checkpoint", {**CHECKPOINT, "seq": -1}),
        ("audit_checkpoint", {**CHECKPOINT, "seq": 2**63}),
        ("audit_checkpoint", {**CHECKPOINT, "digest": "a"}),
        ("audit_checkpoint", {**CHECKPOINT, "mac": "G" * 64}),
        ("copies", [{"sha256": DIGEST, "got": 2**31}]),
    ],
)
def test_a_value_that_exceeds_its_limit_is_rejected_by_its_name(name: str, value: Any) -> None:
    with pytest.raises(Malformed, match=name):
        load_refresh(**{name: value})


def test_values_at_their_limits_are_accepted() -> None:
    report = load_refresh(refused=2**31 - 1, trusted_sha256=[DIGEST] * 32, holds=[DIGEST] * 4096)
    assert report.rejected_contacts == limits.MAX_COUNTER
    assert (len(report.trusted_sha256), len(report.stored_content)) == (32, 4096)
    assert load_refresh(root_sha256="").root_sha256 == ""


def test_texts_for_people_and_long_reports_are_cut() -> None:
    report = load_refresh(
        agent="v" * 100,
        distrusted=["r" * 1000] * 100,
        trusted_sha256=[DIGEST] * 100,
        copies=[{"sha256": DIGEST, "error": "e" * 1000}] * 300,
    )
    assert report.agent == "v" * 40
    assert report.rejected_documents == ["r" * 300] * 10
    assert len(report.trusted_sha256) == 32
    assert {len(copy.error) for copy in report.replicas} == {500}
    status = StatusReport("failed", "s" * 100, 1, 5.0, detail="d" * 5000, action="a" * 5000)
    read = limits.load(StatusReport, json_codec.dump(status))
    assert (len(read.step), len(read.detail), len(read.action)) == (32, 2000, 2000)


@pytest.mark.parametrize("at", [1e14, -1.0])
def test_a_time_that_cannot_be_stored_is_rejected(at: float) -> None:
    with pytest.raises(Malformed, match="at is not between"):
        limits.load(StatusReport, json_codec.dump(StatusReport("activated", "s", 1, at)))
    report = PreflightReport([PreflightResult("id", "ok")], at)
    with pytest.raises(Malformed, match="at is not between"):
        limits.load(PreflightReport, json_codec.dump(report))


@pytest.mark.parametrize("key", ["", "short", "A" * 44, "=" * 44, "A" * 42 + "=\n"])
def test_a_vault_key_that_is_not_one_is_rejected(key: str) -> None:
    request = RegisterRequest("p", "primary", "1", [], vault_keys=VaultKeys(key, "A" * 43 + "="))
    with pytest.raises(Malformed, match=r"vault_keys\.vault is not the Base64 text of 32 bytes"):
        limits.load(RegisterRequest, json_codec.dump(request))


def test_optional_fields_can_be_missing() -> None:
    request = RegisterRequest("p", "managed", "1", ["10.0.0.1"])
    assert limits.load(RegisterRequest, json_codec.dump(request)) == request
    assert limits.load(CsrRequest, b"{}") == CsrRequest()
