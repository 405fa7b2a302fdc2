"""Subjects and names of servers (docs/decisions.md D-1, D-3, D-11, D-12; RFC 4514, RFC 9525)."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pki.errors import BadName
from pki.names import (
    Names,
    Subject,
    check_address,
    check_dns_name,
    check_fqdn,
    check_names,
    covers,
)


def test_a_bare_word_is_the_common_name() -> None:
    assert Subject.parse(" Zone One ") == Subject("Zone One")
    assert Subject.parse("Acme, Inc.") == Subject("Acme, Inc.")


def test_it_reads_an_rfc_4514_name() -> None:
    assert Subject.parse(r"CN=Zone\, One,OU=IT,O=Acme,L=Ulm,ST=BW,C=DE") == Subject(
        "Zone, One", "Acme", "IT", "Ulm", "BW", "DE"
    )


def test_the_text_of_a_subject_reads_back() -> None:
    subject = Subject("Zone", "Ac+me", "I,T", "Ulm", "BW", "DE", "7")
    assert Subject.parse(subject.text()) == subject
    assert subject.text().startswith("CN=Zone,")


@given(st.text(min_size=1, max_size=70))
def test_any_text_is_a_subject_that_reads_back_or_is_refused(text: str) -> None:
    try:
        subject = Subject(common_name=text)
    except BadName:
        return
    assert Subject.parse(subject.text()) == subject


@given(st.text(max_size=120), st.sampled_from(["", "CN=", "O=a,CN="]))
def test_parsing_any_text_raises_nothing_but_bad_name(text: str, before: str) -> None:
    with contextlib.suppress(BadName):
        Subject.parse(before + text)


def test_the_message_about_a_bad_name_is_not_misleading_itself() -> None:
    with pytest.raises(BadName) as caught:
        check_fqdn("a\u202eb.example")
    assert "\u202e" not in caught.value.explanation


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "missing"),
        ("O=Acme", "missing"),
        ("CN=a,CN=b", "duplicated"),
        ("CN=a,DC=b", "not supported"),
        ("CN=a+O=b", "multivalued"),
        ("CN=a,C=Germany", "two-letter code"),
        ("C=USA", "two-letter code"),
        ("CN=a, C = U1,O=b", "two-letter code"),
        ("CN=" + "x" * 65, "<= 64"),
        ("x" * 65, "up to 64"),
        ("CN=a,O=" + "x" * 65, "up to 64"),
        ("CN=a=,=", "not a valid distinguished name"),
        ("a\0b", "control"),
        ("a\nb", "control"),
        ("a\u202eb", "control"),
        (r"CN=a\00b", "control"),
    ],
)
def test_it_refuses_a_subject_and_says_why(text: str, message: str) -> None:
    with pytest.raises(BadName, match=message):
        Subject.parse(text)


def test_sixty_four_octets_are_allowed() -> None:
    subject = Subject("x" * 64, organization="\u00e4" * 32)
    assert Subject.parse(subject.text()) == subject
    with pytest.raises(BadName, match="up to 64"):
        Subject("x", organization="\u00e4" * 33)


@pytest.mark.parametrize(
    ("name", "normal"),
    [
        ("One.Zone.Example", "one.zone.example"),
        ("one.zone.example.", "one.zone.example"),
        ("m\u00fcnchen.example", "xn--mnchen-3ya.example"),
        ("xn--mnchen-3ya.example", "xn--mnchen-3ya.example"),
        ("a.1b", "a.1b"),
        ("1.example", "1.example"),
    ],
)
def test_it_normalises_a_full_name(name: str, normal: str) -> None:
    assert check_fqdn(name) == normal


@pytest.mark.parametrize("name", ["server", "server.", "localhost"])
def test_it_refuses_a_short_name(name: str) -> None:
    with pytest.raises(BadName, match="not a fully qualified domain name"):
        check_fqdn(name)
    assert check_dns_name(name) == name.rstrip(".")


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "a..b",
        ".a.b",
        "-a.example",
        "a-.example",
        "a_b.example",
        "a b.example",
        "10.0.0.1",
        "a.1",
        "a.example\0.evil",
        "a.example\n",
        "*.example.com",
        "a.*.example",
        "x" * 64 + ".example",
        ".".join(["x" * 60] * 5),
        "xn--.example",
        "fa\u00df.example",
        "<img src=x>.example",
    ],
)
def test_a_name_that_is_not_fully_qualified_is_rejected(name: str) -> None:
    if name == "a.example\n":  # surrounding white space is forgiven
        assert check_fqdn(name) == "a.example"
        return
    with pytest.raises(BadName):
        check_fqdn(name)


def test_a_wildcard_is_one_whole_left_label_before_two_others() -> None:
    assert check_dns_name("*.Zone.Example", wildcard=True) == "*.zone.example"
    for bad in ("*.example", "*", "a*.zone.example", "*.*.example", "a.*.example.org"):
        with pytest.raises(BadName):
            check_dns_name(bad, wildcard=True)


def test_it_reads_addresses() -> None:
    assert check_address(" 10.0.0.1 ") == "10.0.0.1"
    assert check_address("2001:DB8::0:1") == "2001:db8::1"
    for bad in ("", "10.0.0", "10.0.0.256", "fe80::1%eth0", "one.example", "010.0.0.1"):
        with pytest.raises(BadName):
            check_address(bad)


def test_names_lose_their_repetitions() -> None:
    names = Names(("A.example.com", "a.example.com"), ("::1", "0:0::1"))
    assert check_names(names) == Names(("a.example.com",), ("::1",))


@pytest.mark.parametrize(
    ("offered", "host", "matches"),
    [
        ("one.zone.example", "one.zone.example", True),
        ("one.zone.example", "ONE.zone.example.", True),
        ("*.zone.example", "one.zone.example", True),
        ("*.zone.example", "zone.example", False),
        ("*.zone.example", "a.b.zone.example", False),
        ("*.example", "one.example", False),
        ("*", "one", False),
        ("10.0.0.1", "10.0.0.1", False),
        ("*.0.0.1", "10.0.0.1", False),
        ("one.zone.example", "one.zone.example\0", False),
    ],
)
def test_a_dns_name_covers_a_host(offered: str, host: str, *, matches: bool) -> None:
    assert covers(Names(dns=(offered,)), host) is matches


def test_an_address_is_covered_exactly() -> None:
    names = Names(dns=("*.zone.example",), addresses=("10.0.0.1", "2001:db8::1"))
    assert covers(names, "10.0.0.1")
    assert covers(names, "2001:DB8:0::1")
    assert not covers(names, "10.0.0.2")
