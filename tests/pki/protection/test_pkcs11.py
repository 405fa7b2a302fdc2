"""CA keys inside a PKCS#11 token sign and never leave it (B-27, F-34); SoftHSM stands in."""

from datetime import UTC, datetime

import pytest
from pkcs11 import Attribute, exceptions

from pki import keys, names
from pki.certificates import build, ca_certificates, details, issuance, lint, loading
from pki.formats import csr
from pki.protection import pkcs11
from tests.pki import linters
from tests.pki.softhsm import SoftHSM, library

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def hsm(tmp_path):
    made = SoftHSM(tmp_path)
    made.token().close_sessions()
    yield made
    made.token().close_sessions()
    pkcs11._rejected_pins.clear()


@pytest.mark.parametrize("length", [256, 384, 2048])
def test_root_server_certificate_and_bridge_are_made_with_a_key_that_stays_inside(hsm, length):
    key = hsm.token().make_key(length, "one")
    root = ca_certificates.build_root(
        key_pem=key,
        subject=names.Subject("Token CA"),
        validity=issuance.get_root_validity(NOW, 10),
        serial=issuance.generate_serial(),
    )
    again = hsm.token().key("one")
    issuer = issuance.Issuer.open(root, again, NOW)
    own = keys.generate_key(256)
    request = csr.build_csr(own, names.Subject("s.example"), names.Names(("s.example",), ()))
    leaf = issuer.issue(
        issuer.prepare(
            public_key=csr.parse_csr(request),
            subject=names.Subject("s.example"),
            names=names.Names(("s.example",), ()),
            validity=issuance.get_server_validity(NOW, 365, root),
            serial=issuance.generate_serial(),
        )
    )
    assert lint.lint_certificate(leaf, kind="server", issuer_pem=root) == []
    assert linters.library_accepts(roots=[root], chain=[leaf], host="s.example", at=NOW)
    bridge = ca_certificates.build_cross_certificate(
        issuer_pem=root,
        issuer_key_pem=again,
        subject_pem=root,
        serial=issuance.generate_serial(),
        now=NOW,
    )
    assert lint.lint_certificate(bridge, kind="cross-certificate", issuer_pem=root) == []
    assert details.get_details(root).key_length == length


def test_the_key_cannot_be_read_in_any_way(hsm):
    key = hsm.token().make_key(256, "one")
    for read in (key.private_bytes, key.private_numbers):
        with pytest.raises(pkcs11.KeyNotExportable):
            read()
    with pytest.raises(exceptions.AttributeSensitive):
        _ = key._private[Attribute.VALUE]
    raw = b"".join(path.read_bytes() for path in hsm.tokens.rglob("*") if path.is_file())
    assert b"BEGIN" not in raw
    assert build.get_hash(key).name == "sha256"
    assert loading.is_key_usable(key)


def test_the_pin_is_not_shown(hsm):
    assert hsm.token().pin not in repr(hsm.token())


def test_a_wrong_pin_is_tried_once_and_told_with_what_to_do(hsm, monkeypatch):
    hsm.token().make_key(256, "one")
    wrong = hsm.token(pin="00000000")
    with pytest.raises(pkcs11.PinRejected, match="rejected the PIN") as first:
        wrong.key("one")
    assert "ZCC_PKCS11_PIN_FILE" in first.value.action
    monkeypatch.setattr(pkcs11, "_load_library", lambda _module: pytest.fail("it was tried again"))
    with pytest.raises(pkcs11.PinRejected):
        wrong.key("one")


def test_a_token_that_was_taken_out_is_told_and_found_again_when_it_is_back(hsm):
    held = hsm.token().make_key(256, "one")
    hsm.take_out()
    with pytest.raises(pkcs11.TokenFault):
        loading.is_key_usable(held)
    with pytest.raises(pkcs11.TokenFault, match="The token zcc is not connected"):
        hsm.token().key("one")
    hsm.put_back()
    assert loading.is_key_usable(hsm.token().key("one"))


def test_each_other_trouble_has_its_own_words(hsm):
    with pytest.raises(pkcs11.TokenFault, match="does not contain the CA key"):
        hsm.token().key("another")
    with pytest.raises(pkcs11.TokenFault, match="The token other is not connected"):
        hsm.token(label="other").key("one")
    with pytest.raises(pkcs11.TokenFault, match="cannot be loaded") as fault:
        pkcs11.Token("/nowhere.so", "zcc", "1").key("one")
    assert "ZCC_PKCS11_MODULE" in fault.value.action
    assert library()
