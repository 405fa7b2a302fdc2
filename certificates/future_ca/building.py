"""Build unsaved certificate authorities from their certificates and keys."""

from __future__ import annotations

from uuid import uuid4

from certificates.authority import key_store
from certificates.models import Authority
from devices.models import Device
from pki import keys
from pki.certificates import details


def build_internal_authority(
    root_pem: str, key: keys.SigningKey, server: Device, *, state: str
) -> Authority:
    """Return an unsaved internal authority with its key encrypted for its certificate server."""
    authority = Authority(guid=uuid4(), kind=Authority.Kind.INTERNAL, root_pem=root_pem)
    copy_root_details(authority)
    authority.state, authority.certificate_server = state, server
    authority.sealed_key = key_store.build_stored_key(key, authority_id=authority.pk, server=server)
    return authority


def build_external_authority(root_pem: str, intermediates_pem: str, *, state: str) -> Authority:
    """Return an unsaved external authority. The zone does not have its key."""
    authority = Authority(guid=uuid4(), kind=Authority.Kind.EXTERNAL, root_pem=root_pem)
    authority.intermediates_pem, authority.state = intermediates_pem, state
    copy_root_details(authority)
    return authority


def copy_root_details(authority: Authority) -> None:
    """Copy the details of an authority's root certificate to its columns."""
    facts = details.get_details(authority.root_pem)
    authority.subject, authority.common_name = facts.subject[:500], facts.common_name[:64]
    authority.key_length = facts.key_length
    authority.not_before, authority.not_after = facts.not_before, facts.not_after
    authority.sha256 = facts.digest
