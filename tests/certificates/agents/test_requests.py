"""Any JSON of a device is accepted or rejected with a reason, and what is stored is bounded."""

from __future__ import annotations

import json
import typing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.models import Entry
from certificates.agents.urls import urlpatterns
from certificates.models import FutureCertificate
from devices.identity import zone_keys
from devices.models import Device
from devices.registration import keys as registration_keys
from devices.registration import throttle
from devices.registration.key_limits import NO_LIMITS
from systemupdates.models import Assignment, Replica
from tests.support import walkthrough
from tests.support.zone import LIMITS, Host
from wire import authentication, limits, messages, records, update_messages
from wire.update_messages import PreflightReport, PreflightResult

DIGEST = "ab" * 32
REFRESH = messages.RefreshRequest(
    time=0.0,
    agent="0.1.0",
    root_sha256=DIGEST,
    trusted_sha256=[DIGEST],
    stored_content=[DIGEST],
    rejected_documents=["manifest: not signed"],
    replicas=[update_messages.ReplicaProgress(DIGEST, 10)],
)
STATUS = messages.StatusReport("activated", "activated", 1, 5.0)
PREFLIGHT = PreflightReport([PreflightResult("id", "ok")], 5.0)
# A valid message of each call that has one.
MESSAGES: dict[str, records.Record] = {
    "hello": messages.HelloRequest("ab" * 32, "127.9.0.1"),
    "register": messages.RegisterRequest("new", "managed", "0.1.0", ["10.0.0.8"]),
    "refresh": REFRESH,
    "certificate": update_messages.CsrRequest(error="No key."),
    "updates/<str:update>/csr": update_messages.CsrRequest(error="No key."),
    "updates/<str:update>/status": STATUS,
    "updates/<str:update>/preflight": PREFLIGHT,
    "updates/<str:update>/rehearsal": PREFLIGHT,
}
WITHOUT_MESSAGE = {
    "zone",
    "unregister",
    "updates/<str:update>/activation-order",
    "updates/<str:update>/go",
}
EXPECTED = {200, 201, 202, 204, 400, 401, 403, 404, 409, 422}
LARGEST_ROW = 40_000
FUZZ = settings(
    max_examples=120,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NUMBERS = st.sampled_from(
    [0, 1, -1, 2**31 - 1, 2**31, 2**53, 2**63 - 1, 2**63, 10**400, 0.5, -1e14, 1e14, 1e300]
) | st.integers(0, 100)
TEXTS = st.text(max_size=30) | st.sampled_from(
    [
        *("", "x" * 65, "x" * 3000, "ab" * 32, "AB" * 32, "\x00", "\ud800", "ﬀ.example", "'--"),
        *("primary", "managed", "content-satellite", "authentication-satellite"),
        *("10.0.0.1", "::1", "fe80::1%" + "z" * 90, "10.0.0.256", "ps-01", "a.example.com"),
        *("applied", "failed", "activated", "canceled", "nonsense", "ok", "A" * 43 + "="),
        "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
    ]
)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=20,
)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {str: TEXTS, int: NUMBERS, float: NUMBERS}


def choose(strategies: list[st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """Return a strategy that uses each of the others equally often."""
    return st.integers(0, len(strategies) - 1).flatmap(lambda number: strategies[number])


def of_type(hint: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for values with the type of a field, or of any other type."""
    inner = typing.get_args(hint)
    if typing.get_origin(hint) is list:
        lists = st.lists(of_type(inner[0]), max_size=3)
        return lists | lists.filter(bool).map(lambda items: items * 20)
    if typing.get_origin(hint) is typing.Union:
        return st.none() | of_type(inner[0])
    if isinstance(hint, type) and issubclass(hint, records.Record):
        return of_record(hint)
    return choose([PLAIN[hint]] * 4 + [SCALARS])


def of_record(record_type: type[records.Record]) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for records of which any field can be missing or have any value."""
    return st.fixed_dictionaries({}, optional=list_strategies(record_type))


def list_strategies(record_type: type[records.Record]) -> dict[str, st.SearchStrategy[Any]]:
    hints = typing.get_type_hints(record_type)
    names = records.required_fields(record_type)
    return {records.json_name(record_type, name): of_type(hints[name]) for name in names}


def of_changed(valid: records.Record) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for a valid message with another value in one or two fields."""
    plain = records.to_plain(valid)
    one = choose(
        [st.tuples(st.just(name), value) for name, value in list_strategies(type(valid)).items()]
    )
    return st.lists(one, min_size=1, max_size=2).map(lambda changes: {**plain, **dict(changes)})


def of_body(valid: records.Record) -> st.SearchStrategy[Any]:
    """Return a strategy for bodies. Most of them are valid except for one or two fields."""
    kinds = [of_changed(valid)] * 7 + [of_record(type(valid))] * 2 + [ANYTHING]
    return choose(kinds)


@pytest.fixture
def satellite(zone):
    """Return a server with all roles that has an update, and must submit a CSR for it."""
    host = zone.join("sat", messages.PRIMARY, "10.0.0.9")
    walkthrough.prepare(zone, walkthrough.remint_ca())
    Replica.objects.update(state="replicating")
    Assignment.objects.filter(device=host.guid).update(state="assigned")
    return host


def post(host: Host, path: str, plain: Any) -> int:
    """Send a body that no agent would send, signed if the host is registered."""
    body = json.dumps(plain).encode()
    host.counter += 1
    credentials = authentication.sign(
        host.secret, device=host.id, counter=host.counter, method="POST", path=path, body=body
    )
    headers = {"Authorization": credentials.header()} if host.id else {}
    throttle.reset()
    response = host.client.generic(
        "POST", path, body, content_type="application/json", secure=True, headers=headers
    )
    assert response.status_code < 500, (path, plain, response.content)
    return response.status_code


def measure_largest_row() -> int:
    """Return the number of characters in the largest row of the models that devices write to."""
    models = (Device, Assignment, Replica, FutureCertificate, Entry)
    rows = (row for model in models for row in model.objects.values())
    return max(len(json.dumps(row, default=str, ensure_ascii=False)) for row in rows)


def test_the_calls_with_a_message_are_complete():
    assert {str(one.pattern) for one in urlpatterns} == {*MESSAGES, *WITHOUT_MESSAGE}
    assert {type(one) for one in MESSAGES.values()} <= set(limits.LIMITS)


@pytest.mark.parametrize("pattern", [path for path in MESSAGES if path != "register"])
def test_any_json_of_a_device_is_accepted_or_rejected_and_what_is_stored_is_bounded(
    zone, satellite, pattern
):
    update = str(
        FutureCertificate.objects.get(
            device=satellite.guid, operation__isnull=False
        ).operation.update_id
    )
    path = "/zac/v1/" + pattern.replace("<str:update>", update)

    @FUZZ
    @given(plain=of_body(MESSAGES[pattern]))
    def check(plain):
        assert post(satellite, path, plain) in EXPECTED

    check()
    assert measure_largest_row() < LARGEST_ROW
    assert Device.objects.get(pk=satellite.id).failed_contacts <= limits.MAX_COUNTER


@pytest.mark.parametrize("role", messages.ROLES)
def test_any_json_of_a_registration_is_accepted_or_rejected(zone, role):
    key = registration_keys.create_registration_key(
        zone_keys.get_public_key(zone.zone),
        label=role,
        role=role,
        uses=100_000,
        approves=True,
        expires_at=None,
        limits=NO_LIMITS if role == messages.MANAGED else LIMITS,
    )
    valid = Host("new", role, "10.0.0.8").registration(key.secret)

    @FUZZ
    @given(plain=of_body(valid))
    def check(plain):
        assert post(Host("new", role, "10.0.0.8"), "/zac/v1/register", plain) in EXPECTED

    check()
    assert measure_largest_row() < LARGEST_ROW


def test_counters_that_are_added_up_are_capped(zone):
    device = zone.join("pc-01")
    Device.objects.filter(pk=device.id).update(failed_contacts=2**62)
    for _ in range(3):
        device.refresh(rejected_contacts=limits.MAX_COUNTER)
        assert Device.objects.get(pk=device.id).failed_contacts == limits.MAX_COUNTER


def test_a_report_that_exceeds_a_limit_changes_nothing(zone):
    device = zone.join("pc-01")
    before = Device.objects.values("trusted_sha256", "failed_contacts").get(pk=device.id)
    for fields in ({"trusted_sha256": ["x" * 90_000] * 10}, {"refused": 2**63}):
        plain = {"t": 0, "agent": "0.1.0", **fields}
        assert post(device, "/zac/v1/refresh", plain) == 422
    after = Device.objects.values("trusted_sha256", "failed_contacts").get(pk=device.id)
    assert after == before


@pytest.mark.parametrize("length", ["abc", "-1", "1" * 30, "\u0663"])
def test_a_content_length_that_is_no_number_is_rejected(zone, length):
    client = zone.join("pc-01").client
    for path in ("/zac/v1/hello", "/zac/v1/refresh"):
        response = client.post(
            path,
            b"{}",
            content_type="application/json",
            secure=True,
            headers={"Content-Length": length},
        )
        assert response.status_code in (401, 422)
