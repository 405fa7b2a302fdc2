"""The proxy configurations in deploy/proxy, run by the real programs in front of a real zone.

See: D-199
"""

from __future__ import annotations

import http.client
import os
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

import pytest
import trustme
from cryptography import x509

from pki.certificates.revocation import get_key_id
from pki.chains import chains
from tests.harness.visitor import Visitor
from tests.harness.zone import until
from tests.scenarios.running_zone import RunningZone
from zcc.runtime import processes
from zcc.runtime.components import BASE_DIR

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
EXAMPLES = BASE_DIR / "deploy" / "proxy"
CLIENT, SPOOFED = "127.0.0.77", "203.0.113.9"
LAST_FAILURE = """
from audit.models import Entry
print(Entry.objects.filter(action="login-failed").latest("seq").address)
"""
NGINX = """
{module}
daemon off; user root; pid {folder}/nginx.pid; error_log stderr;
events {{}}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    include {folder}/nginx-browsers.conf;
    include {folder}/nginx-pki.conf;
}}
include {folder}/nginx-agents.conf;
"""
MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")


def find_program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None or (name == "nginx" and not MODULE.exists()) or os.geteuid() != 0:
        pytest.skip(f"{name} or root is missing. NOT TESTED: deploy/proxy with {name}.")
    return found


@contextmanager
def program(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    parent = partial(processes.end_with_parent, os.getpid())
    child = subprocess.Popen(command, preexec_fn=parent)  # noqa: PLW1509 - short
    try:
        yield child
    finally:
        child.terminate()
        child.wait(20)


class Proxies:
    """The shipped files with the addresses of a zone, and a certificate that the zone lacks."""

    def __init__(self, zone: RunningZone, folder: Path) -> None:
        self.folder, self.servers = folder, zone.hosts("primary")
        self.zone_ca = self.servers[0].home / "security" / "current" / "ca.pem"
        authority = trustme.CA()
        self.public_ca = folder / "public-ca.pem"
        authority.cert_pem.write_to_path(str(self.public_ca))
        self._authority = authority

    def write(self, name: str, address: str) -> Path:
        """Write a shipped file with this address of the proxy."""
        pem = self._authority.issue_cert(address).private_key_and_cert_chain_pem
        pem.write_to_path(str(self.folder / "console.pem"))
        text = (EXAMPLES / name).read_text()
        for server in self.servers:
            example = f"{server.name}.example.com"
            text = text.replace(f"{example}:8443", f"{server.address}:{server.port}")
            text = text.replace(example, server.fqdn)
        for program_folder in ("/etc/haproxy", "/etc/nginx"):
            text = text.replace(f"{program_folder}/zone-ca.pem", str(self.zone_ca))
            text = text.replace(f"{program_folder}/console.pem", str(self.folder / "console.pem"))
        text = re.sub(r"(bind|listen) :?(80|443|8443)\b", rf"\1 {address}:\2", text)
        assert set(re.findall(r"[\w-]+\.example\.com", text)) <= {
            "console.example.com",
            "pki.example.com",
        }
        target = self.folder / name
        target.write_text(text)
        return target


@pytest.fixture
def zone(start_zone: Callable[..., RunningZone]) -> RunningZone:
    return start_zone(
        devices=0,
        satellites=0,
        environment={"ZCC_BEHIND_PROXY": "true", "ZCC_TRUSTED_PROXIES": "127.0.0.1/32"},
    )


def accepts(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=2).close()
    except OSError:
        return False
    return True


def shows_the_zone(address: str, zone: RunningZone, zone_ca: Path) -> bool:
    """Return True if a client that trusts the zone only reaches a server through a proxy."""
    context = ssl.create_default_context(cafile=str(zone_ca))
    names = {host.fqdn for host in zone.hosts("primary")}
    context.check_hostname = False
    with (
        socket.create_connection((address, 8443), timeout=10) as plain,
        context.wrap_socket(plain) as line,
    ):
        shown = {entry[1] for entry in line.getpeercert()["subjectAltName"]}
        line.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
        return bool(names & shown) and line.recv(4096).split()[1] == b"200"


def fail_to_log_in(zone: RunningZone, visitor: Visitor) -> str:
    """Log in with a wrong password and a header of the client; returns the address recorded."""
    page = visitor.get("/login/")
    assert page.status == 200, page.text[:500]
    fields = {**page.form().fields, "username": "admin", "password": "wrong password"}
    visitor.post("/login/", fields, **{"X-Forwarded-For": SPOOFED})
    return zone.run(LAST_FAILURE).split()[-1]


def states(stats: Path) -> dict[str, str]:
    """Return the state of each server of HAProxy."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(stats))
        line.sendall(b"show stat\n")
        said = b""
        while part := line.recv(65536):
            said += part
    rows = [row.split(",") for row in said.decode().splitlines() if row.count(",") > 20]
    return {f"{row[0]}/{row[1]}": row[17] for row in rows if row[1].startswith("ps-")}


def browser(url: str, proxies: Proxies) -> Visitor:
    """Return a browser that connects from an address that is not the one of the proxy."""
    return Visitor(url, proxies.public_ca, source=CLIENT)


def get_without_tls(address: str, path: str) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection(address, 80, timeout=10)) as line:
        line.request("GET", path)
        response = line.getresponse()
        return response.status, response.read()


def is_good_by_ocsp(address: str, root: Path, leaf: Path) -> bool:
    """Return True if OpenSSL gets a valid response for a certificate over HTTP."""
    url = f"http://{address}/ocsp"
    files = ["-issuer", str(root), "-CAfile", str(root), "-cert", str(leaf)]
    found = subprocess.run(
        ["openssl", "ocsp", *files, "-url", url], capture_output=True, text=True, check=False
    )
    return f"{leaf}: good" in found.stdout and "Response verify OK" in found.stderr


def check_http(proxies: Proxies, address: str) -> None:
    """Check that CRLs and OCSP responses are available without TLS, and nothing else."""
    root, leaf = proxies.zone_ca, proxies.folder / "leaf.pem"
    chain = (root.parent / "server.pem").read_text()
    leaf.write_text(chains.split(chain)[0])
    until(lambda: is_good_by_ocsp(address, root, leaf), "the certificate is good by OCSP", 60)
    status, body = get_without_tls(address, f"/crl/{get_key_id(root.read_text())}.crl")
    assert status == 200
    assert x509.load_der_x509_crl(body).next_update_utc is not None
    for path in (
        "/",
        "/login/",
        "/api/v1/",
        "/zac/v1/refresh",
        "/ocsp/../login/",
        "/crl/%2e%2e/login/",
    ):
        status, body = get_without_tls(address, path)
        # A path that begins with /ocsp/ gets an OCSP error.
        assert status == 404 or path.startswith("/ocsp/"), path
        assert b"<html" not in body or status == 404, path


def check(zone: RunningZone, proxies: Proxies, address: str) -> None:
    """Check what both programs must do."""
    until(lambda: accepts(address, 443) and accepts(address, 8443), "the proxy listens", 20)
    visitor = browser(f"https://{address}:443", proxies)
    visitor.log_in(zone.access["username"], zone.access["password"])
    assert visitor.get("/").status == 200
    assert fail_to_log_in(zone, browser(visitor.origin, proxies)) == CLIENT
    assert shows_the_zone(address, zone, proxies.zone_ca)
    check_http(proxies, address)


def test_haproxy_terminates_for_browsers_passes_agents_through_and_checks(
    zone: RunningZone, tmp_path: Path
) -> None:
    haproxy, address = find_program("haproxy"), f"{zone.plan.base}.201"
    proxies = Proxies(zone, tmp_path)
    config, stats = proxies.write("haproxy.cfg", address), tmp_path / "stats"
    config.write_text(
        config.read_text().replace("\nglobal\n", f"\nglobal\n    stats socket {stats}\n")
    )
    with program(haproxy, "-db", "-f", str(config)):
        check(zone, proxies, address)
        until(lambda: set(states(stats).values()) == {"UP"}, "every server is up", 30)
        assert len(states(stats)) == 4
        zone.take_down("ps-02.web")
        until(lambda: sees_failure(stats), "the checks see a stopped server", 60)
        visitor = browser(f"https://{address}:443", proxies)
        assert visitor.get("/livez").status == 200


def sees_failure(stats: Path) -> bool:
    found = states(stats)
    return {name.partition("/")[2] for name, state in found.items() if state == "DOWN"} == {"ps-02"}


def test_nginx_terminates_for_browsers_and_passes_agents_through(
    zone: RunningZone, tmp_path: Path
) -> None:
    nginx, address = find_program("nginx"), f"{zone.plan.base}.202"
    proxies = Proxies(zone, tmp_path)
    for name in ("nginx-browsers.conf", "nginx-agents.conf", "nginx-pki.conf"):
        proxies.write(name, address)
    config = tmp_path / "nginx.conf"
    config.write_text(NGINX.format(folder=tmp_path, module=f"load_module {MODULE};"))
    with ExitStack() as stack:
        stack.enter_context(program(nginx, "-p", str(tmp_path), "-c", str(config)))
        check(zone, proxies, address)
