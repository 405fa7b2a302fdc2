"""Check the chain of a subordinate zone CA: its key is in the zone, its issuer is not.

See: RFC 5280 4.2.1.3, 4.2.1.9; D-296
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import NameOID

from faults.texts import gettext as _
from faults.texts import gettext_noop
from pki.certificates import loading
from pki.certificates.loading import PublicKey
from pki.chains import authorities, judge, paths, server
from pki.chains.loaded import Loaded, load_file
from pki.chains.paths import Path
from pki.errors import BadCertificate, PkiFault, WrongKey
from pki.formats import csr
from pki.names import MAX_TEXT

_ISSUE_AGAIN = gettext_noop("Have the CSR signed as that of a CA, and import the new certificate.")


def choose_chain(
    certs: list[str], *, csr_pem: str, hosts: Sequence[str], now: datetime, active_at: datetime
) -> list[str]:
    """Return the chain of the certificate for the CSR of a zone CA, the root last, or raise.

    The zone CA must be valid now, because it signs before the activation, and the complete chain
    at `active_at`. It must be able to issue certificates for all hosts. Certificates that the chain
    does not need are ignored.
    """
    pool = load_file(certs)
    root = authorities.find_root(pool)
    own = _list_own(pool, csr_pem)
    others = [found for found in pool if found not in own and found.entity != root.entity]

    def check(path: Path) -> list[str]:
        _check_chain(path, root, hosts, (now, active_at))
        return [*(found.pem for found in path), root.pem]

    def check_own(found: Loaded) -> list[str]:
        _check_certificate(found)
        return paths.try_each(paths.list_paths(found, others, root, active_at), check)

    return paths.try_each(own, check_own)


def get_end(chain: list[str]) -> datetime:
    """Return when the first certificate of a chain expires. From then on, it is not complete."""
    return min(loading.load_certificate(pem).not_valid_after_utc for pem in chain)


def _list_own(pool: list[Loaded], csr_pem: str) -> list[Loaded]:
    """Return the certificates for the key of the CSR, newest first, or raise WrongKey."""
    key = csr.parse_csr(csr_pem).key
    own = [found for found in pool if not found.is_self_signed and _get_key(found) == key]
    if not own:
        raise WrongKey(
            _("None of the certificates in the file match the key of the new zone CA."),
            action=_("Import the certificate that was issued for the CSR of this operation."),
        )
    return sorted(own, key=lambda found: found.certificate.not_valid_before_utc, reverse=True)


def _get_key(found: Loaded) -> PublicKey | None:
    """Return the key of a certificate, or None if its type is not supported."""
    try:
        return loading.get_public_key(found.certificate)
    except PkiFault:
        return None


def _check_chain(
    path: Path, root: Loaded, hosts: Sequence[str], times: tuple[datetime, datetime]
) -> None:
    now, active_at = times
    server.check_links(path, root)
    for found in (*path, root):
        server.check_dates(found, now, active_at)
        # The zone CA signs the certificates of servers before the activation.
        server.check_dates(found, now, now)
    judge.check_authority(path, root)
    judge.check_names(path, root, hosts)


def _check_certificate(found: Loaded) -> None:
    """Raise a fault unless a certificate can be that of a zone CA."""
    paths.check_authority(found)
    usage = loading.get_extension(found.certificate, x509.KeyUsage)
    if isinstance(usage, x509.KeyUsage) and not usage.crl_sign:
        raise BadCertificate(
            _("The key usage of %(found)s does not include cRLSign.") % {"found": found},
            action=_(_ISSUE_AGAIN),
        )
    names = found.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if len(names) != 1 or not 0 < len(str(names[0].value)) <= MAX_TEXT:
        raise BadCertificate(
            _("The subject of %(found)s does not have exactly one common name.") % {"found": found},
            action=_(_ISSUE_AGAIN),
        )
