"""Import certificates issued by an external CA, from one or several files.

See: docs/decisions.md D-15
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from audit.models import Entry
from certificates.authority.key_store import get_cross_certificates
from certificates.issuance.names import build_names
from certificates.issuance.requests import update_future_certificate
from certificates.models import FutureCertificate, Revocation
from certificates.operations.states import FutureState
from faults import Conflict, Fault, Invalid
from pki.certificates import details
from pki.chains import chains as chains_chain
from pki.errors import WrongKey
from pki.formats import bundles, csr

MAX_FILE_SIZE = 256 * 1024
MAX_FILES = 1000
MAX_ZIP_SIZE = 10 * 1024 * 1024
MAX_UNPACKED_SIZE = 16 * 1024 * 1024
State = FutureState


@dataclass(frozen=True)
class ImportResult:
    """The result of an import: servers with a certificate, warnings, and errors by file."""

    done: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


def import_file(future: FutureCertificate, data: bytes, *, now: datetime) -> list[str]:
    """Import the certificate of a server from a file and return warnings, or raise a Fault."""
    _check_size(data)
    if not future.csr_pem:
        raise Conflict(
            _("No CSR has been generated for %(device)s. Nothing was imported.")
            % {"device": future.device.name},
            action=_(
                "Generate a CSR first, or copy the certificate and key to "
                "the remint repository of the server."
            ),
        )
    public_key = csr.parse_csr(future.csr_pem).public_key
    return store_chain(future, bundles.parse_certificates(data), public_key, now=now)


def store_chain(
    future: FutureCertificate,
    certificates: list[str],
    public_key: str,
    *,
    now: datetime,
    known: list[str] | None = None,
) -> list[str]:
    """Check the chain for the key of a server, store it, and return warnings, or raise a Fault.

    `known` are intermediates from other files.
    """
    authority, operation = future.authority, future.operation
    if authority is None:
        raise Conflict(_("The operation is still being prepared. Nothing was imported."))
    if future.is_activation_ordered:
        raise Conflict(
            _("%(device)s might already be activating its new certificate. Nothing was imported.")
            % {"device": future.device.name},
            action=_("To replace that certificate, remint the server after the activation."),
        )
    activates_at = operation.activates_at if operation else None
    chain, warnings = chains_chain.choose_chain(
        certificates,
        [*(known or []), *chains_chain.split(authority.intermediates_pem)],
        root_pem=authority.root_pem,
        public_key=public_key,
        expected=chains_chain.Requirements(
            names=build_names(future.device, include_dns=False),
            fqdn=future.device.fqdn,
            now=now,
            active_at=max(now, activates_at or now),
        ),
    )
    facts = details.get_details(chain[0])
    if Revocation.objects.filter(digest=facts.digest).exists():
        raise Conflict(
            _("This certificate has been revoked. Nothing was imported."),
            action=_("Have the CSR signed again, and import the new certificate."),
        )
    with transaction.atomic():
        Entry.objects.lock_checkpoint()
        update_future_certificate(
            future,
            State.UPLOADED,
            chain_pem=chains_chain.join(*chain, *get_cross_certificates(authority)),
            digest=facts.digest,
            not_after=facts.not_after,
            available_at=now,
        )
        Entry.objects.record(
            "import",
            f"certificates.FutureCertificate:{future.pk}",
            note=future.device.name,
            detail={"sha256": facts.digest, "warnings": warnings},
        )
    return warnings


def import_files(
    futures: list[FutureCertificate], files: list[tuple[str, bytes]], *, now: datetime
) -> ImportResult:
    """Import files or zip files, and match each certificate to its server by its key (D-15).

    The result contains an error for each file that could not be used. The others are imported.
    """
    result = ImportResult()
    read: list[tuple[str, list[str]]] = []
    for name, data in [part for given in files for part in _unpack(*given)]:
        try:
            _check_size(data)
            read.append((name, bundles.parse_certificates(data)))
        except Fault as fault:
            _add_error(result, name, str(fault))
    waiting = {csr.parse_csr(f.csr_pem).public_key: f for f in futures if f.csr_pem}
    # Intermediates can be in another file of the same import. Roots are not shared, because an
    # unrelated root would make the other files invalid.
    shared = dict.fromkeys(pem for _, pems in read for pem in pems if _is_intermediate(pem))
    for name, pems in read:
        _import_file(name, pems, list(shared), waiting, result, now)
    return result


def _import_file(  # the parts of one loop
    name: str,
    pems: list[str],
    shared: list[str],
    waiting: dict[str, FutureCertificate],
    result: ImportResult,
    now: datetime,
) -> None:
    """Import the certificates of one file for all servers with a matching key."""
    matching = {key: waiting[key] for key in map(_get_key, pems) if key in waiting}
    for public_key, future in matching.items():
        try:
            warnings = store_chain(future, pems, public_key, now=now, known=shared)
        except Fault as fault:
            _add_error(result, name, f"{future.device.name}: {fault}")
            continue
        if future.device.name not in result.done:
            result.done.append(future.device.name)
        result.warnings.extend(f"{future.device.name}: {text}" for text in warnings)
    if not matching and not all(_is_ca(pem) for pem in pems):
        _add_error(result, name, ("The certificate does not match the CSR of any selected server."))


def _add_error(result: ImportResult, name: str, reason: str) -> None:
    """Add an error for a file. Several files can have the same name."""
    before = result.refused.get(name)
    result.refused[name] = f"{before} {reason}" if before else reason


def _get_key(pem: str) -> str:
    """Return the public key of a certificate, "" if its type is not supported."""
    try:
        return chains_chain.get_public_key(pem)
    except Fault:
        return ""


def _is_ca(pem: str) -> bool:
    return details.get_details(pem).is_ca


def _is_intermediate(pem: str) -> bool:
    facts = details.get_details(pem)
    return facts.is_ca and not facts.self_signed


def _check_size(data: bytes) -> None:
    if len(data) > MAX_FILE_SIZE:
        raise Invalid(_("The file exceeds the 256 KiB limit. Nothing was imported."), field="file")


def _unpack(name: str, data: bytes) -> list[tuple[str, bytes]]:
    """Return the files of a zip file in memory, or the file itself."""
    if not data.startswith(b"PK\x03\x04"):
        return [(name, data)]
    if len(data) > MAX_ZIP_SIZE:
        raise Invalid(
            _("The zip file exceeds the 10 MiB limit. Nothing was imported."), field="file"
        )
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            _check_entries(entries)
            return [(entry.filename, _read(archive, entry)) for entry in entries]
    except Fault:
        raise
    except Exception as error:  # zipfile raises many types of errors for hostile files
        raise Invalid(_("The zip file is damaged. Nothing was imported."), field="file") from error


def _check_entries(entries: list[zipfile.ZipInfo]) -> None:
    """Raise Invalid if the zip file has too many files or is too large when extracted.

    The sizes in the zip file can be wrong. They are checked again when each file is read.
    """
    if len(entries) > MAX_FILES or any(entry.file_size > MAX_FILE_SIZE for entry in entries):
        raise Invalid(
            _(
                "The zip file contains too many files or a file larger than 256 "
                "KiB. Nothing was imported."
            ),
            field="file",
        )
    if sum(entry.file_size for entry in entries) > MAX_UNPACKED_SIZE:
        raise Invalid(
            _(
                "The extracted contents of the zip file exceed the "
                "size limit. Nothing was imported."
            ),
            field="file",
        )


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Read one member, but never more than a certificate file may hold (zip bombs)."""
    with archive.open(entry) as member:
        data = member.read(MAX_FILE_SIZE + 1)
    if len(data) > MAX_FILE_SIZE:
        raise Invalid(_("A file in the zip is larger than 256 KiB."), field="file")
    return data


def import_from_repository(future: FutureCertificate, chain_pem: str, *, now: datetime) -> None:
    """Store a certificate from the remint repository of a server (D-17).

    The server has verified the matching private key. A certificate that was imported in the
    console is not replaced.
    """
    if future.state == State.UPLOADED:
        return
    certificates = bundles.parse_certificates(chain_pem.encode())
    leaves = [pem for pem in certificates if not _is_ca(pem)]
    if len(leaves) != 1:
        raise WrongKey(
            _("The remint repository must contain exactly one server certificate with its chain.")
        )
    store_chain(future, certificates, chains_chain.get_public_key(leaves[0]), now=now)
