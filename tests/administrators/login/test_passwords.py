"""Passwords that are long only because they repeat something."""

import pytest
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError


@pytest.mark.parametrize(
    ("password", "message"),
    [
        ("eve-eve-eve-eve", "repeats a short text"),
        ("aaaaaaaaaaaaaa", "repeats a short text"),
        ("Zcc 1! zcc 1! zcc 1!", "repeats a short text"),
        ("eve1-eve2-eve3-eve", "too similar to the user name"),
    ],
)
def test_a_repetition_is_rejected(password, message):
    with pytest.raises(ValidationError, match=message):
        validate_password(password, User(username="eve"))


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("eve", "never seventeen elephants"),
        ("horse", "correct-horse-battery"),
        ("al", "algae and alabaster"),
    ],
)
def test_other_passwords_are_accepted(name, password):
    validate_password(password, User(username=name))
