"""Stored texts are shown in the language of the user, with the names and numbers that they have."""

from __future__ import annotations

import pytest
from django.utils import translation

from console.requests.plurals import list_plurals
from console.requests.stored_texts import PLACEHOLDER, translate_stored
from tests.support import agent_texts, translations
from zac.updates.preflight import REASONS, UnusableCertificate

SAMPLES = {"s": "x-1", "d": "7"}


@pytest.fixture(autouse=True)
def german():
    with translation.override("de"):
        yield


def list_agent_texts():
    for path in agent_texts.list_files(translations.BASE_DIR):
        yield from agent_texts.list_texts(path.read_text())


def fill(text):
    for kind, sample in SAMPLES.items():
        text = text.replace(f"%{kind}", sample)
    return text


def is_too_general(text):
    return sum(map(str.isalpha, text.replace("%s", "").replace("%d", ""))) < 8


def test_each_text_of_an_agent_is_translated():
    texts = list(list_agent_texts())
    assert len(texts) > 150
    shown = {text: translate_stored(fill(text)) for text in texts if not is_too_general(text)}
    assert [text for text, translated in shown.items() if translated == fill(text)] == []
    assert [text for text in shown if is_too_general(text)] == []


def test_the_texts_that_are_only_parts_are_few():
    assert {text for text in list_agent_texts() if is_too_general(text)} == {"%s is not %s."}


def test_a_fixed_text_of_the_console_is_translated():
    assert translate_stored("The request was withdrawn.") != "The request was withdrawn."


def test_values_stay_as_they_are():
    shown = translate_stored("Verified servers with root 0B:1C of ACME.")
    assert shown == "Server mit dem Stammzertifikat 0B:1C of ACME verifiziert."
    assert translate_stored("Cannot write /etc/zac/x: No space.").startswith("/etc/zac/x kann")


def test_a_text_in_a_text_is_translated():
    text = f"Devices that connect to ps-01 would reject the certificate: {REASONS[10]}."
    shown = translate_stored(f"{text} {UnusableCertificate.action}")
    assert shown.startswith("Geräte, die sich mit ps-01 verbinden")
    assert "ein Zertifikat der Kette ist abgelaufen." in shown
    assert shown.endswith("Das aktuelle Zertifikat bleibt in Gebrauch.")


def test_a_text_with_two_forms_is_translated_with_the_form_of_its_number():
    text = (
        "%s device%s of the pilot group failed: pc-1. The other devices do not receive the update."
    )
    one, many = translate_stored(text % (1, "")), translate_stored(text % ("1,200", "s"))
    assert one.startswith("1 Gerät der Pilotgruppe ist fehlgeschlagen: pc-1. ")
    assert many.startswith("1,200 Geräte der Pilotgruppe sind fehlgeschlagen: pc-1. ")
    assert "receive the update" not in one + many


def test_both_forms_of_each_text_are_translated():
    found = list_plurals("de")
    assert len(found) > 50
    shown = {}
    for singular, plural in found:
        for text, number in ((singular, "1"), (plural, "7")):
            rest = PLACEHOLDER.sub("", text)
            if rest != text and "%" not in rest and not is_too_general(rest):
                english = PLACEHOLDER.sub(number, text)
                shown[english] = translate_stored(english)
    assert [text for text, translated in shown.items() if translated == text] == []


def test_a_value_at_the_end_can_be_missing():
    text = "Content 0123456789ab... is not available on any content server."
    assert translate_stored(text).endswith("auf keinem Inhaltsserver verfügbar.")
    shown = translate_stored(f"{text} sat-1 is not responding: timed out.")
    assert shown.endswith("verfügbar. sat-1 antwortet nicht: timed out.")


def test_known_sentences_beside_unknown_ones_are_translated():
    shown = translate_stored("Disk 3 is on fire. The trust list has expired. Call Lyon.")
    assert shown == "Disk 3 is on fire. Die Vertrauensliste ist abgelaufen. Call Lyon."


@pytest.mark.parametrize(
    "text",
    ["", "Disk 3 is on fire.", "It is not cool.", "x" * 5000, "Line 1\nLine 2", "100 % (%s) %d"],
)
def test_what_is_not_known_stays_as_it_was_sent(text):
    assert translate_stored(text) == text


def test_a_name_that_is_a_word_of_the_console_is_not_translated():
    assert translate_stored("Home is not responding: timed out.").startswith("Home antwortet nicht")


def test_english_pages_show_what_was_sent():
    with translation.override("en"):
        assert translate_stored("The trust list has expired.") == "The trust list has expired."


def test_long_texts_of_a_device_do_not_occupy_the_console():
    assert translate_stored("is missing. " * 49 + "%") == "is missing. " * 49 + "%"
