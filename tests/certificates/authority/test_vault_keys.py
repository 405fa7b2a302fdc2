"""Vault keys can be replaced, and a kill in the middle leaves everything readable (S-34)."""

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
    """The process ends here."""


def everything(zone):
    """Return all that is sealed to this server's keys, opened anew."""
    zone_keys.forget()
    ring = zone_keys.here()
    return ring.zone_key, ring.master, key_store.open_key(Authority.objects.current())


def files(zone):
    return {path.name: path.read_text() for path in zone.home.glob("*vault/*")}


def test_everything_opens_with_the_new_keys_and_not_with_the_old_ones(zone, capsys):
    before, old = everything(zone), files(zone)
    call_command("rotate_vault_keys")
    assert "3 secrets" in capsys.readouterr().out
    assert everything(zone) == before
    new = files(zone)
    assert set(new) == {"vault.key", "vault.key.pub", "ca-vault.key", "ca-vault.key.pub"}
    assert new["vault.key"] != old["vault.key"]
    assert (zone.home / "vault" / "vault.key").stat().st_mode & 0o777 == 0o600
    assert new["vault.key.pub"] == sealing.public_of(new["vault.key"])
    assert zone.device(zone.first).vault_key == new["vault.key.pub"]
    (zone.home / "vault" / "vault.key").unlink()
    sealing.write_private_file(zone.home / "vault" / "vault.key", old["vault.key"])
    zone_keys.forget()
    with pytest.raises(zone_keys.SigningOff):
        _ = zone_keys.here().zone_key


@pytest.mark.parametrize("moment", ["before the rows", "after the rows", "between the renames"])
def test_killed_anywhere_everything_opens_and_the_next_run_ends_it(zone, monkeypatch, moment):
    before = everything(zone)
    with monkeypatch.context() as patch:
        die(patch, moment)
        with pytest.raises(Killed):
            vault_keys.rotate(now=timezone.now())
    assert everything(zone) == before
    vault_keys.rotate(now=timezone.now())
    assert everything(zone) == before
    assert not list(zone.home.glob("*vault/*.next"))


def die(patch, moment):
    """Let the process end at a moment."""
    real = vault_keys._reseal

    def killed(*values):
        if moment != "before the rows":
            real(*values)
        raise Killed

    calls = []

    def at_second(path):
        calls.append(path)
        if len(calls) > 3:
            raise Killed
        return zone_keys.next_to(path)

    if moment == "between the renames":
        patch.setattr(vault_keys, "_waiting", at_second)
    else:
        patch.setattr(vault_keys, "_reseal", killed)


def test_it_waits_for_an_act_on_the_ca_key(zone):
    ca = Authority.objects.current()
    VaultJob.objects.create(kind="backup", server=ca.certificate_server, authority=ca)
    before = files(zone)["vault.key"]
    with pytest.raises(Conflict, match="waits for this server"):
        vault_keys.rotate(now=timezone.now())
    assert files(zone)["vault.key"] == before
