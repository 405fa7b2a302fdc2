"""The benchmark of signing measures functions that exist."""

from bench.signing import get_pieces
from pki import names


def test_measured_functions_are_replaced_and_restored():
    original = names.Subject.to_name
    pieces = get_pieces()

    with pieces:
        names.Subject("ps-01").to_name()
        assert names.Subject.to_name is not original
        assert pieces.seconds > 0

    assert names.Subject.to_name is original
