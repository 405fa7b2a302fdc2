"""Rules for passwords that Django does not have."""

from __future__ import annotations

import re
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

MIN_LENGTH = 8
# Shorter names are parts of many words.
MIN_NAME_LENGTH = 3
REPEATED = re.compile(r"(.{1,12}?)\1+")


class RepetitionValidator:
    """Rejects passwords that are long only because they repeat a text or the user name."""

    def validate(self, password: str, user: Any = None) -> None:
        """Raise ValidationError if too little is left without the repetition."""
        plain = re.sub(r"[\W_]+", "", password.lower())
        if REPEATED.fullmatch(plain):
            raise ValidationError(_("The password repeats a short text."))
        name = re.sub(r"[\W_]+", "", user.get_username().lower()) if user is not None else ""
        is_long = len(name) >= MIN_NAME_LENGTH
        if is_long and name in plain and len(plain.replace(name, "")) < MIN_LENGTH:
            raise ValidationError(_("The password is too similar to the user name."))

    def get_help_text(self) -> str:
        """Return the rule as shown to users."""
        return _("Your password can’t repeat a short text or your user name.")
