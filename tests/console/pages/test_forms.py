"""The errors of a form, as a dialog shows them."""

import pytest
from django import forms
from django.template.loader import render_to_string

UNCHANGED = "Nothing was changed."


class NameForm(forms.Form):
    name = forms.CharField()


def render(reason=None, data=None):
    form = NameForm(data if data is not None else {"name": "x"})
    form.is_valid()
    if reason is not None:
        form.add_error(None, reason)
    return render_to_string("console/form_errors.html", {"form": form})


@pytest.mark.parametrize("reason", ["It failed.", f"It failed. {UNCHANGED} Try again."])
def test_the_reason_says_once_that_nothing_was_changed(reason):
    text = render(reason)
    assert text.count(UNCHANGED) == 1
    assert "It failed." in text
    assert "Correct the highlighted fields." not in text


def test_errors_of_fields_are_named_without_a_reason():
    text = render(data={})
    assert UNCHANGED in text
    assert "Correct the highlighted fields." in text


def test_reasons_are_escaped():
    assert "<b>x" not in render("<b>x")


def test_a_form_without_errors_shows_nothing():
    assert not render().strip()
