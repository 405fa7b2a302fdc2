"""Accounts and tokens that a test creates directly get the MACs that the console would make."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.models import User
from django.db.models.signals import m2m_changed, post_save

from administrators.models import Administrator, SecondFactor
from administrators.protection import account_macs
from audit.rows import macs
from console.models import ApiToken
from faults import Unavailable


def _has_key() -> bool:
    try:
        return macs.get_key() is not None
    except Unavailable:
        return False


def _stamp(sender: Any, instance: Any, created: bool, **_: Any) -> None:
    if not created or not _has_key():
        return
    if sender is ApiToken:
        account_macs.stamp_token(instance)
    else:
        account_macs.stamp(instance.pk)


def _stamp_rights(instance: Any, action: str, **_: Any) -> None:
    if action.startswith("post_") and _has_key():
        account_macs.stamp(instance.pk)


@contextmanager
def stamped_when_created() -> Iterator[None]:
    """Stamp new users, administrators, second factors, and tokens.

    Later changes are the console's to stamp.
    """
    senders = (User, Administrator, SecondFactor, ApiToken)
    for sender in senders:
        post_save.connect(_stamp, sender=sender)
    m2m_changed.connect(_stamp_rights, sender=User.user_permissions.through)
    try:
        yield
    finally:
        for sender in senders:
            post_save.disconnect(_stamp, sender=sender)
        m2m_changed.disconnect(_stamp_rights, sender=User.user_permissions.through)
