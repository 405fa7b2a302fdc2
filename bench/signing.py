"""P-1 and P-2: cost of a stored server certificate beyond its cryptography.

The product signs batches of waiting CSRs (checked, linted by our rules, stored). The bare loop
parses, verifies, builds and signs the same CSRs and keeps nothing.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from ipaddress import ip_address
from statistics import median
from time import process_time
from typing import Any

from bench import zone as bench_zone
from bench.results import Row, tell


class Pieces:
    """The CPU time spent in selected functions, measured in a `with` block."""

    def __init__(self, *functions: tuple[Any, str]) -> None:
        self.seconds = 0.0
        self._functions = [(holder, name, getattr(holder, name)) for holder, name in functions]

    def __enter__(self) -> None:
        self.seconds = 0.0
        for holder, name, function in self._functions:
            setattr(holder, name, self._measured(function))

    def __exit__(self, *_: object) -> None:
        for holder, name, function in self._functions:
            setattr(holder, name, function)

    def _measured(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def measured(*args: Any, **kwargs: Any) -> Any:
            start = process_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds += process_time() - start

        return measured


def get_pieces() -> Pieces:
    """Return the functions that parse, verify, build, and sign."""
    from cryptography import x509

    from pki import names
    from pki.certificates import build, issuance
    from pki.formats import csr

    return Pieces(
        (csr, "_parse"),
        (csr, "_check_signature"),
        (names.Subject, "to_name"),
        (build, "build_alternative_names"),
        (issuance.Issuer, "_server"),
        (x509.CertificateBuilder, "sign"),
        (build, "to_pem"),
    )


def requests(count: int, first: int = 0) -> list[Any]:
    """Return pending certificates, each with its own key and CSR, without their rows."""
    from certificates.issuance.names import build_csr_parameters
    from certificates.models import FutureCertificate
    from devices.models import Device
    from pki import keys, names
    from pki.formats import csr

    made = []
    for number in range(first, first + count):
        name = f"ps-{number:05d}"
        fqdn = f"{name}.bench.example"
        address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        device = Device(
            name=name, role="primary", fqdn=fqdn, addresses=[address], state="registered"
        )
        parameters = build_csr_parameters(device, key_length=256, include_dns=False)
        wanted = names.Names((fqdn,), (address,))
        pem = csr.build_csr(keys.generate_key(256), names.Subject(fqdn), wanted)
        made.append(FutureCertificate(device=device, csr_pem=pem, csr_parameters=parameters))
    return made


def store(futures: list[Any], authority: Any) -> None:
    """Store the pending certificates as rows."""
    from certificates.models import FutureCertificate
    from devices.models import Device

    for future in futures:
        future.authority = authority
    Device.objects.bulk_create([future.device for future in futures])
    FutureCertificate.objects.bulk_create(futures)


def again(authority: Any) -> None:
    """Set all of them to pending again."""
    from certificates.models import FutureCertificate

    rows = FutureCertificate.objects.filter(authority=authority)
    rows.update(state="awaited", chain_pem="", digest="", not_after=None)


def sign_all(authority: Any, now: Any) -> int:
    """Sign all pending requests in batches, as the task does; return the number of batches."""
    from certificates.issuance import signing

    batches = 0
    while signing.sign_batch(authority, now=now):
        batches += 1
    return batches


def bare(pems: list[str], root_pem: str, key_pem: str, now: Any) -> Callable[[], None]:
    """Run the bare loop: parse, verify, build, and sign."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    issuer = x509.load_pem_x509_certificate(root_pem.encode())
    key: Any = serialization.load_pem_private_key(key_pem.encode(), None)
    public_key: Any = issuer.public_key()
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(public_key)
    sha256, start, end = hashes.SHA256(), now - timedelta(days=1), now + timedelta(days=364)

    def one(pem: str, number: int) -> None:
        request = x509.load_pem_x509_csr(pem.encode())
        assert request.is_signature_valid
        public = request.public_key()
        host = f"ps-{number:05d}.bench.example"
        address = ip_address(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
        names = [x509.DNSName(host), x509.IPAddress(address)]
        (
            x509.CertificateBuilder()
            .issuer_name(issuer.subject)
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)]))
            .public_key(public)
            .add_extension(x509.BasicConstraints(False, None), True)
            .add_extension(usage, True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
            .add_extension(x509.SubjectAlternativeName(names), False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
            .add_extension(identifier, False)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(end)
            .sign(key, sha256)
            .public_bytes(serialization.Encoding.PEM)
        )

    def loop() -> None:
        for number, pem in enumerate(pems):
            one(pem, number)

    return loop


def with_ca(length: int) -> Any:
    """Return an additional CA with a key of this length, encrypted for this server."""
    from django.utils import timezone

    from certificates.future_ca.building import build_internal_authority
    from certificates.models import Authority
    from devices.identity import zone_keys
    from pki import keys, names
    from pki.certificates import ca_certificates, issuance

    key_pem = keys.generate_key(length)
    root = ca_certificates.build_root(
        key_pem=key_pem,
        subject=names.Subject(f"Bench {length}"),
        validity=issuance.get_root_validity(timezone.now(), 10),
        serial=issuance.generate_serial(),
    )
    Authority.objects.filter(state="future").update(state="discarded")
    authority = build_internal_authority(
        root, key_pem, zone_keys.get_keyring().get_server(), state="future"
    )
    authority.save(force_insert=True)
    return authority, key_pem


def measure(length: int, futures: list[Any], rounds: int, pieces: Pieces) -> dict[str, float]:
    """Return the CPU milliseconds per certificate in the bare loop and in the product.

    `share` is that of the pieces within the product. They are measured in rounds of their own,
    because measuring takes its time, too.
    """
    from django.utils import timezone

    from certificates.models import FutureCertificate

    authority, key_pem = with_ca(length)
    FutureCertificate.objects.all().update(authority=authority)
    now = timezone.now()
    loop = bare([future.csr_pem for future in futures], authority.root_pem, key_pem, now)
    loops, products, shares = [], [], []
    for _ in range(rounds):
        loops.append(bench_zone.cpu(loop))
        again(authority)
        products.append(bench_zone.cpu(lambda: sign_all(authority, now)))
        again(authority)
        with pieces:
            whole = bench_zone.cpu(lambda: sign_all(authority, now))
        shares.append(pieces.seconds / whole)
    done = FutureCertificate.objects.filter(authority=authority, state="created").count()
    assert done == len(futures), f"{done} of {len(futures)} were signed"
    each = 1000 / len(futures)
    return {
        "certificates": float(len(futures)),
        "bare_loop_ms": median(loops) * each,
        "product_ms": median(products) * each,
        "share": median(shares),
    }


def main() -> None:
    """Measure P-1 and P-2."""
    home = bench_zone.enter()
    from certificates.models import FutureCertificate
    from tests.support import zone as support_zone

    support_zone.found(home / "ps-01")
    count = bench_zone.size("CERTIFICATES", 1000)
    futures = requests(count)
    authority, _ = with_ca(256)
    store(futures, authority)
    # As the worker does, so that collecting does not look through the whole program.
    gc.collect()
    gc.freeze()
    pieces = get_pieces()
    rows("P-1", "P-256", measure(256, futures, bench_zone.size("ROUNDS", 7), pieces), 0.70)
    few = futures[: bench_zone.size("RSA_CERTIFICATES", 500)]
    FutureCertificate.objects.exclude(pk__in=[future.pk for future in few]).delete()
    rows("P-2", "RSA-4096", measure(4096, few, bench_zone.size("ROUNDS", 3), pieces), 0.95)


def rows(name: str, ca: str, told: dict[str, float], least: float) -> None:
    """Report the share of each part, and the rate compared with the bare loop."""
    what = f"CSRs to stored certificates, {ca} CA: share of parse, verify, build, sign"
    tell(Row(name, what, told["share"], least, detail=told))
    rate = told["bare_loop_ms"] / told["product_ms"]
    tell(Row(name, f"CSRs to stored certificates, {ca} CA: rate / bare loop", rate, least))


if __name__ == "__main__":
    main()
