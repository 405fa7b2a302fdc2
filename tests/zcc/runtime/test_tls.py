"""The console's TLS is Mozilla's intermediate configuration, as a client sees it.

Asked with openssl, protocol by protocol, suite by suite, group by group.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.places import loopback_network
from tests.pki import factories
from tests.zcc.runtime.test_listener import Web, running, until
from zcc.runtime.components import BASE_DIR

# Mozilla Server Side TLS 5.7, intermediate.
SUITES = {
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
}
SUITES_13 = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
# What the private CA of a zone cannot have: a path to a public root.
OF_THE_CA = "certificate path validation failed"
LEAST = "@SECLEVEL=0"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """The web server of a host, as it runs in production."""
    with loopback_network() as base:
        found = Web(tmp_path_factory.mktemp("web"), f"{base}.11")
        shown = found.security.make("gen-1")
        found.security.use("gen-1")
        with running(found):
            until(lambda: found.shows(shown))
            yield found


def asks(web: Web, *options: str) -> str:
    """Return what openssl tells of a handshake; "" where there was none."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"{web.address}:{web.port}", *options],
        input=b"",
        capture_output=True,
        timeout=20,
        check=False,
    )
    said = (done.stdout + done.stderr).decode(errors="replace")
    agreed = re.search(r"Cipher is (\S+)|New, .*Cipher is (\S+)", said)
    return "" if agreed is None or "(NONE)" in agreed[0] else said


def offered(kind: str) -> list[str]:
    """Return every suite that this openssl can offer."""
    names = f"ALL:eNULL:{LEAST}"
    told = subprocess.run(
        ["openssl", "ciphers", "-s", kind, names], capture_output=True, check=True, text=True
    )
    return told.stdout.strip().split(":")


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_an_old_protocol_is_refused(web: Web, version: str) -> None:
    assert asks(web, version, "-cipher", f"ALL:{LEAST}") == ""


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_current_protocol_is_spoken(web: Web, version: str) -> None:
    assert asks(web, version)


def test_http_2_is_not_negotiated(web: Web) -> None:
    """One connection of HTTP/2 could contain many requests."""
    for offer in ("h2", "h2,http/1.1"):
        assert "ALPN protocol: h2" not in asks(web, "-alpn", offer)
    assert "ALPN protocol: http/1.1" in asks(web, "-alpn", "h2,http/1.1")


def test_only_suites_of_today_are_taken(web: Web) -> None:
    every = [suite for suite in offered("-tls1_2") if not suite.startswith("TLS_")]
    assert len(every) > 40, "this openssl offers too little to prove anything"
    taken = {suite for suite in every if asks(web, "-tls1_2", "-cipher", f"{suite}:{LEAST}")}
    assert taken
    assert taken <= SUITES
    taken = {suite for suite in SUITES_13 if asks(web, "-tls1_3", "-ciphersuites", suite)}
    assert taken == SUITES_13
    for suite in ("TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256"):
        assert asks(web, "-tls1_3", "-ciphersuites", suite) == ""


def test_only_groups_of_today_are_taken(web: Web) -> None:
    for group in ("X25519", "P-256", "P-384"):
        assert asks(web, "-groups", group), group
    for group in ("X448", "P-521", "P-224", "brainpoolP256r1", "ffdhe2048"):
        for version in ("-tls1_2", "-tls1_3"):
            assert asks(web, version, "-groups", group) == "", (group, version)


def test_nothing_is_compressed_or_renegotiated(web: Web) -> None:
    said = asks(web, "-tls1_2")
    assert "Compression: NONE" in said
    assert "Secure Renegotiation IS supported" in said


@pytest.mark.scenario
@pytest.mark.long
def test_a_scanner_finds_nothing_but_the_private_ca(web: Web, tmp_path: Path) -> None:
    """sslyze pins a version of cryptography: it runs in an environment of its own."""
    issued = factories.family()
    web.security.write("gen-2", f"{issued.leaf_key}{issued.leaf}{issued.middle}".encode())
    web.security.use("gen-2")
    until(lambda: web.says("gen-2/server.pem"))
    told = tmp_path / "told.json"
    run = [BASE_DIR / "scripts" / "uv", "tool", "run", "sslyze", "--quiet"]
    scan = ["--mozilla_config", "intermediate", "--json_out", told, f"{web.address}:{web.port}"]
    line = [str(word) for word in (*run, *scan)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=500, check=False)
    found = json.loads(told.read_text())["server_scan_results"][0]
    assert found["scan_status"] == "COMPLETED", done.stderr
    results = found["scan_result"]
    for name in ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"):
        assert results[f"{name}_cipher_suites"]["result"]["accepted_cipher_suites"] == [], name
    for name in ("heartbleed", "robot", "tls_compression", "openssl_ccs_injection"):
        assert results[name]["status"] == "COMPLETED", name
    complaints = [
        line.strip(" *")
        for line in done.stdout.splitlines()
        if line.strip().startswith("* ") and "COMPLIANT" not in line
    ]
    others = [line for line in complaints if OF_THE_CA not in line.lower()]
    assert others == [], done.stdout
