"""No key and no passphrase is encrypted for a vault key that was changed in the database.

See: D-170, D-248
"""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.utils import timezone

from audit.models import RowAltered
from certificates.authority import key_operations, key_store
from certificates.models import VaultJob
from certificates.monitoring import workers
from certificates.tasks import authority as tasks
from certificates.tasks import operations as operation_tasks
from devices.models import Device
from pki.protection import sealing
from tests.support import factories, walkthrough
from tests.zcc.rows import sql
from tests.zcc.rows.test_attacks import altered


def test_the_key_of_a_new_ca_is_not_encrypted_for_a_changed_vault_key(zone):
    server = zone.device(zone.first)
    operation = walkthrough.remint_ca()
    sql.change(server, ca_vault_key=sealing.generate_vault_key().public)
    operation_tasks.prepare_operation(str(operation.pk))
    operation.refresh_from_db()
    assert operation.future_authority is None
    assert "changed in the database" in operation.reason
    assert f"devices.Device:{server.pk}" in altered()


def test_a_vault_key_with_a_valid_mac_is_compared_with_the_file_of_the_server(zone):
    """Another Primary Server, and the web process, can write such a row."""
    server = zone.device(zone.first)
    Device.objects.filter(pk=server.pk).update(ca_vault_key=sealing.generate_vault_key().public)
    with pytest.raises(RowAltered, match="CA vault key of ps-01"):
        key_store.seal("key", authority_id=uuid4(), server=server)
    operation = walkthrough.remint_ca()
    operation_tasks.prepare_operation(str(operation.pk))
    operation.refresh_from_db()
    assert operation.future_authority is None
    assert "CA vault key of ps-01" in operation.reason


def test_a_passphrase_is_not_encrypted_for_a_changed_vault_key(zone):
    server, admin = zone.device(zone.first), factories.admin()
    job = key_operations.back_up("a long enough passphrase of the owner", by=admin)
    tasks.run_key_job(str(job.pk))
    job.refresh_from_db()
    workers.record_heartbeat(server.pk, timezone.now())
    sql.change(server, vault_key=sealing.generate_vault_key().public)
    for request in (
        lambda: key_operations.back_up("a long enough passphrase of the owner", by=admin),
        lambda: key_operations.restore(
            bytes(job.result), "a long enough passphrase", server.pk, by=admin, now=timezone.now()
        ),
    ):
        with pytest.raises(RowAltered):
            request()
    assert VaultJob.objects.exclude(pk=job.pk).count() == 0
