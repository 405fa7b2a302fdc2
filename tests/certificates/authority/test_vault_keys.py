"""Rotation of vault keys, also if it is interrupted."""

import pytest
from django.core.management import call_command
from django.utils import timezone

from certificates.authority import key_store, vault_keys
from certificates.models import Authority, VaultJob
from devices.identity import zone_keys
from faults import Conflict
from pki.protection import sealing

pytestmark = pytest.mark.django_db


class Killed(Exception):
    """Simulates the end of the process."""


def everything(zone):
    """Return all secrets that are encrypted for the keys of this server."""
    zone_keys.clear_cache()
    ring = zone_keys.get_keyring()
    return ring.zone_key, ring.master, key_store.open_key(Authority.objects.current())


def files(zone):
    return {path.name: path.read_text() for path in zone.home.glob("*vault/*.key*")}


def test_secrets_can_be_decrypted_only_with_the_new_keys(zone, capsys):
    before, old = everything(zone), files(zone)
    call_command("rotate_vault_keys")
    assert "3 secrets" in capsys.readouterr().out
    assert everything(zone) == before
    new = files(zone)
    assert set(new) == {"vault.key", "vault.key.pub", "ca-vault.key", "ca-vault.key.pub"}
    assert new["vault.key"] != old["vault.key"]
    assert (zone.home / "vault" / "vault.key").stat().st_mode & 0o777 == 0o600
    assert new["vault.key.pub"] == sealing.get_public_key(new["vault.key"])
    assert zone.device(zone.first).vault_key == new["vault.key.pub"]
    (zone.home / "vault" / "vault.key").unlink()
    sealing.write_private_file(zone.home / "vault" / "vault.key", old["vault.key"])
    zone_keys.clear_cache()
    with pytest.raises(zone_keys.ZoneKeysUnavailable):
        _ = zone_keys.get_keyring().zone_key


@pytest.mark.parametrize("moment", ["before the rows", "after the rows", "between the renames"])
def test_an_interrupted_rotation_leaves_all_secrets_readable(zone, monkeypatch, moment):
    before = everything(zone)
    with monkeypatch.context() as patch:
        interrupt(patch, moment)
        with pytest.raises(Killed):
            vault_keys.rotate(now=timezone.now())
    assert everything(zone) == before
    vault_keys.rotate(now=timezone.now())
    assert everything(zone) == before
    assert not list(zone.home.glob("*vault/*.next"))


def interrupt(patch, moment):
    """Interrupt the rotation at a moment."""
    real = vault_keys._reencrypt

    def killed(*values):
        if moment != "before the rows":
            real(*values)
        raise Killed

    calls = []

    def at_second(path):
        calls.append(path)
        if len(calls) > 3:
            raise Killed
        return zone_keys.get_next_key_path(path)

    if moment == "between the renames":
        patch.setattr(vault_keys, "_get_next_path", at_second)
    else:
        patch.setattr(vault_keys, "_reencrypt", killed)


def test_rotation_is_rejected_while_a_ca_key_job_is_pending(zone):
    ca = Authority.objects.current()
    VaultJob.objects.create(kind="backup", server=ca.certificate_server, authority=ca)
    before = files(zone)["vault.key"]
    with pytest.raises(Conflict, match="is waiting for this server"):
        vault_keys.rotate(now=timezone.now())
    assert files(zone)["vault.key"] == before
