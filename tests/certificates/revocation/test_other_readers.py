"""NSS (Firefox, Red Hat) and Java use the OCSP responder and the CRL of a zone (D-266, D-268)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from certificates.models import Authority
from pki.certificates import revocation
from pki.chains import chains
from tests.certificates.revocation import test_lists, test_ocsp
from tests.pki import readers
from tests.pki.readers import Nss, validate_with_java


@pytest.mark.django_db(transaction=True)
def test_nss_and_java_ask_the_responder_that_a_certificate_names(
    responder: str, satellite: Any, tmp_path: Path
) -> None:
    used = test_ocsp.current(satellite)
    root, leaf = used.authority.root_pem, chains.split(used.chain_pem)[0]
    nss = Nss(tmp_path, root)
    nss.add("leaf", leaf)

    def ask_java() -> str:
        return validate_with_java(tmp_path, root, [leaf], asks_responder=True)

    def ask_nss() -> list[bool]:
        return [nss.accepts_with_ocsp("leaf", requires_response=given) for given in (False, True)]

    assert (ask_nss(), ask_java()) == ([True, False], readers.NO_RESPONSE), "not signed yet"
    test_ocsp.sign()
    assert (ask_nss(), ask_java()) == ([True, True], readers.GOOD)
    test_ocsp.revoke(satellite)
    test_ocsp.sign()
    assert (ask_nss(), ask_java()) == ([False, False], readers.REVOKED)


def test_nss_and_java_use_the_list_that_is_served(
    zone: Any, satellite: Any, tmp_path: Path
) -> None:
    pairs = {"good": zone.first, "revoked": satellite}
    leaves = {
        name: chains.split(test_ocsp.current(host).chain_pem)[0] for name, host in pairs.items()
    }
    root = Authority.objects.current().root_pem
    test_lists.revoke(satellite)
    test_lists.issue()
    crl = Client().get(f"/crl/{revocation.get_key_id(root)}.crl", secure=True).content
    nss = Nss(tmp_path, root)
    nss.add_crl(crl)
    for name, leaf in leaves.items():
        nss.add(name, leaf)
        code, text = nss.verify(name)
        assert (code != 0, "revoked" in text) == (name == "revoked", name == "revoked"), text
        expected = readers.REVOKED if name == "revoked" else readers.GOOD
        assert validate_with_java(tmp_path, root, [leaf], crl=crl) == expected
