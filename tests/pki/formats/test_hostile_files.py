"""No file harms the reader: certificates or BadBundle, nothing else (docs/decisions.md D-14)."""

from __future__ import annotations

import base64
import contextlib
import random
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import cryptography_vectors
import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from pki import keys
from pki.certificates import details, lint
from pki.chains import chains, server
from pki.chains.loaded import Loaded
from pki.errors import BadBundle, BadChain, PkiFault
from pki.formats import csr
from pki.formats.bundles import parse_certificates, to_der
from tests.pki import factories
from tests.pki.formats.test_bundles import FORMS, KEYS, OTHERS, P7_FORMS

# Reading a file takes at most so many times a loop with one step for each byte of SIZE. The slowest
# file takes 23. With quadratic time, it takes more than 10,000.
LOOPS_AT_MOST = 200
VECTORS = Path(cryptography_vectors.__file__).parent
FOLDERS = ("x509", "pkcs7", "pkcs12", "asymmetric/PKCS8")
SUFFIXES = {".pem", ".der", ".crt", ".cer", ".p7b", ".p12", ".p7c", ".crl", ".csr", ".key"}


def corpus() -> Iterator[bytes]:
    for folder in FOLDERS:
        for path in sorted((VECTORS / folder).rglob("*")):
            if path.suffix in SUFFIXES and path.is_file():
                yield path.read_bytes()


@lru_cache(maxsize=1)
def measure_loop() -> float:
    """Return the CPU time of a loop with SIZE steps in this thread."""

    def loop() -> float:
        began, total = time.thread_time(), 0
        for number in range(SIZE):
            total += number & 7
        return time.thread_time() - began

    return min(loop() for _ in range(5))


EXPECTED = server.Requirements(
    names=factories.NAMES, fqdn=factories.FQDN, now=factories.NOW, active_at=factories.NOW
)


def survive(data: bytes) -> int:
    """Read a file and everything in it as the product does; return how many certificates."""
    began = time.thread_time()
    try:
        found = parse_certificates(data)
    except BadBundle:
        found = []
    assert time.thread_time() - began < LOOPS_AT_MOST * measure_loop()
    if not found:
        return 0
    for pem in found:
        shown = details.get_details(pem)
        assert all(text.isprintable() for text in (shown.subject, shown.issuer, *shown.dns_names))
        with contextlib.suppress(PkiFault):
            keys.is_same_key(factories.key(), pem)
        lint.lint_certificate(pem, kind="server", issuer_pem=pem)
        with contextlib.suppress(PkiFault):
            server.check_server((Loaded.parse(pem),), Loaded.parse(pem), EXPECTED)
    with contextlib.suppress(PkiFault):
        chains.split_root(found)
    with contextlib.suppress(PkiFault):
        chains.build_chain(
            found, root_pem=factories.ca().pem, public_key=keys.get_public_key(factories.key())
        )
    return len(found)


def test_the_corpus_of_the_library_is_survived() -> None:
    read = [survive(data) for data in corpus()]
    assert len(read) > 1_000
    assert sum(read) > 500


SEEDS = [
    *FORMS.values(),
    *P7_FORMS.values(),
    *KEYS.values(),
    *(data for data, _ in OTHERS.values() if len(data) < 10_000),
]


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(SEEDS), st.randoms(use_true_random=False))
def test_mutated_files_are_survived(seed: bytes, chance: random.Random) -> None:
    survive(mutated(seed, chance))


@settings(max_examples=300, deadline=None)
@given(st.randoms(use_true_random=False))
def test_mutated_certificates_are_survived(chance: random.Random) -> None:
    survive(mutated(to_der(factories.family().leaf), chance))


@given(st.binary(max_size=400))
def test_any_octets_are_survived(data: bytes) -> None:
    survive(data)
    survive(b"0" + data)
    survive(base64.b64encode(data))
    with contextlib.suppress(PkiFault):
        csr.parse_csr(data)
    with contextlib.suppress(PkiFault):
        keys.parse_key(data)


SIZE = 256 * 1024
PADDED = factories.family().leaf.encode()
GREEDY = {
    "zeros": b"\0" * SIZE,
    "begin lines": b"-----BEGIN CERTIFICATE-----" * (SIZE // 27),
    "empty blocks": b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n" * (SIZE // 54),
    "dashes": b"-----BEGIN " + b"-" * (SIZE - 11),
    "label": b"-----BEGIN " + b"A " * (SIZE // 2 - 6),
    "certificates": PADDED * (SIZE // len(PADDED)),
    "sequences": b"\x30\x80" * (SIZE // 2),
    "nested": b"\x30\x83\x03\xff\xf0" * (SIZE // 5),
    "empty sequences": b"\x30\x00" * (SIZE // 2),
    "sets": b"\x30\x83\x03\xff\xfb" + b"\x31\x00" * ((SIZE - 5) // 2),
    "base64": b"A" * SIZE,
    "base64 and not": b"A" * (SIZE - 1) + b"!",
    "spaces": b" " * (SIZE - 1) + b"x",
    "less than": b"<" * SIZE,
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", GREEDY)
def test_a_malicious_file_is_read_within_the_limits(kind: str) -> None:
    assert len(GREEDY[kind]) <= SIZE
    survive(GREEDY[kind])


@pytest.mark.timeout(30)
def test_certificates_that_sign_each_other_do_not_slow_down_path_building() -> None:
    """Without care this takes as long as there are ways through 50 certificates."""
    here, there = factories.private(factories.key()), factories.private(factories.key(256, 1))
    maze = [
        factories.certificate(*ends, factories.ca_extensions(ends[1], ends[3]))
        for ends in [("A", here, "B", there), ("B", there, "A", here)] * 25
    ]
    spki = keys.get_public_key(factories.key())
    with pytest.raises(BadChain, match="is missing"):
        chains.build_chain(maze, root_pem=factories.ca().pem, public_key=spki)
    with pytest.raises(BadChain, match="is missing"):
        chains.split_root(maze)
    with pytest.raises(BadChain, match="is missing"):
        chains.split_root([*maze[:49], factories.ca().pem])


@pytest.mark.timeout(30)
def test_a_long_chain_that_devices_reject_does_not_slow_down_the_upload() -> None:
    """Each of 49 intermediates is rejected because of the first one."""
    own = [factories.private(factories.key(256, number)) for number in range(50)]
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\5\0")
    certs = []
    for number, key in enumerate(own):
        above = max(0, number - 1)
        extensions = factories.ca_extensions(key, own[above])
        extensions += [(unknown, True)] if number == 1 else []
        certs.append(
            factories.certificate(f"CA {number}", key, f"CA {above}", own[above], extensions)
        )
    with pytest.raises(BadChain, match=r'"CN=CA 1" \(certificate 2, .* critical extension'):
        chains.split_root(certs)
    assert len(chains.split_root([certs[0]])[1]) == 0


def mutated(seed: bytes, chance: random.Random) -> bytes:
    data = bytearray(seed)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(data) + 1)
        what = chance.randrange(5)
        if what == 0 and at < len(data):
            data[at] ^= 1 << chance.randrange(8)
        elif what == 1 and at < len(data):
            data[at] = chance.choice((0, 0x7F, 0x80, 0xFF, 0x30, 0x31, 0xA0))
        elif what == 2:
            del data[at : at + chance.randint(1, 40)]
        elif what == 3:
            data[at:at] = data[: chance.randint(1, 40)]
        else:
            data[at:at] = bytes(chance.randrange(256) for _ in range(chance.randint(1, 4)))
    return bytes(data)
