"""Texts from certificates."""

from pki.escaping import escape_text


def test_text_from_a_certificate_is_shown_without_tricks() -> None:
    assert (
        escape_text("a\u202eb\0c\n\u2028\u00a0\ud800") == r"a\u202eb\u0000c\u000a\u2028\u00a0\ud800"
    )
    assert escape_text("\U000e0001") == r"\U000e0001"
    assert escape_text("Z\u00fcrich <b> 1") == "Z\u00fcrich <b> 1"
    assert len(escape_text("x" * 65536)) < 1100
