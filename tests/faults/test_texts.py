"""Texts of packages that do not import Django (docs/decisions.md D-249)."""

import pytest

from faults import Fault, texts


class Full(Fault):
    """A fault whose class says what to do."""

    action = texts.gettext_noop("Delete files.")


@pytest.fixture
def translators(monkeypatch):
    found: list[object] = []
    monkeypatch.setattr(texts, "_translators", found)
    return found


def test_without_a_translator_texts_are_in_english(translators):
    assert texts.gettext("The disk is full.") == "The disk is full."
    assert str(Full("The disk is full.")) == "The disk is full. Delete files."


def test_the_last_translator_is_used(translators):
    texts.set_translator(str.lower)
    texts.set_translator(str.upper)
    assert texts.gettext("The disk is full.") == "THE DISK IS FULL."


def test_the_action_of_a_class_is_translated_when_the_fault_is_raised(translators):
    texts.set_translator(str.upper)
    assert Full("").action == "DELETE FILES."
    assert Full("", action="Wait.").action == "Wait."
