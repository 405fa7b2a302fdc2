"""What a stolen Primary Server and a stolen data directory cannot do with the CA key."""

from __future__ import annotations

import shutil

import pytest

from audit.models import list_rows
from certificates.authority import key_store
from certificates.models import Authority
from devices.identity import zone_keys
from wire import messages, server_files


def test_a_primary_server_without_the_ca_role_cannot_use_the_ca_key(zone):
    second = zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    authority = Authority.objects.current()
    assert key_store.open_key(authority)
    with zone.on(second):
        with pytest.raises(key_store.KeyNotOnServer):
            key_store.open_key(authority)
        # With the zone master, it can also write the row as the console does.
        Authority.objects.filter(pk=authority.pk).update(certificate_server=second.guid)
        assert list_rows(Authority).get(pk=authority.pk).is_authentic()
        with pytest.raises(zone_keys.ZoneKeysUnavailable):
            key_store.open_key(authority)


def test_the_data_directory_without_the_ca_vault_does_not_open_the_ca_key(zone):
    shutil.rmtree(server_files.ca_vault_key_path(zone.home).parent)
    zone_keys.clear_cache()
    assert zone_keys.get_keyring().zone_key
    with pytest.raises(zone_keys.ZoneKeysUnavailable):
        key_store.open_key(Authority.objects.current())
