"""Other people's judgment on certificates: openssl, certtool, the library and pkilint.

A tool that is missing fails the test: nothing is skipped.
"""

from __future__ import annotations

import functools
import re
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

from pkilint import loader, pkix, validation
from pkilint.pkix import certificate, crl, extension, name, ocsp

from pki.certificates.details import get_details
from pki.chains import chains as chains_chain
from pki.errors import BadChain
from tests.pki.factories import NOW

_PUBLIC = re.compile(r"([a-z0-9-]+\.)+[a-z0-9][a-z0-9-]{0,61}[a-z]")


def openssl_accepts(
    folder: Path, *, roots: list[str], chain: list[str], host: str, at: datetime
) -> bool:
    """Tell whether `openssl verify -x509_strict` accepts a served chain for a host."""
    anchors, others, leaf = folder / "roots.pem", folder / "others.pem", folder / "leaf.pem"
    anchors.write_text("".join(roots))
    others.write_text("".join(chain[1:]))
    leaf.write_text(chain[0])
    kind = "ip" if host[0].isdigit() or ":" in host else "hostname"
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver"]
    command += [f"-verify_{kind}", host, "-attime", str(int(at.timestamp()))]
    command += ["-CAfile", str(anchors), "-no-CApath", "-no-CAstore"]
    command += ["-untrusted", str(others)] if chain[1:] else []
    done = subprocess.run([*command, str(leaf)], capture_output=True, timeout=30, check=False)
    return done.returncode == 0


def certtool_accepts(folder: Path, *, roots: list[str], chain: list[str], host: str) -> bool:
    """Tell whether `certtool --verify` of GnuTLS accepts a served chain for a host now."""
    anchors, served = folder / "roots.pem", folder / "served.pem"
    anchors.write_text("".join(roots))
    served.write_text("".join(chain))
    command = ["certtool", "--verify", "--verify-hostname", host]
    command += ["--load-ca-certificate", str(anchors), "--infile", str(served)]
    done = subprocess.run(command, capture_output=True, timeout=30, check=False)
    return done.returncode == 0


def library_accepts(*, roots: list[str], chain: list[str], host: str, at: datetime) -> bool:
    """Tell whether the strict verifier of `cryptography` accepts a served chain for a host."""
    try:
        chains_chain.verify_chain("".join(chain), roots=roots, host=host, now=at)
    except BadChain:
        return False
    return True


def everybody(
    folder: Path, *, roots: list[str], chain: list[str], host: str, at: datetime
) -> set[bool]:
    """Ask all three; a set of one says that they agree. At another time than now, ask two."""
    answers = {
        openssl_accepts(folder, roots=roots, chain=chain, host=host, at=at),
        library_accepts(roots=roots, chain=chain, host=host, at=at),
    }
    if at == NOW:
        answers.add(certtool_accepts(folder, roots=roots, chain=chain, host=host))
    return answers


@functools.cache
def _linter() -> Any:
    return certificate.create_pkix_certificate_validator_container(
        certificate.create_decoding_validators(
            name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS
        ),
        [
            certificate.create_issuer_validator_container([]),
            certificate.create_validity_validator_container(),
            certificate.create_subject_validator_container([]),
            certificate.create_extensions_validator_container([]),
            certificate.create_spki_validator_container([]),
        ],
    )


def pkilint(pem: str) -> list[str]:
    """Return the findings of pkilint's PKIX linter, from NOTICE up.

    Its false alarms are left out: to it a dNSName is a public domain, so that it objects to
    wildcards, to short names and to last labels of one character or with a digit at the end. In
    name constraints, it expects a mailbox and a URI, where RFC 5280 4.2.1.10 requires a host.
    """
    document = loader.load_pem_certificate(pem, "certificate")
    found = [
        finding.finding.code
        for result in _linter().validate(document.root)
        for finding in result.finding_descriptions
        if finding.finding.severity <= validation.ValidationFindingSeverity.NOTICE
    ]
    if not all(_PUBLIC.fullmatch(dns) for dns in get_details(pem).dns_names):
        found = [code for code in found if code != "pkix.invalid_domain_name_syntax"]
    if get_details(pem).permitted:
        hosts = ("pkix.invalid_email_address_syntax", "pkix.invalid_uri_syntax")
        found = [code for code in found if code not in hosts]
    return found


def pkilint_crl(der: bytes) -> list[str]:
    """Return the findings of pkilint's PKIX linter for a CRL, from NOTICE up."""
    linter = crl.create_pkix_crl_validator_container(
        [
            pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
            pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS),
        ],
        [
            crl.create_issuer_validator_container([]),
            crl.create_validity_validator_container([]),
            crl.create_extensions_validator_container([]),
        ],
    )
    document = loader.RFC5280CertificateListDocumentLoader().load_der_document(der, "crl")
    return [
        finding.finding.code
        for result in linter.validate(document.root)
        for finding in result.finding_descriptions
        if finding.finding.severity <= validation.ValidationFindingSeverity.NOTICE
    ]


def pkilint_ocsp(der: bytes) -> list[str]:
    """Return the findings of pkilint's linter for an OCSP response (RFC 6960), from NOTICE up."""
    linter = ocsp.create_pkix_ocsp_response_validator_container(
        [
            ocsp.create_response_decoder(),
            pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
            pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS),
        ],
        [],
    )
    document = loader.RFC6960OCSPResponseDocumentLoader().load_der_document(der, "response")
    return [
        finding.finding.code
        for result in linter.validate(document.root)
        for finding in result.finding_descriptions
        if finding.finding.severity <= validation.ValidationFindingSeverity.NOTICE
    ]
