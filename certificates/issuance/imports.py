"""Import certificates that an external CA issued: every check of D-15, one file or many (R208)."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from audit.models import Entry
from certificates.authority.key_store import bridges_above
from certificates.issuance.names import names_of
from certificates.issuance.requests import store
from certificates.models import FutureCertificate
from certificates.operations.states import FutureState
from faults import Conflict, Fault, Invalid
from pki.certificates import details
from pki.chains import chains as chains_chain
from pki.errors import WrongKey
from pki.formats import bundles, csr

FILE_AT_MOST = 256 * 1024
FILES_AT_MOST = 1000
ZIP_AT_MOST = 10 * 1024 * 1024
UNPACKED_AT_MOST = 16 * 1024 * 1024
State = FutureState


@dataclass(frozen=True)
class Imported:
    """What became of the files of one import: by server, or why a file was not used."""

    done: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


def import_one(future: FutureCertificate, data: bytes, *, now: datetime) -> list[str]:
    """Import the certificate of one server from a file; returns warnings, raises a Fault."""
    _check_size(data)
    if not future.csr_pem:
        raise Conflict(
            _("No CSR was generated for %(device)s. Nothing was imported.")
            % {"device": future.device.name},
            action=_("Use Generate CSR first, or place certificate and key in the repository."),
        )
    public_key = csr.read_csr(future.csr_pem).public_key
    return accept(future, bundles.read_certificates(data), public_key, now=now)


def accept(
    future: FutureCertificate, certificates: list[str], public_key: str, *, now: datetime
) -> list[str]:
    """Check a chain for a server's key and store it as its future certificate."""
    authority, operation = future.authority, future.operation
    if authority is None:
        raise Conflict(_("The operation is still being prepared. Nothing was imported."))
    if future.is_given:
        raise Conflict(
            _("%(device)s may be activating its new certificate already. Nothing was imported.")
            % {"device": future.device.name},
            action=_("To replace that certificate start a server remint afterwards."),
        )
    known = [*certificates, *chains_chain.split(authority.intermediates_pem)]
    chain = chains_chain.build_chain(known, root_pem=authority.root_pem, public_key=public_key)
    warnings = chains_chain.check_server_chain(
        chain,
        root_pem=authority.root_pem,
        names_needed=names_of(future.device, include_dns=False),
        now=now,
        active_at=operation.activates_at if operation else None,
        fqdn=future.device.fqdn,
    )
    facts = details.describe(chain[0])
    with transaction.atomic():
        Entry.objects.queue()
        store(
            future,
            State.UPLOADED,
            chain_pem=chains_chain.join(*chain, *bridges_above(authority)),
            digest=facts.digest,
            not_after=facts.not_after,
            made_at=now,
        )
        Entry.objects.record(
            "import",
            f"certificates.FutureCertificate:{future.pk}",
            note=future.device.name,
            detail={"sha256": facts.digest, "warnings": warnings},
        )
    return warnings


def import_many(
    futures: list[FutureCertificate], files: list[tuple[str, bytes]], *, now: datetime
) -> Imported:
    """Import several files or zips, each certificate matched to its server by its key (D-15).

    A file that fits no server, or is refused, is named with its reason; the others are imported.
    """
    result = Imported()
    read: list[tuple[str, list[str]]] = []
    for name, data in [part for given in files for part in _unpack(*given)]:
        try:
            _check_size(data)
            read.append((name, bundles.read_certificates(data)))
        except Fault as fault:
            _refuse(result, name, str(fault))
    waiting = {csr.read_csr(f.csr_pem).public_key: f for f in futures if f.csr_pem}
    # Intermediates may lie in another file of the same import; a root is known already, and that
    # of somebody else shall not spoil what is good.
    shared = dict.fromkeys(pem for _, pems in read for pem in pems if _is_intermediate(pem))
    for name, pems in read:
        _import_file(name, pems, list(shared), waiting, result, now)
    return result


def _import_file(  # the parts of one loop
    name: str,
    pems: list[str],
    shared: list[str],
    waiting: dict[str, FutureCertificate],
    result: Imported,
    now: datetime,
) -> None:
    """Import what one file holds for any of the servers."""
    fitting = {key: waiting[key] for key in map(_key_of, pems) if key in waiting}
    for public_key, future in fitting.items():
        try:
            own = dict.fromkeys([*pems, *shared])
            warnings = accept(future, list(own), public_key, now=now)
        except Fault as fault:
            _refuse(result, name, f"{future.device.name}: {fault}")
            continue
        if future.device.name not in result.done:
            result.done.append(future.device.name)
        result.warnings.extend(f"{future.device.name}: {text}" for text in warnings)
    if not fitting and not all(_is_authority(pem) for pem in pems):
        _refuse(result, name, "It belongs to the CSR of none of the selected servers.")


def _refuse(result: Imported, name: str, reason: str) -> None:
    """Note why a file was not used; several files may have one name."""
    before = result.refused.get(name)
    result.refused[name] = f"{before} {reason}" if before else reason


def _key_of(pem: str) -> str:
    """Return the key of a certificate, "" where it is of a kind that no CSR has."""
    try:
        return chains_chain.public_key_of(pem)
    except Fault:
        return ""


def _is_authority(pem: str) -> bool:
    return details.describe(pem).is_ca


def _is_intermediate(pem: str) -> bool:
    facts = details.describe(pem)
    return facts.is_ca and not facts.self_signed


def _check_size(data: bytes) -> None:
    if len(data) > FILE_AT_MOST:
        raise Invalid(_("The file is larger than 256 KiB. Nothing was imported."), field="file")


def _unpack(name: str, data: bytes) -> list[tuple[str, bytes]]:
    """Return the files of a zip, or the file itself; nothing is extracted to disk."""
    if not data.startswith(b"PK\x03\x04"):
        return [(name, data)]
    if len(data) > ZIP_AT_MOST:
        raise Invalid(_("The zip file is larger than 10 MiB. Nothing was imported."), field="file")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            _check_entries(entries)
            return [(entry.filename, _read(archive, entry)) for entry in entries]
    except Fault:
        raise
    except Exception as error:  # zipfile raises many kinds at a hostile file
        raise Invalid(
            _("The zip file cannot be read. Nothing was imported."), field="file"
        ) from error


def _check_entries(entries: list[zipfile.ZipInfo]) -> None:
    """Refuse what would unpack to more than certificates are; sizes are checked again on reading.

    A certificate file may be large or come in numbers, but not both.
    """
    if len(entries) > FILES_AT_MOST or any(entry.file_size > FILE_AT_MOST for entry in entries):
        raise Invalid(
            _("The zip holds too many files, or one larger than 256 KiB. Nothing was imported."),
            field="file",
        )
    if sum(entry.file_size for entry in entries) > UNPACKED_AT_MOST:
        raise Invalid(_("The zip unpacks to too much. Nothing was imported."), field="file")


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Read one member, but never more than a certificate file may hold (zip bombs)."""
    with archive.open(entry) as member:
        data = member.read(FILE_AT_MOST + 1)
    if len(data) > FILE_AT_MOST:
        raise Invalid(_("A file in the zip is larger than 256 KiB."), field="file")
    return data


def from_repository(future: FutureCertificate, chain_pem: str, *, now: datetime) -> None:
    """Take over a certificate that a server found in its remint repository (D-17).

    The server proved that the private key beside it fits; the database's own certificate, if one
    was imported, stays.
    """
    if future.state == State.UPLOADED:
        return
    certificates = bundles.read_certificates(chain_pem.encode())
    leaves = [pem for pem in certificates if not _is_authority(pem)]
    if len(leaves) != 1:
        raise WrongKey(_("The repository must hold exactly one server certificate with its chain."))
    accept(future, certificates, chains_chain.public_key_of(leaves[0]), now=now)
