"""MACs of accounts and API tokens, so that SQL alone creates no administrator (D-170).

Every function that changes an account verifies it first, and stamps it last.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.auth.models import Permission, User
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from administrators.models import AccountMac, Passkey, Policies
from audit.models import RowAltered, list_rows
from audit.rows import alarms, macs
from console.models import ApiToken
from devices.identity import zone_keys
from faults import Unavailable

TOKEN = ApiToken._meta.label
ACCOUNT = User._meta.label
MAC = AccountMac._meta.label


class AccountsNotVerified(Unavailable):
    """A server that requires MACs of accounts cannot open the zone keys to verify them."""

    action = gettext_lazy(
        "Log in on another Primary Server. On this server, run manage.py check_rows: its message "
        "contains the cause. Restore what is missing: the file vault/vault.key (mode 0600) from a "
        "backup of the server, or the zone keys of the server from a backup of the database."
    )


def check_available() -> None:
    """Raise AccountsNotVerified if this server cannot verify accounts, so no one can log in."""
    _get_required_key()


def _get_required_key() -> macs.RowKey | None:
    """Return the key of the MACs, or None if accounts do not need MACs. Raises AccountsNotVerified.

    SQL alone can make the zone keys unavailable. So an account that cannot be verified is not used
    on a server that has required MACs before (D-241).
    """
    try:
        held = macs.get_key()
    except Unavailable as fault:
        if not zone_keys.get_keyring().pin.exists:
            return None
        raise AccountsNotVerified(
            _(
                "This Primary Server cannot open its zone keys, so it cannot verify accounts. "
                "No one can log in here. Nothing was changed."
            )
        ) from fault
    return held if held is not None and held.required else None


def is_authentic(user: User) -> bool:
    """Return True if the account was changed by ZCC only. Altered accounts cannot log in.

    Raises AccountsNotVerified while this server cannot open the zone keys.
    """
    mac = getattr(user, "account_mac", None)
    if _get_required_key() is None or (mac is not None and mac.is_authentic()):
        return True
    alarms.record(ACCOUNT, user.pk, user.username)
    return False


def check(pk: int) -> None:
    """Raise RowAltered if an account was changed in the database, and not by ZCC."""
    users = User.objects.select_related("administrator", "account_mac", "second_factor")
    user = users.filter(pk=pk).first()
    if user is not None and not is_authentic(user):
        raise RowAltered(
            _("The account %(name)s was changed in the database. Nothing was done with it.")
            % {"name": user.username}
        )


def stamp(pk: int, *, keeps_passkeys: bool = True) -> None:
    """Store the MACs of an account after a change. Call it in the transaction of the change.

    The list of passkeys is kept: a passkey that was inserted with SQL is not added to it. Without
    `keeps_passkeys`, the list is empty, because all passkeys were removed.
    """
    user = User.objects.select_related("account_mac").get(pk=pk)
    _stamp(pk, _list_passkeys(user) if keeps_passkeys else set())


def accept(pk: int) -> None:
    """Store the MACs of an account as it is now, with all its passkeys that have a MAC."""
    rows = list_rows(Passkey).filter(user_id=pk)
    _stamp(pk, {row.list_entry for row in rows if row.has_mac()})


def change_passkeys(pk: int, *, add: str = "", remove: str = "") -> None:
    """Add a passkey to the list of an account, or remove one. An altered account is not changed."""
    users = User.objects.select_related("administrator", "account_mac", "second_factor")
    user = users.get(pk=pk)
    if is_authentic(user):
        _stamp(pk, (_list_passkeys(user) | {add}) - {remove, ""})


def _list_passkeys(user: User) -> set[str]:
    mac = getattr(user, "account_mac", None)
    return set(mac.list_passkeys()) if mac is not None else set()


def _stamp(pk: int, passkeys: set[str]) -> None:
    user = User.objects.select_related("administrator", "second_factor").get(pk=pk)
    mac = AccountMac(user=user, rights=_list_direct_rights(user))
    mac.passkeys = "\n".join(sorted(passkeys))
    values = {
        "rights": mac.rights,
        "passkeys": mac.passkeys,
        "row_mac": mac.compute_row_mac(),
        "second_factor_mac": mac.compute_second_factor_mac(),
    }
    if not list_rows(AccountMac).filter(pk=pk).update(**values):
        list_rows(AccountMac).create(user=user, **values)


def stamp_unstamped(*, replace_invalid: bool) -> None:
    """Store the MACs of all accounts and API tokens that have none, and the policies.

    With `replace_invalid`, MACs that are not valid are replaced.
    """
    Policies.objects.get_or_create(pk=1)
    users = User.objects.select_related("administrator", "account_mac")
    tokens = ApiToken.objects.all()
    if not replace_invalid:
        users = users.filter(Q(account_mac=None) | Q(account_mac__row_mac=""))
        tokens = tokens.filter(row_mac="")
    for user in users:
        mac = getattr(user, "account_mac", None)
        if mac is None or not mac.has_mac():
            stamp(user.pk)
    for token in tokens:
        stamp_token(token)


def stamp_second_factors(*, replace_invalid: bool) -> int:
    """Store the missing MACs of second factors, and return their number. No other MAC is changed.

    With `replace_invalid`, MACs that are not valid are replaced.
    """
    stored: Any = list_rows(AccountMac).select_related("user__second_factor")
    if not replace_invalid:
        stored = stored.filter(second_factor_mac="")
    found = [mac for mac in stored if not mac.has_second_factor_mac()]
    for mac in found:
        value = mac.compute_second_factor_mac()
        list_rows(AccountMac).filter(pk=mac.pk).update(second_factor_mac=value)
    return len(found)


def filter_rights(user: User, direct: set[str]) -> set[str]:
    """Return those of the rights without a role that the MAC of the account covers.

    Raises AccountsNotVerified while this server cannot open the zone keys.
    """
    if _get_required_key() is None:
        return direct
    mac = getattr(user, "account_mac", None)
    return direct & set(mac.rights) if mac is not None else set()


def stamp_token(token: ApiToken) -> None:
    """Store the MAC of an API token."""
    held = macs.get_key()
    if held is not None:
        token.row_mac = macs.compute(held.key, TOKEN, _get_token_values(token))
        token.save(update_fields=["row_mac"])


def is_token_authentic(token: ApiToken) -> bool:
    """Return True if ZCC created the token, and neither it nor its user was altered.

    Raises AccountsNotVerified while this server cannot open the zone keys.
    """
    held = _get_required_key()
    values = _get_token_values(token)
    is_valid = held is None or macs.is_made_with(held.key, token.row_mac, TOKEN, values)
    if not is_valid:
        alarms.record(TOKEN, token.pk, token.name)
    return is_valid and is_authentic(token.user)


def check_passkeys(user: User) -> None:
    """Raise the alarm if a passkey that the account lists was deleted in the database."""
    if not _has_all_passkeys(user):
        alarms.record(ACCOUNT, user.pk, user.username)


def _has_all_passkeys(user: User) -> bool:
    rows: Any = Passkey.objects.filter(user=user)
    return _list_passkeys(user) <= {row.list_entry for row in rows}


def find_altered() -> Iterator[tuple[str, object, str]]:
    """Yield model, key, and name of accounts and API tokens that were altered.

    An account is altered, too, if one of its passkeys was deleted.
    """
    held = macs.get_key()
    required = held is not None and held.required
    users = User.objects.select_related("administrator", "account_mac", "second_factor")
    for user in users:
        mac = getattr(user, "account_mac", None)
        is_valid = mac.is_authentic() if mac is not None else not required
        is_valid = is_valid and (not _list_passkeys(user) or _has_all_passkeys(user))
        is_covered = (
            mac is None or not required or set(_list_direct_rights(user)) <= set(mac.rights)
        )
        if not is_valid or not is_covered:
            yield ACCOUNT, user.pk, user.username
    for token in ApiToken.objects.all():
        if not macs.is_valid(token.row_mac, TOKEN, _get_token_values(token)):
            yield TOKEN, token.pk, token.name


def _get_token_values(token: ApiToken) -> dict[str, object]:
    names = ("user_id", "parent_id", "digest", "rights", "expires_at", "created_at")
    return {name: getattr(token, name) for name in names}


def _list_direct_rights(user: User) -> list[str]:
    direct = Permission.objects.filter(Q(user=user) | Q(group__user=user)).distinct()
    pairs = direct.values_list("content_type__app_label", "codename")
    return sorted(f"{label}.{name}" for label, name in pairs)
