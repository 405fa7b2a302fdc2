"""The checkpoint of the audit log is locked before other rows, so that transactions never deadlock.

Actions of administrators on the same rows hold the checkpoint first. On PostgreSQL, an action with
the other order would wait for them while they wait for it.
"""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from administrators.api_tokens import tokens
from administrators.login import second_factor
from administrators.models import RecoveryCode, SecondFactor
from administrators.protection import account_macs
from certificates.authority import vault_keys
from devices.identity import zone_keys
from systemupdates.assignments import stages
from systemupdates.models import Stage
from tests.support import factories


def create_token(user):
    parent, _text = tokens.create_token(user, "parent", rights=[], expires_at=None)
    return lambda: tokens.create_token(user, "child", rights=[], expires_at=None, parent=parent)


def revoke_token(user):
    token, _text = tokens.create_token(user, "token", rights=[], expires_at=None)
    return lambda: tokens.revoke_token(user, token.pk, now=timezone.now())


def use_recovery_code(user):
    factor = second_factor.start_setup(user)
    SecondFactor.objects.filter(pk=factor.pk).update(confirmed_at=timezone.now())
    account_macs.stamp(user.pk)
    RecoveryCode.objects.create(user=user, digest=second_factor._digest("ABCD"))
    return lambda: second_factor.verify_code(user, "abcd", now=timezone.now())


def move_stage(_user):
    first = Stage.objects.create(name="a", position=0, timeout_seconds=60)
    Stage.objects.create(name="b", position=1, timeout_seconds=60)
    return lambda: stages.move_stage(first, up=False)


def rotate(_user):
    ring = zone_keys.get_keyring()
    server = ring.get_server()
    keys = (server.vault_key, server.ca_vault_key)
    return lambda: vault_keys._reencrypt(ring, *keys, timezone.now())


@pytest.mark.parametrize(
    ("prepare", "table"),
    [
        (create_token, "console_apitoken"),
        (revoke_token, "console_apitoken"),
        (use_recovery_code, "people_secondfactor"),
        (move_stage, "systemupdates_stage"),
        (rotate, "devices_device"),
    ],
)
def test_the_checkpoint_is_locked_first(zone, prepare, table):
    action = prepare(factories.admin())
    with CaptureQueriesContext(connection) as queries:
        action()
    statements = [query["sql"] for query in queries]
    checkpoint = next(n for n, sql in enumerate(statements) if "ledger_checkpoint" in sql)
    locked = next(n for n, sql in enumerate(statements) if f'FROM "{table}"' in sql)
    assert checkpoint < locked
