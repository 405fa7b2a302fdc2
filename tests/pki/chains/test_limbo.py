"""The x509-limbo test suite: every deviation from its expected results has a reason."""

from __future__ import annotations

import gzip
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pki.chains import chains
from pki.errors import PkiFault
from pki.formats import bundles
from pki.names import Names
from tests.pki import factories

FILES = Path(__file__).parent / "files"
CASES = json.loads(gzip.decompress((FILES / "x509-limbo.json.gz").read_bytes()))
DIFFERENCES = dict(
    line.split("\t") for line in (FILES / "limbo-differences.tsv").read_text().splitlines()
)
# Class of difference: (whether ZCC accepts the chain, why this is right).
REASONS = {
    "devices-accept": (True, "OpenSSL on devices accepts it. The suite rejects it because a public "
                             "CA must not issue it (D-160)"),
    "no-revocation": (True, "Devices do not check revocation (docs/threat-model.md)"),
    "no-depth-limit": (True, "The depth limit is an input of the suite that ZCC does not have"),
    "several-roots": (False, "A zone has exactly one root (D-13)"),
    "root-not-self-signed": (False, "A root must be self-signed (D-13)"),
    "ca-as-server": (False, "A CA certificate is not accepted for a server (D-15)"),
    "no-host-name": (False, "The certificate of a server must cover its FQDN (D-15)"),
}  # fmt: skip


def accepts(case: dict[str, Any]) -> bool:
    """Return True if the CA can be uploaded and the certificate can be imported."""

    def read(texts: list[str]) -> list[str]:
        return [pem for text in texts for pem in bundles.parse_certificates(text.encode())]

    now = datetime.fromisoformat(case["time"]) if case["time"] else factories.NOW
    expected = chains.Requirements(
        names=Names(), fqdn=case["host"] or "one.zone.example", now=now, active_at=now
    )
    try:
        root, _ = chains.split_root(read(case["roots"]))
        certificates = read([case["leaf"], *case["others"]])
        chains.choose_chain(
            certificates,
            [],
            root_pem=root,
            public_key=chains.get_public_key(certificates[0]),
            expected=expected,
        )
    except PkiFault:
        return False
    return True


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_a_chain_is_judged_as_the_suite_expects_or_for_a_known_reason(
    case: dict[str, Any],
) -> None:
    difference = DIFFERENCES.get(case["id"])
    if difference is None:
        assert accepts(case) == case["accepts"]
    else:
        assert case["accepts"] != REASONS[difference][0]
        assert accepts(case) == REASONS[difference][0]


def test_every_difference_is_a_case_of_the_suite() -> None:
    assert len(CASES) == 198
    assert DIFFERENCES.keys() <= {case["id"] for case in CASES}
    assert set(DIFFERENCES.values()) == set(REASONS)
