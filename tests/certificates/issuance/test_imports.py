"""Import certificates of an external CA in every encoding, and reject broken uploads (D-15).

Each broken upload has its own message and changes no data.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID
from django.utils import timezone

from audit.models import Entry
from certificates.issuance import imports
from certificates.models import FutureCertificate, Operation, Revocation
from certificates.operations.states import FutureState
from faults import Fault
from pki.chains import chains as chains_chain
from systemupdates.models import SystemUpdate
from tests.support import public_ca, walkthrough
from tests.support.public_ca import DAY, FORMS, YEAR, PublicCA
from tests.support.zone import TestZone
from wire import messages

PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER
FQDN, ADDRESS = "ps-01.test.example", "127.9.0.1"
CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH


@dataclass
class Case:
    """A server that needs a certificate, and the CA that issues it."""

    zone: TestZone
    ca: PublicCA
    operation: Operation
    key: Any

    @property
    def future(self) -> FutureCertificate:
        found = FutureCertificate.objects.select_related("device", "authority", "operation")
        return found.get(operation=self.operation, device__name="ps-01")

    @property
    def csr(self) -> str:
        return self.future.csr_pem

    def leaf(self, **bad: Any) -> str:
        return self.ca.sign(self.csr, **{"dns": [FQDN], "addresses": [ADDRESS], **bad})

    def file(self, **bad: Any) -> bytes:
        return "".join([self.leaf(**bad), *self.ca.chain]).encode()


CA = PublicCA()


@pytest.fixture
def case(zone: TestZone) -> Case:
    operation = walkthrough.to_external(CA)
    walkthrough.prepare(zone, operation)
    operation = walkthrough.step(operation)
    zone.first.refresh()
    zone.first.request_certificate(str(operation.update_id))
    key = serialization.load_pem_private_key(zone.first.key_pem.encode(), None)
    return Case(zone, CA, operation, key)


def usage(**kinds: bool) -> x509.KeyUsage:
    nothing = dict.fromkeys(
        (
            *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
            *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
        ),
        False,
    )
    return x509.KeyUsage(**{**nothing, **kinds})


def text(key: Any, form: Any = serialization.PrivateFormat.PKCS8) -> bytes:
    data: bytes = key.private_bytes(PEM, form, serialization.NoEncryption())
    return data


def under(case: Case, ca: PublicCA, **bad: Any) -> bytes:
    """Return a certificate for the server from another CA with its whole chain."""
    leaf = ca.sign(case.csr, **{"dns": [FQDN], "addresses": [ADDRESS], **bad})
    return "".join([leaf, *ca.chain, ca.root.pem]).encode()


def below(case: Case, **how: Any) -> bytes:
    """Return a certificate from a further CA that the good root has signed."""
    now, key = CA.now, public_ca.make_key(how.pop("key", "ec256"))
    dates: dict[str, Any] = {"begins": now - DAY, "ends": now + YEAR, **how.pop("dates", {})}
    built = public_ca._authority(
        public_ca.name_of("Department"),
        CA.root.certificate.subject,
        key,
        CA.root.key,
        **dates,
        **how.pop("ca", {}),
    )
    signer = public_ca.Signer(built, key)
    return "".join([case.leaf(by=signer, **how), signer.pem]).encode()


def orphan(case: Case) -> bytes:
    """Return a certificate of a further CA without that CA's own."""
    return chains_chain.split(below(case).decode())[0].encode()


def zero_length(case: Case) -> bytes:
    """Return a chain in which a CA that may have no CA below it has one."""
    now, upper, lower = CA.now, public_ca.make_key(), public_ca.make_key()
    dates: dict[str, Any] = {"begins": now - DAY, "ends": now + YEAR}
    name = public_ca.name_of
    one = public_ca._authority(
        name("Upper"), CA.root.certificate.subject, upper, CA.root.key, path_length=0, **dates
    )
    two = public_ca._authority(name("Lower"), one.subject, lower, upper, **dates)
    leaf = case.leaf(by=public_ca.Signer(two, lower))
    return "".join([leaf, public_ca.text(two), public_ca.text(one)]).encode()


def not_a_ca(case: Case) -> bytes:
    """Return a chain whose intermediate is a server's certificate."""
    key = public_ca.make_key()
    middle = CA.sign(public_ca.make_csr(key, "middle.example"))
    signer = public_ca.Signer(x509.load_pem_x509_certificate(middle.encode()), key)
    return "".join([case.leaf(by=signer), middle, *CA.chain]).encode()


def permitted(*names: str) -> x509.NameConstraints:
    return x509.NameConstraints([x509.DNSName(name) for name in names], None)


def crossed(case: Case) -> bytes:
    """Return a good chain with a certificate in it whose signature was changed."""
    good = case.leaf()
    der = bytearray(x509.load_pem_x509_certificate(good.encode()).public_bytes(DER))
    der[-1] ^= 1
    broken = x509.load_der_x509_certificate(bytes(der)).public_bytes(PEM).decode()
    return "".join([broken, *CA.chain]).encode()


def pfx(case: Case) -> bytes:
    leaf = x509.load_pem_x509_certificate(case.leaf().encode())
    quiet = serialization.BestAvailableEncryption(b"x")
    return pkcs12.serialize_key_and_certificates(b"x", case.key, leaf, None, quiet)


Make = Callable[[Case], bytes]
NOW = CA.now
# name: (how the upload is made, what the message says)
REFUSED: dict[str, tuple[Make, str]] = {
    # Not certificates at all
    "empty": (lambda _: b"", "is empty"),
    "blank": (lambda _: b" \r\n\t ", "is empty"),
    "binary": (lambda _: bytes(range(1, 256)) * 4, "No certificate was found"),
    "zeros": (lambda _: bytes(1000), "No certificate was found"),
    "sequence": (lambda _: b"\x30\x82\xff\xff" + b"A" * 100, "cannot be parsed|No certificate"),
    "indefinite": (lambda _: b"\x30\x80" * 500, "cannot be parsed|No certificate"),
    "huge": (lambda _: b"A" * (256 * 1024 + 1), "exceeds the 256 KiB limit"),
    "html": (lambda _: b"<!DOCTYPE html><html><body>404</body></html>", "web page"),
    "xml": (lambda _: b'<?xml version="1.0"?><a/>', "web page"),
    "json": (lambda _: b'{"error": "unauthorized"}', "JSON document"),
    "pdf": (lambda _: b"%PDF-1.7\n%...", "PDF document"),
    "elf": (lambda _: b"\x7fELF" + bytes(60), "is an executable program"),
    "exe": (lambda _: b"MZ" + bytes(60), "is an executable program"),
    "gzip": (lambda _: b"\x1f\x8b\x08" + bytes(60), "compressed archive"),
    "jks": (lambda _: b"\xfe\xed\xfe\xed" + bytes(60), "Java keystore"),
    "zip": (lambda c: public_ca.zipped({"a.pem": c.file()}), "zip archive"),
    "csr": (lambda c: c.csr.encode(), "certificate signing request"),
    "csr-der": (
        lambda c: x509.load_pem_x509_csr(c.csr.encode()).public_bytes(DER),
        "certificate signing request",
    ),
    "public-key": (
        lambda c: c.key.public_key().public_bytes(
            PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
        "It contains: PUBLIC KEY",
    ),
    "crl-label": (
        lambda _: b"-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n",
        "It contains: X509 CRL",
    ),
    "bad-base64": (
        lambda _: b"-----BEGIN CERTIFICATE-----\nA===\n-----END CERTIFICATE-----\n",
        "Base64 data cannot be decoded",
    ),
    "not-base64": (
        lambda _: b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
        "Base64 data cannot be decoded",
    ),
    "cut-pem": (lambda c: c.leaf().encode()[:400], "Only 0 of 1 PEM blocks"),
    "cut-der": (lambda c: c.ca.answer(c.csr, "der")[:300], "cannot be parsed"),
    "open-armour": (
        lambda c: c.leaf().replace("-----END CERTIFICATE-----", "").encode(),
        "Only 0 of 1 PEM blocks",
    ),
    "fifty-one": (
        lambda c: "".join(
            public_ca.PublicCA(f"Of {n}", depth=0).root.pem for n in range(51)
        ).encode(),
        "more than 50 certificates",
    ),
    # A private key in the file
    "key": (lambda c: text(c.key), "contains a private key"),
    "key-beside": (lambda c: c.file() + text(c.key), "contains a private key"),
    "key-first": (
        lambda c: text(c.key, serialization.PrivateFormat.TraditionalOpenSSL) + c.file(),
        "contains a private key",
    ),
    "key-der": (
        lambda c: c.key.private_bytes(
            DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        "contains a private key",
    ),
    "key-sealed": (
        lambda c: c.key.private_bytes(
            PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        ),
        "contains a private key",
    ),
    "pfx": (pfx, "PKCS #12"),
    # The wrong certificate
    "wrong-key": (lambda c: c.file(key=public_ca.make_key()), "key of the CSR"),
    "issuers-alone": (lambda c: "".join(c.ca.chain).encode(), "key of the CSR"),
    "root-alone": (lambda c: c.ca.root.pem.encode(), "There is no certificate|key of the CSR"),
    "wrong-host": (
        lambda c: c.file(dns=["other.test.example"], common_name="other.test.example"),
        f"does not cover {FQDN}",
    ),
    "no-san": (lambda c: c.file(dns=[], addresses=[]), "only in its common name"),
    "no-san-other": (
        lambda c: c.file(dns=[], addresses=[], common_name="other.example"),
        "does not cover",
    ),
    "address-only": (lambda c: c.file(dns=[]), "only in its common name"),
    "wildcard-deep": (lambda c: c.file(dns=["*.example"], common_name="any"), "does not cover"),
    "wildcard-all": (lambda c: c.file(dns=["*"], common_name="any"), "does not cover"),
    "wildcard-part": (
        lambda c: c.file(dns=["ps-*.test.example"], common_name="any"),
        "only for the complete first label",
    ),
    "client-only": (lambda c: c.file(purposes=[CLIENT]), "does not include serverAuth"),
    "no-signature": (
        lambda c: c.file(more=[(usage(key_agreement=True), True)]),
        "does not include digitalSignature",
    ),
    "is-ca": (lambda c: c.file(is_ca=True), "is a CA certificate, not a server certificate"),
    # Dates
    "expired": (
        lambda c: c.file(begins=NOW - YEAR, ends=NOW - DAY),
        "expired on",
    ),
    "ends-before-activation": (
        lambda c: c.file(ends=timezone.now() + timedelta(minutes=5)),
        "before the activation",
    ),
    "begins-after-activation": (
        lambda c: c.file(begins=NOW + DAY, ends=NOW + YEAR),
        "after the activation",
    ),
    "intermediate-expired": (
        lambda c: below(c, dates={"begins": NOW - YEAR, "ends": NOW - DAY}),
        '"CN=Department,O=Public CA" expired|Department.* expired',
    ),
    # Keys
    "rsa-1024": (lambda c: below(c, key="rsa1024"), "1024-bit RSA keys are not supported"),
    "p-224": (lambda c: below(c, key="ec224"), "secp224r1 are not supported"),
    "p-192": (lambda c: below(c, key="ec192"), "secp192r1 are not supported"),
    # Chains
    "issuer-missing": (orphan, "is missing"),
    "another-root": (lambda c: under(c, PublicCA("Rogue")), "is not the expected root"),
    "another-root-beside": (
        lambda c: c.file() + PublicCA("Rogue").root.pem.encode(),
        "is not the expected root",
    ),
    "old-zone-root": (
        lambda c: c.file() + c.operation.authority.root_pem.encode(),
        "is not the expected root",
    ),
    "same-names-other-keys": (
        lambda c: under(c, PublicCA()),
        "is not the expected root|is missing",
    ),
    "issuer-of-same-name": (
        lambda c: "".join([PublicCA().sign(c.csr, dns=[FQDN]), *c.ca.chain]).encode(),
        "is missing",
    ),
    "path-length": (zero_length, "path length"),
    "intermediate-is-no-ca": (not_a_ca, "is not a CA certificate"),
    "signature-broken": (crossed, "is missing"),
    "name-constraints": (
        lambda c: below(c, ca={"more": [(permitted("elsewhere.example"), True)]}),
        f"name constraints of .*Department.* do not allow {FQDN}",
    ),
    "unknown-critical": (
        lambda c: c.file(
            more=[
                (
                    x509.UnrecognizedExtension(
                        x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00"
                    ),
                    True,
                )
            ]
        ),
        "critical extension that devices do not support",
    ),
}


def test_there_are_enough_broken_uploads() -> None:
    assert len(REFUSED) >= 60


@pytest.mark.manual("R186")
@pytest.mark.parametrize("name", REFUSED)
def test_a_broken_upload_is_rejected(case: Case, name: str) -> None:
    make, message = REFUSED[name]
    data = make(case)
    before = FutureCertificate.objects.values().get(pk=case.future.pk)
    entries = Entry.objects.count()
    with pytest.raises(Fault, match=message) as caught:
        imports.import_file(case.future, data, now=timezone.now())
    assert "PRIVATE KEY" not in str(caught.value)
    assert FutureCertificate.objects.values().get(pk=case.future.pk) == before
    assert Entry.objects.count() == entries


@pytest.mark.manual("R186", "R209")
@pytest.mark.parametrize("form", FORMS)
def test_every_encoding_is_imported(case: Case, form: str) -> None:
    data = case.ca.answer(case.csr, form, dns=[FQDN], addresses=[ADDRESS])
    assert imports.import_file(case.future, data, now=timezone.now()) == []
    future = case.future
    assert future.state == FutureState.UPLOADED
    chain = chains_chain.split(future.chain_pem)
    assert len(chain) == 3, "server certificate, intermediate, cross-certificate"
    chains_chain.verify_chain(future.chain_pem, roots=[CA.root.pem], host=FQDN, now=timezone.now())


def test_a_known_intermediate_is_not_required_in_the_file(case: Case) -> None:
    data = case.ca.answer(case.csr, "der", dns=[FQDN], addresses=[ADDRESS])
    imports.import_file(case.future, data, now=timezone.now())
    assert case.future.state == FutureState.UPLOADED


@pytest.mark.manual("R008", "R186")
def test_a_certificate_of_another_intermediate_of_the_root_is_imported(case: Case) -> None:
    imports.import_file(case.future, below(case), now=timezone.now())
    assert case.future.state == FutureState.UPLOADED


@pytest.mark.manual("R009")
@pytest.mark.parametrize(
    ("bad", "warning"),
    [
        ({"dns": ["*.test.example"]}, "covered only by a wildcard"),
        ({"addresses": []}, "127.9.0.1"),
        ({"ends": NOW + 7 * DAY}, "expires soon"),
        ({"begins": NOW - timedelta(minutes=1)}, "less than 24 hours"),
    ],
    ids=["wildcard", "address", "soon", "slow-clocks"],
)
def test_problems_for_some_devices_are_warnings(
    case: Case, bad: dict[str, Any], warning: str
) -> None:
    warnings = imports.import_file(case.future, case.file(**bad), now=timezone.now())
    assert any(warning in text for text in warnings), warnings
    assert case.future.state == FutureState.UPLOADED


def test_a_certificate_without_extended_key_usage_is_imported(case: Case) -> None:
    with_none = case.file(purposes=None)
    try:
        imports.import_file(case.future, with_none, now=timezone.now())
    except Fault as fault:
        pytest.fail(str(fault))


def test_an_upload_can_be_repeated(case: Case) -> None:
    data = case.file()
    imports.import_file(case.future, data, now=timezone.now())
    imports.import_file(case.future, data, now=timezone.now())
    assert case.future.state == FutureState.UPLOADED


def test_a_later_upload_replaces_the_previous_one(case: Case) -> None:
    imports.import_file(case.future, case.file(), now=timezone.now())
    before = case.future.digest
    imports.import_file(case.future, case.file(), now=timezone.now())
    assert case.future.digest != before


def test_a_certificate_that_might_be_active_is_not_replaced(case: Case) -> None:
    imports.import_file(case.future, case.file(), now=timezone.now())
    case.zone.first.report(str(case.operation.update_id), messages.APPLIED)
    assert walkthrough.step(case.operation, minutes=9, seconds=45).state == "activating"
    with pytest.raises(Fault, match="already be activating its new certificate"):
        imports.import_file(case.future, case.file(), now=timezone.now())


def test_an_import_is_recorded_in_the_audit_log(case: Case) -> None:
    imports.import_file(case.future, case.file(), now=timezone.now())
    entry = Entry.objects.get(action="import")
    assert entry.detail["sha256"] == case.future.digest


# Several files in one upload, and zip files


@pytest.fixture
def several(case: Case) -> Case:
    """Three more servers that wait for a certificate of the same CA."""
    for number in (2, 3, 4):
        name, address = f"ps-0{number}", f"127.9.0.{number}"
        host = case.zone.join(name, messages.PRIMARY, address)
        walkthrough.step(case.operation)
        host.request_certificate(str(case.operation.update_id))
    return case


def futures(case: Case) -> list[FutureCertificate]:
    rows = case.operation.futures.select_related("device", "authority", "operation")
    return list(rows.order_by("device__name"))


def files(case: Case, form: str = "pem") -> dict[str, bytes]:
    return {
        f"{number}.cer": CA.answer(
            future.csr_pem, form, dns=[future.device.fqdn], addresses=future.device.addresses
        )
        for number, future in enumerate(futures(case))
    }


def import_many(case: Case, *given: tuple[str, bytes]) -> imports.ImportResult:
    return imports.import_files(futures(case), list(given), now=timezone.now())


@pytest.mark.parametrize("form", ["pem", "der", "p7b", "crlf"])
def test_certificates_in_a_zip_are_matched_by_key(several: Case, form: str) -> None:
    result = import_many(several, ("all.zip", public_ca.zipped(files(several, form))))
    assert sorted(result.done) == ["ps-01", "ps-02", "ps-03", "ps-04"]
    assert result.refused == {}
    assert {future.state for future in futures(several)} == {FutureState.UPLOADED}


def test_the_issuer_can_be_in_a_separate_file(several: Case) -> None:
    given = {**files(several, "der"), "issuing.crt": CA.chain[0].encode()}
    result = import_many(several, *given.items())
    assert len(result.done) == 4
    assert result.refused == {}


def test_a_bad_file_does_not_prevent_the_others(several: Case) -> None:
    given = files(several)
    given["1.cer"] = b"<html>"
    given["extra.pem"] = CA.sign(public_ca.make_csr(public_ca.make_key(), "else.example")).encode()
    result = import_many(several, ("all.zip", public_ca.zipped(given)))
    assert sorted(result.done) == ["ps-01", "ps-03", "ps-04"]
    assert "web page" in result.refused["1.cer"]
    assert "does not match the CSR of any selected server" in result.refused["extra.pem"]


def test_the_error_of_a_certificate_names_its_server(several: Case) -> None:
    given = files(several)
    future = futures(several)[2]
    given["2.cer"] = CA.answer(future.csr_pem, dns=["wrong.example"], common_name="wrong")
    result = import_many(several, *given.items())
    assert result.refused["2.cer"].startswith("ps-03: The certificate does not cover")
    assert len(result.done) == 3


def test_one_file_with_all_certificates_is_imported(several: Case) -> None:
    whole = b"".join(files(several).values())
    result = import_many(several, ("all.pem", whole))
    assert sorted(result.done) == ["ps-01", "ps-02", "ps-03", "ps-04"]


def bomb() -> bytes:
    return public_ca.zipped({"a.pem": bytes(5 << 20)})


def liar() -> bytes:
    """Return a zip whose member is larger than it says."""
    data = public_ca.zipped({"a.pem": bytes(1 << 20)})
    size = (1 << 20).to_bytes(4, "little")
    return data.replace(size, (1000).to_bytes(4, "little"))


def nested(case: Case) -> bytes:
    return public_ca.zipped({"inner.zip": public_ca.zipped({"a.pem": case.file()})})


def encrypted() -> bytes:
    """Return a zip that says its member is encrypted."""
    data = bytearray(public_ca.zipped({"a.pem": b"x" * 100}))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def slipped(case: Case) -> bytes:
    return public_ca.zipped({"../../../tmp/evil.pem": case.file(), "/etc/evil.pem": b"x"})


def unknown_method() -> bytes:
    data = bytearray(public_ca.zipped({"a.pem": b"x" * 100}))
    data[8:10] = b"\x63\x00"
    start = data.index(b"PK\x01\x02")
    data[start + 10 : start + 12] = b"\x63\x00"
    return bytes(data)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _: bomb(), "larger than 256 KiB"),
        (lambda _: liar(), "is damaged|larger"),
        (lambda _: encrypted(), "is damaged|encrypted"),
        (lambda _: unknown_method(), "is damaged"),
        (lambda _: b"PK\x03\x04" + bytes(100), "is damaged"),
        (lambda c: public_ca.zipped({"a.pem": c.file()})[:-30], "is damaged"),
        (lambda _: public_ca.zipped({f"{n}.pem": b"" for n in range(1001)}), "too many files"),
        (lambda _: b"PK\x03\x04" + bytes(11 << 20), "exceeds the 10 MiB limit"),
    ],
    ids=["bomb", "liar", "encrypted", "method", "rubbish", "cut", "many", "large"],
)
def test_a_hostile_zip_is_rejected(case: Case, make: Make, message: str) -> None:
    with pytest.raises(Fault, match=message):
        import_many(case, ("all.zip", make(case)))
    assert case.future.state == FutureState.CSR_GENERATED


def test_a_zip_in_a_zip_is_not_opened(case: Case) -> None:
    result = import_many(case, ("all.zip", nested(case)))
    assert result.done == []
    assert "zip archive" in result.refused["inner.zip"]


def test_member_names_with_paths_are_not_extracted(case: Case) -> None:
    result = import_many(case, ("all.zip", slipped(case)))
    assert result.done == ["ps-01"]
    assert "/etc/evil.pem" in result.refused


def test_two_members_of_one_name_are_both_read(case: Case) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.pem", case.file())
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.pem", b"<html>")
    result = import_many(case, ("all.zip", buffer.getvalue()))
    assert result.done == ["ps-01"]
    assert len(result.refused) == 1


def test_files_of_one_name_from_two_zips_are_both_imported(several: Case) -> None:
    found = list(files(several).values())
    zips = [(f"{n}.zip", public_ca.zipped({"server.cer": data})) for n, data in enumerate(found)]
    assert len(import_many(several, *zips).done) == 4


def test_a_zip_with_too_much_content_is_rejected(case: Case) -> None:
    members = {f"{n}.pem": bytes(256 * 1024) for n in range(200)}
    with pytest.raises(Fault, match="exceed the size limit"):
        import_many(case, ("all.zip", public_ca.zipped(members)))


def test_an_import_into_a_completed_operation_is_rejected(case: Case) -> None:
    future, data = case.future, case.file()
    FutureCertificate.objects.transition(future, FutureState.DISCARDED)
    with pytest.raises(Fault):
        imports.import_file(case.future, data, now=timezone.now())


def test_the_content_of_an_update_does_not_contain_server_certificates(case: Case) -> None:
    imports.import_file(case.future, case.file(), now=timezone.now())
    names = {file["name"] for file in SystemUpdate.objects.get().files}
    assert names <= {"ca.cert", "new-with-old.pem", "old-with-new.pem"}


def test_a_revoked_certificate_is_not_imported(case: Case) -> None:
    data = case.file()
    imports.import_file(case.future, data, now=timezone.now())
    future = case.future
    assert future.authority is not None
    Revocation.objects.create(
        authority=future.authority,
        subject=FQDN,
        serial="1",
        digest=future.digest,
        signed_part="0" * 64,
        not_after=future.not_after,
        reason=Revocation.Reason.SUPERSEDED,
        revoked_at=timezone.now(),
    )
    with pytest.raises(Fault, match="has been revoked"):
        imports.import_file(future, data, now=timezone.now())
    imports.import_file(future, case.file(), now=timezone.now())
