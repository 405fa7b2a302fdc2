"""Real EST clients over TLS: strongSwan, and curl with OpenSSL as in the documentation."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from django.utils import timezone

from certificates.acme.account_keys import keys
from certificates.models import AcmeCertificate, Authority
from pki.certificates import details
from pki.chains import chains
from pki.formats import bundles
from tests.certificates.est.conftest import KEY, build
from tests.pki import linters
from tests.support import code_blocks
from zcc.runtime.components import BASE_DIR

NAME = "web.example.com"
DOCUMENT = BASE_DIR / "docs" / "operations.md"


@pytest.fixture
def console(live_server: Any, zone: Any, monkeypatch: Any, tmp_path: Path) -> Iterator[str]:
    """Serve the console with TLS. Tasks run at once. `root.pem` verifies the server."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "root.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    url = live_server.url.replace("http://", "https://")
    authority.issue_cert(url.removeprefix("https://").split(":")[0]).configure_cert(context)
    monkeypatch.setattr(
        "certificates.tasks.publisher.enqueue", lambda task, *args, **_options: task(*args)
    )
    # Granian sends head and body at once, and strongSwan requires it.
    monkeypatch.setattr("django.core.servers.basehttp.WSGIRequestHandler.wbufsize", 65_536)
    server = live_server.thread.httpd
    server.socket = context.wrap_socket(server.socket, server_side=True)
    yield url
    server.socket = socket.socket(fileno=server.socket.detach())


@pytest.fixture
def account_key(zone: Any) -> keys.NewKey:
    return keys.create(
        "hosts", ["*.example.com"], expires_at=None, allows_est=True, now=timezone.now()
    )


def run(folder: Path, *words: str, shell: bool = False) -> bytes:
    """Run a command in a folder, and return its output."""
    environment = {**os.environ, "NO_PROXY": "*", "no_proxy": "*"}
    done = subprocess.run(
        words[0] if shell else words,
        shell=shell,
        cwd=folder,
        env=environment,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode() + done.stdout.decode()
    return done.stdout


@pytest.mark.django_db(transaction=True)
def test_strongswan_enrolls_renews_and_reads_the_ca_certificates(
    console: str, account_key: keys.NewKey, tmp_path: Path
) -> None:
    root = Authority.objects.current().root_pem
    (tmp_path / "zone.pem").write_text(root)
    (tmp_path / "web.csr").write_bytes(bundles.to_der(build(NAME)))
    user = f"{account_key.row.key_id}:{account_key.hmac_key}"
    trust = ["--url", console, "--cacert", "root.pem", "--cacert", "zone.pem", "--outform", "pem"]
    command = ["pki", "--est", *trust, "--userpass", user, "--in", "web.csr"]
    first = run(tmp_path, *command).decode()
    assert chains.verify_chain(first, roots=[root], host=NAME, now=timezone.now())
    assert linters.pkilint(first) == []
    assert AcmeCertificate.objects.get().fetched_at is not None
    (tmp_path / "web.pem").write_text(first)
    (tmp_path / "web.key").write_text(KEY)
    second = run(tmp_path, *command, "--cert", "web.pem", "--key", "web.key").decode()
    assert second != first
    assert (
        AcmeCertificate.objects.get(replaced_at=None).digest == details.get_details(second).digest
    )
    found = run(tmp_path, "pki", "--estca", *trust[:4], "--outform", "pem").decode()
    assert chains.split(found) == [root]


@pytest.mark.django_db(transaction=True)
def test_curl_and_openssl_get_a_certificate_as_documented(
    console: str, account_key: keys.NewKey, tmp_path: Path
) -> None:
    commands = code_blocks.get(DOCUMENT, "EST clients").commands
    commands = commands.replace("https://ps-01.example.com:8443", console)
    user = f"{account_key.row.key_id}:{account_key.hmac_key}"
    commands = commands.replace("KEY-ID:HMAC-KEY", user)
    run(tmp_path, f"set -e\n{commands}", shell=True)
    root = Authority.objects.current().root_pem
    first = (tmp_path / "web.pem").read_text()
    assert chains.verify_chain(first, roots=[root], host=NAME, now=timezone.now())
    assert chains.split((tmp_path / "ca.pem").read_text()) == [root]
    run(tmp_path, f"set -e\n{commands.replace('simpleenroll', 'simplereenroll', 1)}", shell=True)
    assert (tmp_path / "web.pem").read_text() != first
    assert AcmeCertificate.objects.filter(replaced_at=None).count() == 1
