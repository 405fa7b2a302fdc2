"""Which roots are trusted: only ever added before an activation (D-28, D-53)."""

from __future__ import annotations

from tests.zac.support.certificates import Root
from wire.messages import Trust
from zac.trust import pem, store

ONE, TWO, THREE = Root("1"), Root("2"), Root("3")
BOTH = Trust(ONE.pem, pending=[TWO.pem])


def names(held: Trust) -> tuple[str, list[str], list[str]]:
    known = {root.sha256: root.name for root in (ONE, TWO, THREE)}
    return (
        known[pem.fingerprint(held.current)],
        [known[one] for one in pem.fingerprints(held.in_grace)],
        [known[one] for one in pem.fingerprints(held.pending)],
    )


def test_a_root_is_added_once() -> None:
    held = store.with_pending(store.with_pending(Trust(ONE.pem), TWO.pem), TWO.pem)
    assert names(held) == ("1", [], ["2"])
    assert store.with_pending(held, ONE.pem) == held


def test_joining_only_adds() -> None:
    held = store.with_offered(
        Trust(ONE.pem), Trust(TWO.pem, in_grace=[ONE.pem], pending=[THREE.pem])
    )
    assert names(held) == ("1", [], ["2", "3"])
    assert store.with_offered(held, Trust(ONE.pem)) == held


def test_an_older_root_joins_as_one_in_grace() -> None:
    assert names(store.with_offered(Trust(TWO.pem), Trust(TWO.pem, in_grace=[ONE.pem]))) == (
        "2",
        ["1"],
        [],
    )


def test_activation_keeps_the_old_root_in_grace() -> None:
    assert names(store.with_current(BOTH, TWO.sha256)) == ("2", ["1"], [])


def test_activation_again_changes_nothing() -> None:
    once = store.with_current(BOTH, TWO.sha256)
    assert store.with_current(once, TWO.sha256) == once


def test_an_unknown_root_cannot_become_current() -> None:
    assert store.with_current(BOTH, THREE.sha256) == BOTH


def test_a_third_root_during_the_grace_of_a_second() -> None:
    """D-53: all roots in grace stay trusted."""
    second = store.with_pending(store.with_current(BOTH, TWO.sha256), THREE.pem)
    assert names(store.with_current(second, THREE.sha256)) == ("3", ["2", "1"], [])


def test_the_current_root_is_never_dropped() -> None:
    assert names(store.without(BOTH, [ONE.sha256, TWO.sha256])) == ("1", [], [])


def test_going_back_keeps_drops_or_expects_the_later_root() -> None:
    after = store.with_current(BOTH, TWO.sha256)
    assert names(store.with_previous(after, ONE.sha256, TWO.sha256, "in_grace")) == ("1", ["2"], [])
    assert names(store.with_previous(after, ONE.sha256, TWO.sha256, "pending")) == ("1", [], ["2"])
    assert names(store.with_previous(after, ONE.sha256, TWO.sha256, "")) == ("1", [], [])


def test_going_back_to_an_unknown_root_changes_nothing() -> None:
    after = store.with_current(BOTH, TWO.sha256)
    assert store.with_previous(after, THREE.sha256, TWO.sha256, "") == after


def test_line_ends_and_comments_do_not_make_another_root() -> None:
    odd = "# comment\r\n" + ONE.pem.replace("\n", "\r\n")
    assert store.digests(Trust(ONE.pem, pending=[odd])) == [ONE.sha256]
    assert pem.split(odd + TWO.pem) == [ONE.pem, TWO.pem]
