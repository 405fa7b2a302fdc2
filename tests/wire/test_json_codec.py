"""Messages are read strictly: a wrong type is an error, an unknown field is not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import json_codec
from wire.json_codec import Malformed
from wire.messages import (
    CsrOrder,
    HelloAnswer,
    Refresh,
    Refreshed,
    Register,
    StatusReport,
    Trust,
    VaultKeys,
)

REGISTER = Register(name="d1", role="managed", agent="1", addresses=["10.0.0.1"])


def test_what_is_written_can_be_read() -> None:
    full = Register(
        name="p1",
        role="primary",
        agent="1",
        addresses=[],
        vault_keys=VaultKeys("a", "b"),
        csr="c",
    )
    for message in (REGISTER, full, Refreshed(1.5, True, 2.0, trust=Trust("x", ["y"]))):
        assert json_codec.load(type(message), json_codec.dump(message)) == message


def test_equal_messages_have_equal_bytes() -> None:
    turned = Trust(**dict(reversed(vars(Trust("a")).items())))
    assert json_codec.dump(turned) == json_codec.dump(Trust("a"))


def test_an_unknown_field_is_ignored() -> None:
    data = json.dumps({**json.loads(json_codec.dump(REGISTER)), "new": 1}).encode()
    assert json_codec.load(Register, data) == REGISTER


def test_a_whole_number_may_stand_for_a_time() -> None:
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
def test_a_wrong_shape_is_refused_and_named(data: bytes, word: str) -> None:
    with pytest.raises(Malformed, match=word):
        json_codec.load(StatusReport, data)


@pytest.mark.parametrize("items", ["x", {"a": 1}, [1], [None], [["x"]]])
def test_a_list_holds_what_it_says(items: object) -> None:
    data = json.dumps({"current": "c", "in_grace": items}).encode()
    with pytest.raises(Malformed, match="in_grace"):
        json_codec.load(Trust, data)


def test_what_lies_inside_is_checked_too() -> None:
    data = b'{"zone_pub":"z","statement":{"payload":"p","signature":"s"}}'
    with pytest.raises(Malformed, match=r"HelloAnswer\.statement\.payload_type"):
        json_codec.load(HelloAnswer, data)


def test_an_order_may_be_absent() -> None:
    order = CsrOrder(common_name="a", key_length=256)
    assert json_codec.load(CsrOrder, json_codec.dump(order)) == order


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(sorted(Refresh.__annotations__)), inner)
        ),
        max_leaves=12,
    )
)
def test_any_json_gives_a_message_or_malformed(plain: object) -> None:
    try:
        read = json_codec.load(Refresh, json.dumps(plain).encode())
    except Malformed:
        return
    assert json_codec.load(Refresh, json_codec.dump(read)) == read
