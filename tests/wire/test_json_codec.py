"""Messages are read strictly: a wrong type is an error, an unknown field is not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import json_codec, messages, metadata, update_messages
from wire.json_codec import Malformed
from wire.messages import (
    HelloResponse,
    RefreshRequest,
    RefreshResponse,
    RegisterRequest,
    ServerAddress,
    StatusReport,
    Trust,
    VaultKeys,
)
from wire.metadata import Manifest
from wire.records import Record
from wire.update_messages import CertificateResponse, CsrParameters, ReplicaProgress

REFRESH_NAMES = {*RefreshRequest.__fields__, *RefreshRequest.json_names.values()}
REGISTER = RegisterRequest(name="d1", role="managed", agent="1", addresses=["10.0.0.1"])


def test_a_message_is_equal_after_a_round_trip() -> None:
    full = RegisterRequest(
        name="p1",
        role="primary",
        agent="1",
        addresses=[],
        vault_keys=VaultKeys("a", "b"),
        csr="c",
    )
    for message in (REGISTER, full, RefreshResponse(1.5, True, 2.0, trust=Trust("x", ["y"]))):
        assert json_codec.load(type(message), json_codec.dump(message)) == message


def test_equal_messages_have_equal_bytes() -> None:
    reversed_order = Trust(**dict(reversed(vars(Trust("a")).items())))
    assert json_codec.dump(reversed_order) == json_codec.dump(Trust("a"))


def test_an_unknown_field_is_ignored() -> None:
    data = json.dumps({**json.loads(json_codec.dump(REGISTER)), "new": 1}).encode()
    assert json_codec.load(RegisterRequest, data) == REGISTER


def test_an_integer_is_accepted_as_a_time() -> None:
    read = json_codec.load(StatusReport, b'{"state":"applied","step":"s","attempt":1,"at":5}')
    assert isinstance(read.at, float)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "JSON"),
        (b"[]", "object"),
        (b"{}", "missing"),
        (b"\xff", "JSON"),
        (b"[" * 100_000, "JSON"),
        (b'{"state":1,"step":"s","attempt":1,"at":5}', "StatusReport.state"),
        (b'{"state":"a","step":"s","attempt":true,"at":5}', "StatusReport.attempt"),
        (b'{"state":"a","step":"s","attempt":1,"at":true}', "StatusReport.at"),
        (b'{"state":"a","step":"s","attempt":1.5,"at":1}', "StatusReport.attempt"),
        (b'{"state":null,"step":"s","attempt":1,"at":1}', "StatusReport.state"),
        (b'{"state":"a\\u0000","step":"s","attempt":1,"at":1}', "NUL"),
        (b'{"state":"a","step":"s","attempt":1,"at":NaN}', "StatusReport.at"),
        (b'{"state":"a","step":"s","attempt":1,"at":1e999}', "StatusReport.at"),
        (b'{"state":"\\ud800","step":"s","attempt":1,"at":1}', "StatusReport.state"),
    ],
)
def test_an_invalid_message_is_rejected_and_the_field_is_named(data: bytes, word: str) -> None:
    with pytest.raises(Malformed, match=word):
        json_codec.load(StatusReport, data)


@pytest.mark.parametrize("items", ["x", {"a": 1}, [1], [None], [["x"]]])
def test_the_items_of_a_list_are_checked(items: object) -> None:
    data = json.dumps({"current": "c", "in_grace": items}).encode()
    with pytest.raises(Malformed, match="in_grace"):
        json_codec.load(Trust, data)


def test_nested_records_are_checked() -> None:
    data = b'{"zone_pub":"z","statement":{"payload":"p","signature":"s"}}'
    with pytest.raises(Malformed, match=r"HelloResponse\.statement\.payload_type"):
        json_codec.load(HelloResponse, data)


def test_optional_fields_can_be_missing() -> None:
    parameters = CsrParameters(common_name="a", key_length=256)
    assert json_codec.load(CsrParameters, json_codec.dump(parameters)) == parameters


def test_peers_of_the_previous_version_read_what_is_written() -> None:
    """The names in JSON are those of the version before; each record of the protocol is listed."""
    known = {
        ServerAddress: {"preflight_url": "rehearsal_url"},
        RegisterRequest: {"preflight_port": "rehearsal_port"},
        RefreshRequest: {
            "time": "t",
            "rejected_contacts": "refused",
            "stored_content": "holds",
            "rejected_documents": "distrusted",
            "replicas": "copies",
        },
        ReplicaProgress: {"received": "got"},
        RefreshResponse: {"certificate_pending": "certificate"},
        CertificateResponse: {"csr_parameters": "order"},
        Manifest: {"preflight": "rehearse"},
    }
    modules = (messages, metadata, update_messages)
    records = [value for module in modules for value in vars(module).values()]
    found = [one for one in records if isinstance(one, type) and issubclass(one, Record)]
    assert {one: one.json_names for one in found if one.json_names} == known
    assert all(one.json_names.keys() <= one.__fields__.keys() for one in known)
    written = json.loads(json_codec.dump(RefreshRequest(time=1.5, agent="1", stored_content=["a"])))
    assert (written["t"], written["holds"], written["copies"]) == (1.5, ["a"], [])
    assert "time" not in written


@pytest.mark.parametrize("name", ["preflight_port", "rehearsal_port"])
def test_a_field_is_read_under_both_names(name: str) -> None:
    data = json.dumps({"name": "d", "role": "managed", "agent": "1", "addresses": [], name: 8444})
    assert json_codec.load(RegisterRequest, data.encode()).preflight_port == 8444


def test_an_invalid_field_is_reported_under_the_name_that_was_sent() -> None:
    with pytest.raises(Malformed, match=r"RefreshRequest\.t is missing"):
        json_codec.load(RefreshRequest, b'{"agent":"1"}')
    with pytest.raises(Malformed, match=r"RefreshRequest\.time is not"):
        json_codec.load(RefreshRequest, b'{"agent":"1","time":"now"}')


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(sorted(REFRESH_NAMES)), inner)
        ),
        max_leaves=12,
    )
)
def test_any_json_gives_a_message_or_malformed(plain: object) -> None:
    try:
        read = json_codec.load(RefreshRequest, json.dumps(plain).encode())
    except Malformed:
        return
    assert json_codec.load(RefreshRequest, json_codec.dump(read)) == read
